/* The forward pass of BERT and its relatives, top to bottom.
 *
 * Devlin et al., arXiv 1810.04805; the layer is that of Vaswani et al., arXiv 1706.03762, with the
 * norm after each residual. Shapes are (rows, columns), row-major.
 */
#include "encoder/transformer/transformer.h"

#include <stdlib.h>

#include "encoder/transformer/attention.h"
#include "encoder/transformer/pooling.h"
#include "encoder/transformer/relative_bias.h"
#include "encoder/transformer/vector_head.h"

struct layer_weights {
    struct matmul_weight *qkv; /* query, key and value side by side */
    struct matmul_weight *attention_output;
    struct matmul_weight *intermediate;
    struct matmul_weight *output;
};

struct transformer {
    const struct model *model;
    const struct kernels *kernels;
    const struct matmul_backend *backend;
    struct relative_bias relative_bias;
    struct layer_weights layers[];
};

static int prepare_layer(struct layer_weights *weights, const struct transformer_layer *layer,
                         const struct kernels *kernels, const struct matmul_backend *backend,
                         struct err *err)
{
    const struct linear qkv[3] = {layer->query, layer->key, layer->value};
    int r = matmul_prepare(&weights->qkv, backend, kernels, qkv, 3, NULL, err);
    if (r == 0)
        r = matmul_prepare(&weights->attention_output, backend, kernels, &layer->attention_output,
                           1, NULL, err);
    if (r == 0)
        r = matmul_prepare(&weights->intermediate, backend, kernels, &layer->intermediate, 1, NULL,
                           err);
    if (r == 0)
        r = matmul_prepare(&weights->output, backend, kernels, &layer->output, 1, NULL, err);
    return r;
}

int transformer_open(struct transformer **ret_transformer, const struct model *model,
                     const struct kernels *kernels, const struct matmul_backend *backend,
                     struct err *err)
{
    struct transformer *transformer =
        calloc(1, sizeof *transformer + model->layers * sizeof transformer->layers[0]);
    if (!transformer)
        return err_memory(err, "a transformer");
    transformer->model = model;
    transformer->kernels = kernels;
    transformer->backend = backend;
    int r = relative_bias_open(&transformer->relative_bias, model, err);
    for (size_t i = 0; r == 0 && i < model->layers; i++)
        r = prepare_layer(&transformer->layers[i], &model->layer[i], kernels, backend, err);
    if (r < 0) {
        transformer_close(transformer);
        return r;
    }
    *ret_transformer = transformer;
    return 0;
}

void transformer_close(struct transformer *transformer)
{
    if (!transformer)
        return;
    for (size_t i = 0; i < transformer->model->layers; i++) {
        matmul_release(transformer->layers[i].qkv);
        matmul_release(transformer->layers[i].attention_output);
        matmul_release(transformer->layers[i].intermediate);
        matmul_release(transformer->layers[i].output);
    }
    relative_bias_close(&transformer->relative_bias);
    free(transformer);
}

const struct matmul_backend *transformer_backend(const struct transformer *transformer)
{
    return transformer->backend;
}

/* Rows of hidden_size floats as the products read them: where that is as floats, they themselves;
 * else workspace->input, which convert_row fills. */
static const void *as_input(const struct transformer *transformer,
                            const struct workspace *workspace, const float *rows)
{
    return transformer->backend->convert ? workspace->input : (const void *)rows;
}

static void convert_row(const struct transformer *transformer, struct workspace *workspace,
                        const float *rows, size_t row)
{
    size_t hidden = transformer->model->hidden_size;
    matmul_convert(transformer->backend, transformer->kernels, rows + row * hidden, hidden,
                   (char *)workspace->input + row * matmul_row_size(transformer->backend, hidden));
}

/* A padding token that stands in the text has a row of its own in the position table and takes none
 * of the others, where the model's positions count so. */
static void embed_sequence(const struct transformer *transformer, struct workspace *workspace,
                           size_t start, size_t end)
{
    const struct model *model = transformer->model;
    const struct batch *batch = &workspace->batch;
    size_t hidden = model->hidden_size, next = model->position_offset;

    for (size_t t = start; t < end; t++) {
        const float *type = NULL;
        bool padding =
            model->positions_after_padding && batch->ids[t] == model->position_offset - 1;
        size_t position = padding ? model->position_offset - 1 : next++;
        if (model->token_type_embeddings)
            type = model->token_type_embeddings + batch->type_ids[t] * hidden;
        transformer->kernels->add_norm(model->word_embeddings + batch->ids[t] * hidden,
                                       model->position_embeddings + position * hidden, type,
                                       &model->embedding_norm, hidden, workspace->x + t * hidden);
        convert_row(transformer, workspace, workspace->x, t);
    }
}

void transformer_embed(const struct transformer *transformer, struct workspace *workspace)
{
    const struct batch *batch = &workspace->batch;
    for (size_t s = 0; s < batch->sequences; s++)
        embed_sequence(transformer, workspace, batch->starts[s], batch->starts[s + 1]);
}

/* x = norm(x + y), row by row. */
static void add_and_norm(const struct transformer *transformer, struct workspace *workspace,
                         const struct layer_norm *norm)
{
    size_t hidden = transformer->model->hidden_size;
    for (size_t t = 0; t < workspace->batch.tokens; t++) {
        float *x = workspace->x + t * hidden;
        transformer->kernels->add_norm(x, workspace->y + t * hidden, NULL, norm, hidden, x);
        convert_row(transformer, workspace, workspace->x, t);
    }
}

static void multiply_part(void *argument, size_t part, size_t parts)
{
    matmul_run_part(argument, part, parts);
}

/* y (tokens, out) = x W^T + b over all tokens of a pass, as floats. */
static void multiply(struct team *team, const struct matmul_weight *weight, const void *x,
                     size_t tokens, float *y)
{
    struct matmul_product product = {
        .weight = weight,
        .x = x,
        .x_stride = matmul_row_size(weight->backend, weight->in),
        .rows = tokens,
        .activation = ACTIVATION_IDENTITY,
        .y = y,
        .y_stride = weight->out * sizeof *y,
    };
    team_run(team, multiply_part, &product);
}

/* y = activation(x W^T + b), as rows that the next product reads. */
static void multiply_inner(struct team *team, const struct matmul_weight *weight, const void *x,
                           size_t tokens, enum activation activation, void *y)
{
    struct matmul_product product = {
        .weight = weight,
        .x = x,
        .x_stride = matmul_row_size(weight->backend, weight->in),
        .rows = tokens,
        .activation = activation,
        .convert = true,
        .y = y,
        .y_stride = matmul_row_size(weight->backend, weight->out),
    };
    team_run(team, multiply_part, &product);
}

void transformer_run_layer(const struct transformer *transformer, size_t layer,
                           struct workspace *workspace, struct team *team)
{
    const struct model *model = transformer->model;
    const struct layer_weights *weights = &transformer->layers[layer];
    const void *x = as_input(transformer, workspace, workspace->x);
    const void *context = as_input(transformer, workspace, workspace->context);
    size_t tokens = workspace->batch.tokens;

    /* qkv (tokens, 3 hidden) = x (Wq Wk Wv)^T + b */
    multiply(team, weights->qkv, x, tokens, workspace->qkv);

    /* context (tokens, hidden) = softmax(q k^T / sqrt(head size) + bias) v, per sequence and head
     */
    attention_run(model, &transformer->relative_bias, transformer->kernels, workspace);
    for (size_t t = 0; t < tokens; t++)
        convert_row(transformer, workspace, workspace->context, t);

    /* x = norm(x + context Wo^T + b) */
    multiply(team, weights->attention_output, context, tokens, workspace->y);
    add_and_norm(transformer, workspace, &model->layer[layer].attention_norm);

    /* inner (tokens, intermediate) = activation(x W1^T + b) */
    multiply_inner(team, weights->intermediate, x, tokens, model->activation, workspace->inner);

    /* x = norm(x + inner W2^T + b) */
    multiply(team, weights->output, workspace->inner, tokens, workspace->y);
    add_and_norm(transformer, workspace, &model->layer[layer].output_norm);
}

void transformer_forward(const struct transformer *transformer, struct workspace *workspace,
                         struct team *team)
{
    transformer_embed(transformer, workspace);
    for (size_t layer = 0; layer < transformer->model->layers; layer++)
        transformer_run_layer(transformer, layer, workspace, team);
}

void transformer_pool(const struct transformer *transformer, const struct workspace *workspace,
                      size_t i, size_t left_out, float *ret_vector)
{
    const struct batch *batch = &workspace->batch;
    pooling_run(transformer->model, transformer->kernels,
                workspace->x + batch->starts[i] * transformer->model->hidden_size,
                batch->starts[i + 1] - batch->starts[i], left_out, workspace->vectors[0]);
    head_run(transformer->model, transformer->kernels, workspace->vectors[0], workspace->vectors[1],
             ret_vector);
}
