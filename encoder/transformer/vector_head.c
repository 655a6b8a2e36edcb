/* The modules after pooling, one vector at a time: they are small beside the transformer. */
#include "encoder/transformer/vector_head.h"

#include <math.h>
#include <string.h>

/* Normalize divides by at least 1e-12, as torch.nn.functional.normalize does. */
static void normalize(const struct kernels *kernels, float *x, size_t size)
{
    const float least_length = 1e-12f;
    float length = sqrtf(kernels->dot(x, x, size));
    kernels->scale(x, 1 / fmaxf(length, least_length), size);
}

/* y = activation(x W^T + b), plus x or its projection where there is a residual. */
static void run_dense(const struct head_module *head, const struct kernels *kernels, const float *x,
                      float *y)
{
    const struct linear *linear = &head->linear, *projection = &head->projection;

    for (size_t i = 0; i < linear->out; i++)
        y[i] = kernels->dot(x, linear->weight + i * linear->in, linear->in) +
               (linear->bias ? linear->bias[i] : 0);
    kernels->activate(head->activation, y, linear->out);
    if (!head->residual)
        return;
    for (size_t i = 0; i < linear->out; i++)
        y[i] += projection->weight
                    ? kernels->dot(x, projection->weight + i * linear->in, linear->in)
                    : x[i];
}

void head_run(const struct model *model, const struct kernels *kernels, float *vector, float *other,
              float *ret_vector)
{
    for (size_t i = 0; i < model->head_count; i++) {
        const struct head_module *head = &model->head[i];
        switch (head->kind) {
        case HEAD_NORMALIZE:
            normalize(kernels, vector, head->in);
            break;
        case HEAD_LAYER_NORM:
            memset(other, 0, head->in * sizeof *other);
            kernels->add_norm(vector, other, NULL, &head->norm, head->in, vector);
            break;
        case HEAD_DENSE: {
            run_dense(head, kernels, vector, other);
            float *written = other;
            other = vector;
            vector = written;
            break;
        }
        }
    }
    memcpy(ret_vector, vector, model->dimension * sizeof *ret_vector);
    if (model->normalize)
        normalize(kernels, ret_vector, model->dimension);
}
