/* The gradients of the weights, over all tokens of a batch, after all shards went back: each task
 * is a slice of one weight, so nothing is summed by two threads. */
#include <string.h>

#include "encoder/train/pass.h"
#include "encoder/train/positions.h"
#include "encoder/train/product.h"

enum {
    SLICE = 384, /* outputs of a linear layer that one task takes */
    LINEARS = 4, /* of a layer, with query, key and value as one */
};

/* A linear layer with its input and its output's gradient. */
struct weight_task {
    const float *weight, *bias;
    const float *x, *y_gradient;
    size_t in, out;
};

static struct weight_task task_of(const struct pass *pass, size_t layer_number, int linear)
{
    const struct model *model = pass->parameters->model;
    const struct transformer_layer *layer = &model->layer[layer_number];
    const struct layer_record *record = &pass->layers[layer_number];
    size_t hidden = model->hidden_size, intermediate = model->intermediate_size;

    switch (linear) {
    case 0:
        return (struct weight_task){
            layer->query.weight, layer->query.bias, record->input, record->qkv, hidden, 3 * hidden};
    case 1:
        return (struct weight_task){layer->attention_output.weight,
                                    layer->attention_output.bias,
                                    record->context,
                                    record->normed1,
                                    hidden,
                                    hidden};
    case 2:
        return (struct weight_task){layer->intermediate.weight,
                                    layer->intermediate.bias,
                                    record->middle,
                                    record->before_inner,
                                    hidden,
                                    intermediate};
    default:
        return (struct weight_task){layer->output.weight, layer->output.bias, record->inner,
                                    record->normed2,      intermediate,       hidden};
    }
}

static size_t slices(size_t out)
{
    return (out + SLICE - 1) / SLICE;
}

static void run_slice(const struct pass *pass, const struct weight_task *task, size_t slice,
                      int thread)
{
    size_t from = slice * SLICE, tokens = pass->batch.tokens;
    size_t columns = task->out - from < SLICE ? task->out - from : SLICE;
    float *bias_gradient = gradient_of(pass->parameters, task->bias) + from;

    product_to_weight(&pass->products[thread], task->y_gradient + from, task->out, task->x, tokens,
                      columns, task->in, pass->add,
                      gradient_of(pass->parameters, task->weight) + from * task->in);
    if (!pass->add)
        memset(bias_gradient, 0, columns * sizeof *bias_gradient);
    pass->arithmetic->add_columns(task->y_gradient + from, task->out, tokens, columns,
                                  bias_gradient);
}

/* Adds all shards' shares of a norm. */
static void sum_norm(const struct pass *pass, size_t number, const struct layer_norm *norm)
{
    const struct parameters *parameters = pass->parameters;
    size_t hidden = parameters->model->hidden_size;
    float *weight = gradient_of(parameters, norm->weight);
    float *bias = gradient_of(parameters, norm->bias);

    if (!pass->add) {
        memset(weight, 0, hidden * sizeof *weight);
        memset(bias, 0, hidden * sizeof *bias);
    }
    for (size_t s = 0; s < pass->shard_count; s++) {
        const float *share = pass->norm_gradients + s * pass->norm_size + number * 2 * hidden;
        pass->kernels->accumulate(weight, share, 1, hidden);
        pass->kernels->accumulate(bias, share + hidden, 1, hidden);
    }
}

static void add_row(const struct pass *pass, struct parameter *table, size_t row, const float *x)
{
    const struct parameters *parameters = pass->parameters;

    parameter_touch(parameters, table, row);
    pass->kernels->accumulate(parameters->gradients + table->offset + row * table->columns, x, 1,
                              table->columns);
}

/* Every token adds its gradient to its rows of the tables, token by token. */
static void embedding_gradients(const struct pass *pass)
{
    const struct parameters *parameters = pass->parameters;
    const struct model *model = parameters->model;
    const struct batch *batch = &pass->batch;
    struct parameter *words = parameter_at(parameters, model->word_embeddings);
    struct parameter *positions = parameter_at(parameters, model->position_embeddings);
    struct parameter *types = model->token_type_embeddings
                                  ? parameter_at(parameters, model->token_type_embeddings)
                                  : NULL;

    for (size_t s = 0; s < batch->sequences; s++) {
        struct position_counter counter = position_counter(model);
        for (size_t t = batch->starts[s]; t < batch->starts[s + 1]; t++) {
            const float *gradient = pass->gradient + t * model->hidden_size;
            add_row(pass, words, batch->ids[t], gradient);
            add_row(pass, positions, position_next(&counter, model, batch->ids[t]), gradient);
            if (types)
                add_row(pass, types, batch->type_ids[t], gradient);
        }
    }
    sum_norm(pass, 0, &model->embedding_norm);
    if (model->relative_bias)
        pass_collect_bias(pass);
}

/* Task 0 is the embeddings and the norms, the others are slices. */
static void run_task(void *argument, size_t number, int thread)
{
    const struct pass *pass = argument;
    const struct parameters *parameters = pass->parameters;
    size_t first = parameters->freeze.layers;

    if (number == 0) {
        for (size_t i = first; i < parameters->model->layers; i++) {
            sum_norm(pass, 2 * i + 1, &parameters->model->layer[i].attention_norm);
            sum_norm(pass, 2 * i + 2, &parameters->model->layer[i].output_norm);
        }
        if (!parameters->freeze.embeddings)
            embedding_gradients(pass);
        return;
    }
    number--;
    for (size_t i = first; i < parameters->model->layers; i++)
        for (int linear = 0; linear < LINEARS; linear++) {
            struct weight_task task = task_of(pass, i, linear);
            if (number < slices(task.out)) {
                run_slice(pass, &task, number, thread);
                return;
            }
            number -= slices(task.out);
        }
}

void pass_weight_gradients(struct pass *pass)
{
    const struct model *model = pass->parameters->model;
    size_t of_layer = slices(3 * model->hidden_size) + 2 * slices(model->hidden_size) +
                      slices(model->intermediate_size);
    size_t layers = model->layers - pass->parameters->freeze.layers;

    pool_run(pass->pool, 1 + layers * of_layer, run_task, pass);
}
