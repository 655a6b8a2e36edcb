/* A shard's way back through all layers: from the gradient of the last layer's output to that of
 * each step's input. What came out of a linear layer gives its place to that output's gradient,
 * from which weight_gradients.c goes on. */
#include <string.h>

#include "encoder/train/pass.h"
#include "encoder/train/product.h"

/* The shares of a norm in a shard's part of pass->norm_gradients: weight, then bias. */
static float *norm_share(const struct pass *pass, size_t shard, size_t norm)
{
    size_t hidden = pass->parameters->model->hidden_size;
    return pass->norm_gradients + shard * pass->norm_size + norm * 2 * hidden;
}

/* gradient = that of the norm's input; `normed` = the same after the dropout that stands between
 * the linear layer and the sum. */
static void norm_back(const struct pass *pass, size_t shard, size_t norm, const float *weight,
                      const float *inverse, float rate, uint64_t site, float *normed)
{
    size_t hidden = pass->parameters->model->hidden_size;
    float *share = norm_share(pass, shard, norm);

    for (size_t t = pass->shards[shard].first_token; t < pass->shards[shard].end_token; t++) {
        float *gradient = pass->gradient + t * hidden, *row = normed + t * hidden;
        struct dropout dropout = pass_dropout(pass, rate, site, t);
        pass->arithmetic->norm_backward(gradient, row, inverse[t], weight, hidden, gradient, share,
                                        share + hidden);
        memcpy(row, gradient, hidden * sizeof *row);
        pass->arithmetic->drop(&dropout, hidden, row);
    }
}

/* From pass->gradient, that of the layer's output, to that of its input, in the same place. */
static void layer_back(const struct pass *pass, size_t shard_number, size_t i, int thread)
{
    const struct model *model = pass->parameters->model;
    const struct transformer_layer *layer = &model->layer[i];
    const struct shard *shard = &pass->shards[shard_number];
    struct layer_record *record = &pass->layers[i];
    size_t hidden = model->hidden_size, intermediate = model->intermediate_size;
    size_t first = shard->first_token, tokens = shard->end_token - first;
    float attention_rate = pass->rates.after_attention ? pass->rates.hidden : 0;
    float *gradient = pass->gradient + first * hidden;

    /* output = norm(middle + drop(inner W2^T + b)) */
    norm_back(pass, shard_number, 2 * i + 2, layer->output_norm.weight, record->inverse2,
              pass->rates.hidden, pass_site(i, SITE_OUTPUT), record->normed2);
    product_to_input(&pass->products[thread], record->normed2 + first * hidden, tokens, hidden,
                     layer->output.weight, intermediate, false,
                     pass->inner_gradient + first * intermediate);

    /* inner = activation(middle W1^T + b) */
    pass->arithmetic->activate_backward(
        model->activation, pass->inner_gradient + first * intermediate, tokens * intermediate,
        record->before_inner + first * intermediate);
    product_to_input(&pass->products[thread], record->before_inner + first * intermediate, tokens,
                     intermediate, layer->intermediate.weight, hidden, true, gradient);

    /* middle = norm(x + drop(context Wo^T + b)) */
    norm_back(pass, shard_number, 2 * i + 1, layer->attention_norm.weight, record->inverse1,
              attention_rate, pass_site(i, SITE_ATTENTION), record->normed1);
    product_to_input(&pass->products[thread], record->normed1 + first * hidden, tokens, hidden,
                     layer->attention_output.weight, hidden, false, pass->other + first * hidden);

    /* context = drop(softmax(q k^T / sqrt(head size) + bias)) v, qkv = x (Wq Wk Wv)^T + b */
    pass_attend_back(pass, shard, i, thread);
    product_to_input(&pass->products[thread], record->qkv + first * 3 * hidden, tokens, 3 * hidden,
                     layer->query.weight, hidden, true, gradient);
}

/* embedded = drop(norm(sum)); the sum's gradient is left in pass->gradient. */
static void embeddings_back(const struct pass *pass, size_t shard)
{
    const struct model *model = pass->parameters->model;
    size_t hidden = model->hidden_size;
    float *share = norm_share(pass, shard, 0);

    for (size_t t = pass->shards[shard].first_token; t < pass->shards[shard].end_token; t++) {
        float *gradient = pass->gradient + t * hidden;
        struct dropout dropout =
            pass_dropout(pass, pass->rates.hidden, pass_site(0, SITE_EMBEDDINGS), t);
        pass->arithmetic->drop(&dropout, hidden, gradient);
        pass->arithmetic->norm_backward(gradient, pass->embedded_normed + t * hidden,
                                        pass->embedded_inverse[t], model->embedding_norm.weight,
                                        hidden, gradient, share, share + hidden);
    }
}

void pass_shard_backward(const struct pass *pass, size_t shard, int thread)
{
    const struct freeze *freeze = &pass->parameters->freeze;
    size_t lowest = freeze->embeddings ? freeze->layers : 0;

    memset(norm_share(pass, shard, 0), 0, pass->norm_size * sizeof(float));
    for (size_t i = pass->parameters->model->layers; i-- > lowest;)
        layer_back(pass, shard, i, thread);
    if (!freeze->embeddings)
        embeddings_back(pass, shard);
}
