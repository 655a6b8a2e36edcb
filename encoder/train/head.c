/* From hidden states to vectors and back: pooling, then the modules after it, which run over all
 * sequences at once and on the calling thread, being small. */
#include <math.h>
#include <string.h>

#include "encoder/train/head.h"
#include "encoder/train/pass.h"

static const float least_length = 1e-12f; /* as in vector_head.c */

/* --- pooling --- */

static const float *last_hidden(const struct pass *pass)
{
    return pass->layers[pass->parameters->model->layers - 1].output;
}

void pass_pool(const struct pass *pass, size_t sequence)
{
    const struct model *model = pass->parameters->model;
    size_t start = pass->batch.starts[sequence];

    pooling_run(model, pass->kernels, last_hidden(pass) + start * model->hidden_size,
                pass->batch.starts[sequence + 1] - start, 0,
                pass->pooled + sequence * model->pooled_size);
}

/* Token t's share in a weighted sum. */
static float share_of(enum pooling_mode mode, size_t t, size_t tokens)
{
    float count = (float)tokens;
    switch (mode) {
    case POOLING_MEAN:
        return 1 / count;
    case POOLING_MEAN_SQRT_LEN:
        return 1 / sqrtf(count);
    case POOLING_WEIGHTED_MEAN:
        return (float)(t + 1) * 2 / (count * (count + 1));
    case POOLING_CLS:
        return t == 0 ? 1 : 0;
    case POOLING_LAST_TOKEN:
        return t + 1 == tokens ? 1 : 0;
    case POOLING_MAX:
        break;
    }
    return 0;
}

/* Each number comes from the first token that has it. */
static void max_back(const float *x, const float *vector, const float *vector_gradient,
                     size_t tokens, size_t hidden, float *gradient)
{
    for (size_t i = 0; i < hidden; i++)
        for (size_t t = 0; t < tokens; t++)
            if (x[t * hidden + i] == vector[i]) {
                gradient[t * hidden + i] += vector_gradient[i];
                break;
            }
}

void pooling_back(const struct model *model, const struct kernels *kernels, const float *x,
                  size_t tokens, const float *vector, const float *vector_gradient, float *gradient)
{
    size_t hidden = model->hidden_size;

    for (size_t i = 0; i < model->pooling.count; i++) {
        enum pooling_mode mode = model->pooling.modes[i];
        if (mode == POOLING_MAX)
            max_back(x, vector, vector_gradient, tokens, hidden, gradient);
        else
            for (size_t t = 0; t < tokens; t++)
                kernels->accumulate(gradient + t * hidden, vector_gradient,
                                    share_of(mode, t, tokens), hidden);
        vector += hidden;
        vector_gradient += hidden;
    }
}

void pass_pool_back(const struct pass *pass, const float *pooled_gradients, size_t sequence)
{
    const struct model *model = pass->parameters->model;
    size_t hidden = model->hidden_size, start = pass->batch.starts[sequence];
    size_t tokens = pass->batch.starts[sequence + 1] - start, at = sequence * model->pooled_size;
    float *gradient = pass->gradient + start * hidden;

    memset(gradient, 0, tokens * hidden * sizeof *gradient);
    pooling_back(model, pass->kernels, last_hidden(pass) + start * hidden, tokens,
                 pass->pooled + at, pooled_gradients + at, gradient);
}

/* --- modules --- */

/* The i-th module; the last may be the Normalize that model->normalize stands for. */
static struct head_module module_at(const struct pass *pass, size_t i)
{
    const struct model *model = pass->parameters->model;
    size_t width = pass->parameters->output_size;

    if (i < model->head_count)
        return model->head[i];
    return (struct head_module){.kind = HEAD_NORMALIZE, .in = width, .out = width};
}

static const float *module_input(const struct pass *pass, size_t i)
{
    return i ? pass->modules[i - 1].output : pass->pooled;
}

void normalize_forward(const struct kernels *kernels, const float *x, size_t size, float *y)
{
    float length = sqrtf(kernels->dot(x, x, size));
    memcpy(y, x, size * sizeof *y);
    kernels->scale(y, 1 / fmaxf(length, least_length), size);
}

/* y = activation(x W^T + b) + x, or its projection. */
static void dense(const struct pass *pass, const struct head_module *head, const float *x,
                  const struct module_record *record)
{
    size_t sequences = pass->batch.sequences, out = head->out;

    product_linear(&pass->products[0], x, sequences, head->in, head->linear.weight,
                   head->linear.bias, out, record->before);
    memcpy(record->output, record->before, sequences * out * sizeof(float));
    pass->kernels->activate(head->activation, record->output, sequences * out);
    if (head->residual && !head->projection.weight)
        pass->kernels->accumulate(record->output, x, 1, sequences * out);
    for (size_t s = 0; head->residual && head->projection.weight && s < sequences; s++)
        for (size_t i = 0; i < out; i++)
            record->output[s * out + i] += pass->kernels->dot(
                x + s * head->in, head->projection.weight + i * head->in, head->in);
}

void pass_modules(struct pass *pass)
{
    for (size_t i = 0; i < pass->module_count; i++) {
        struct head_module head = module_at(pass, i);
        const struct module_record *record = &pass->modules[i];
        const float *x = module_input(pass, i);
        switch (head.kind) {
        case HEAD_NORMALIZE:
            for (size_t s = 0; s < pass->batch.sequences; s++)
                normalize_forward(pass->kernels, x + s * head.in, head.in,
                                  record->output + s * head.in);
            break;
        case HEAD_LAYER_NORM:
            for (size_t s = 0; s < pass->batch.sequences; s++)
                pass->arithmetic->norm_forward(x + s * head.in, &head.norm, head.in,
                                               record->before + s * head.in, &record->inverse[s],
                                               record->output + s * head.in);
            break;
        case HEAD_DENSE:
            dense(pass, &head, x, record);
            break;
        }
    }
}

/* x' = (y' - y (y . y')) / length; below the least length, that is what was divided by. */
void normalize_back(const struct kernels *kernels, const float *x, const float *y, size_t size,
                    const float *y_gradient, float *x_gradient)
{
    float length = sqrtf(kernels->dot(x, x, size));
    float along = length > least_length ? kernels->dot(y, y_gradient, size) : 0;

    memcpy(x_gradient, y_gradient, size * sizeof *x_gradient);
    kernels->accumulate(x_gradient, y, -along, size);
    kernels->scale(x_gradient, 1 / fmaxf(length, least_length), size);
}

static void layer_norm_back(const struct pass *pass, const struct head_module *head,
                            const struct module_record *record, const float *y_gradient,
                            float *x_gradient)
{
    float *weight = gradient_of(pass->parameters, head->norm.weight);
    float *bias = gradient_of(pass->parameters, head->norm.bias);

    if (!pass->add) {
        memset(weight, 0, head->in * sizeof *weight);
        memset(bias, 0, head->in * sizeof *bias);
    }
    for (size_t s = 0; s < pass->batch.sequences; s++)
        pass->arithmetic->norm_backward(y_gradient + s * head->in, record->before + s * head->in,
                                        record->inverse[s], head->norm.weight, head->in,
                                        x_gradient + s * head->in, weight, bias);
}

static void dense_back(const struct pass *pass, const struct head_module *head, const float *x,
                       const struct module_record *record, const float *y_gradient,
                       float *x_gradient)
{
    const struct parameters *parameters = pass->parameters;
    const struct linear *linear = &head->linear, *projection = &head->projection;
    size_t sequences = pass->batch.sequences;

    if (!head->residual || projection->weight)
        memset(x_gradient, 0, sequences * head->in * sizeof *x_gradient);
    else
        memcpy(x_gradient, y_gradient, sequences * head->in * sizeof *x_gradient);
    if (head->residual && projection->weight) {
        product_to_input(&pass->products[0], y_gradient, sequences, head->out, projection->weight,
                         head->in, true, x_gradient);
        product_to_weight(&pass->products[0], y_gradient, head->out, x, sequences, head->out,
                          head->in, pass->add, gradient_of(parameters, projection->weight));
    }
    pass->arithmetic->activate_backward(head->activation, y_gradient, sequences * head->out,
                                        record->before);
    product_to_input(&pass->products[0], record->before, sequences, head->out, linear->weight,
                     head->in, true, x_gradient);
    product_to_weight(&pass->products[0], record->before, head->out, x, sequences, head->out,
                      head->in, pass->add, gradient_of(parameters, linear->weight));
    if (!linear->bias)
        return;
    float *bias = gradient_of(parameters, linear->bias);
    if (!pass->add)
        memset(bias, 0, head->out * sizeof *bias);
    pass->arithmetic->add_columns(record->before, head->out, sequences, head->out, bias);
}

const float *pass_modules_back(struct pass *pass, const float *vector_gradients)
{
    const float *y_gradient = vector_gradients;

    for (size_t i = pass->module_count; i-- > 0;) {
        struct head_module head = module_at(pass, i);
        const struct module_record *record = &pass->modules[i];
        const float *x = module_input(pass, i);
        float *x_gradient = pass->vector_gradients[i % 2];
        switch (head.kind) {
        case HEAD_NORMALIZE:
            for (size_t s = 0; s < pass->batch.sequences; s++)
                normalize_back(pass->kernels, x + s * head.in, record->output + s * head.in,
                               head.in, y_gradient + s * head.in, x_gradient + s * head.in);
            break;
        case HEAD_LAYER_NORM:
            layer_norm_back(pass, &head, record, y_gradient, x_gradient);
            break;
        case HEAD_DENSE:
            dense_back(pass, &head, x, record, y_gradient, x_gradient);
            break;
        }
        y_gradient = x_gradient;
    }
    return y_gradient;
}
