/* The forward pass of BERT and its relatives, top to bottom.
 *
 * Devlin et al., arXiv 1810.04805; the layer is that of Vaswani et al., arXiv 1706.03762, with the
 * norm after each residual. Shapes are (rows, columns), row-major.
 */
#include "encoder/transformer/transformer.h"

#include <stdlib.h>

#include "encoder/model/weights.h"
#include "encoder/transformer/attention.h"
#include "encoder/transformer/packed_weights.h"
#include "encoder/transformer/pooling.h"
#include "encoder/transformer/relative_bias.h"
#include "encoder/transformer/vector_head.h"

/* By enum layer_product. */
struct layer_weights {
    struct matmul_weight *products[LAYER_PRODUCTS];
};

struct transformer {
    const struct model *model;
    const struct kernels *kernels;
    const struct matmul_backend *backend;
    struct packed_weights packed;
    struct relative_bias relative_bias;
    const struct weights_tensor *words; /* where the word embeddings are a file's; else NULL */
    struct layer_weights layers[];
};

/* Prepares all products in the order of their packed weights, which stand at `packed` one after
 * another, or nowhere yet where it is NULL. */
static int prepare_products(struct transformer *transformer, const unsigned char *packed,
                            struct err *err)
{
    const struct matmul_backend *backend = transformer->backend;
    const struct kernels *kernels = transformer->kernels;

    for (size_t i = 0; i < transformer->model->layers * LAYER_PRODUCTS; i++) {
        const struct transformer_layer *layer = &transformer->model->layer[i / LAYER_PRODUCTS];
        struct matmul_weight **weight =
            &transformer->layers[i / LAYER_PRODUCTS].products[i % LAYER_PRODUCTS];
        struct linear linears[LAYER_PRODUCT_MAX_LINEARS];
        size_t size, count = packed_weights_linears(layer, (enum layer_product)(i % LAYER_PRODUCTS),
                                                    linears);
        int r = matmul_packed_size(backend, kernels, linears, count, &size, err);
        if (!packed)
            packed_weights_widen(transformer->model, linears, count);
        if (r == 0)
            r = matmul_prepare(weight, backend, kernels, linears, count, packed, err);
        if (backend->pack)
            packed_weights_drop(transformer->model, linears, count);
        if (r < 0)
            return r;
        packed = packed ? packed + size : NULL;
    }
    return 0;
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
    transformer->words = weights_find(model->storage, model->word_embeddings);
    int r = relative_bias_open(&transformer->relative_bias, model, err);
    if (r == 0)
        r = packed_weights_open(&transformer->packed, model, kernels, backend, err);
    if (r == 0)
        r = prepare_products(transformer, transformer->packed.cache.weights, err);
    if (r < 0) {
        transformer_close(transformer);
        return r;
    }
    /* What was read to be packed, or to be hashed, is not read again but for the embeddings. */
    if (backend->pack)
        weights_forget(model->storage);
    *ret_transformer = transformer;
    return 0;
}

void transformer_close(struct transformer *transformer)
{
    if (!transformer)
        return;
    for (size_t i = 0; i < transformer->model->layers * LAYER_PRODUCTS; i++)
        matmul_release(transformer->layers[i / LAYER_PRODUCTS].products[i % LAYER_PRODUCTS]);
    packed_weights_close(&transformer->packed);
    relative_bias_close(&transformer->relative_bias);
    free(transformer);
}

const char *transformer_weights_source(const struct transformer *transformer)
{
    return transformer->packed.source;
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
        const float *word = transformer->words
                                ? weights_row(transformer->words, batch->ids[t], workspace->y)
                                : model->word_embeddings + batch->ids[t] * hidden;
        transformer->kernels->add_norm(word, model->position_embeddings + position * hidden, type,
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
    struct matmul_weight *const *weights = transformer->layers[layer].products;
    const void *x = as_input(transformer, workspace, workspace->x);
    const void *context = as_input(transformer, workspace, workspace->context);
    size_t tokens = workspace->batch.tokens;

    /* qkv (tokens, 3 hidden) = x (Wq Wk Wv)^T + b */
    multiply(team, weights[PRODUCT_QKV], x, tokens, workspace->qkv);

    /* context (tokens, hidden) = softmax(q k^T / sqrt(head size) + bias) v, per sequence and head
     */
    attention_run(model, &transformer->relative_bias, transformer->kernels, workspace);
    for (size_t t = 0; t < tokens; t++)
        convert_row(transformer, workspace, workspace->context, t);

    /* x = norm(x + context Wo^T + b) */
    multiply(team, weights[PRODUCT_ATTENTION_OUTPUT], context, tokens, workspace->y);
    add_and_norm(transformer, workspace, &model->layer[layer].attention_norm);

    /* inner (tokens, intermediate) = activation(x W1^T + b) */
    multiply_inner(team, weights[PRODUCT_INTERMEDIATE], x, tokens, model->activation,
                   workspace->inner);

    /* x = norm(x + inner W2^T + b) */
    multiply(team, weights[PRODUCT_OUTPUT], workspace->inner, tokens, workspace->y);
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
