/* A shard's way forward: transformer.c's steps, with what the way back needs kept. */
#include <string.h>

#include "encoder/train/pass.h"
#include "encoder/train/positions.h"
#include "encoder/train/product.h"

/* The sum of a token's rows in the tables; where positions stand, see transformer.c. */
static void embed_token(const struct pass *pass, size_t t, size_t position, float *sum)
{
    const struct model *model = pass->parameters->model;
    const struct batch *batch = &pass->batch;
    size_t hidden = model->hidden_size;
    const float *word = model->word_embeddings + batch->ids[t] * hidden;
    const float *place = model->position_embeddings + position * hidden;

    for (size_t i = 0; i < hidden; i++)
        sum[i] = word[i] + place[i];
    if (model->token_type_embeddings)
        pass->kernels->accumulate(sum, model->token_type_embeddings + batch->type_ids[t] * hidden,
                                  1, hidden);
}

static void embed(const struct pass *pass, const struct shard *shard)
{
    const struct model *model = pass->parameters->model;
    size_t hidden = model->hidden_size;

    for (size_t s = shard->first; s < shard->end; s++) {
        struct position_counter counter = position_counter(model);
        for (size_t t = pass->batch.starts[s]; t < pass->batch.starts[s + 1]; t++) {
            float *normed = pass->embedded_normed + t * hidden, *out = pass->embedded + t * hidden;
            struct dropout dropout =
                pass_dropout(pass, pass->rates.hidden, pass_site(0, SITE_EMBEDDINGS), t);
            embed_token(pass, t, position_next(&counter, model, pass->batch.ids[t]), normed);
            pass->arithmetic->norm_forward(normed, &model->embedding_norm, hidden, normed,
                                           &pass->embedded_inverse[t], out);
            pass->arithmetic->drop(&dropout, hidden, out);
        }
    }
}

/* y = norm(residual + drop(sum)), where `sum` becomes the normed sum. */
static void add_and_norm(const struct pass *pass, const struct shard *shard, float rate,
                         uint64_t site, const float *residual, const struct layer_norm *norm,
                         float *sum, float *inverse, float *y)
{
    size_t hidden = pass->parameters->model->hidden_size;

    for (size_t t = shard->first_token; t < shard->end_token; t++) {
        float *row = sum + t * hidden;
        struct dropout dropout = pass_dropout(pass, rate, site, t);
        pass->arithmetic->drop(&dropout, hidden, row);
        pass->kernels->accumulate(row, residual + t * hidden, 1, hidden);
        pass->arithmetic->norm_forward(row, norm, hidden, row, &inverse[t], y + t * hidden);
    }
}

static void run_layer(const struct pass *pass, const struct shard *shard, size_t i, int thread)
{
    const struct model *model = pass->parameters->model;
    const struct transformer_layer *layer = &model->layer[i];
    struct layer_record *record = &pass->layers[i];
    size_t hidden = model->hidden_size, intermediate = model->intermediate_size;
    size_t first = shard->first_token, tokens = shard->end_token - first;
    float attention_rate = pass->rates.after_attention ? pass->rates.hidden : 0;

    /* qkv (tokens, 3 hidden) = x (Wq Wk Wv)^T + b: the three stand side by side */
    product_linear(&pass->products[thread], record->input + first * hidden, tokens, hidden,
                   layer->query.weight, layer->query.bias, 3 * hidden,
                   record->qkv + first * 3 * hidden);

    /* context (tokens, hidden) = drop(softmax(q k^T / sqrt(head size) + bias)) v */
    pass_attend(pass, shard, i, thread);

    /* middle = norm(x + drop(context Wo^T + b)) */
    product_linear(&pass->products[thread], record->context + first * hidden, tokens, hidden,
                   layer->attention_output.weight, layer->attention_output.bias, hidden,
                   record->normed1 + first * hidden);
    add_and_norm(pass, shard, attention_rate, pass_site(i, SITE_ATTENTION), record->input,
                 &layer->attention_norm, record->normed1, record->inverse1, record->middle);

    /* inner (tokens, intermediate) = activation(middle W1^T + b) */
    product_linear(&pass->products[thread], record->middle + first * hidden, tokens, hidden,
                   layer->intermediate.weight, layer->intermediate.bias, intermediate,
                   record->before_inner + first * intermediate);
    for (size_t t = first; t < shard->end_token; t++) {
        float *inner = record->inner + t * intermediate;
        memcpy(inner, record->before_inner + t * intermediate, intermediate * sizeof *inner);
        pass->kernels->activate(model->activation, inner, intermediate);
    }

    /* output = norm(middle + drop(inner W2^T + b)) */
    product_linear(&pass->products[thread], record->inner + first * intermediate, tokens,
                   intermediate, layer->output.weight, layer->output.bias, hidden,
                   record->normed2 + first * hidden);
    add_and_norm(pass, shard, pass->rates.hidden, pass_site(i, SITE_OUTPUT), record->middle,
                 &layer->output_norm, record->normed2, record->inverse2, record->output);
}

void pass_shard_forward(const struct pass *pass, const struct shard *shard, int thread)
{
    embed(pass, shard);
    for (size_t i = 0; i < pass->parameters->model->layers; i++)
        run_layer(pass, shard, i, thread);
}
