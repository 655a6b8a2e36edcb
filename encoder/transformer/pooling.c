/* Pooling as the Pooling module of sentence-transformers defines it. Sums go over the
 * tokens in order. */
#include "encoder/transformer/pooling.h"

#include <math.h>
#include <string.h>

/* vector = the sum over t of weight(t) x[t], with weight(t) = t + 1 or 1, times `factor`. */
static void weighted_sum(const struct model *model, const struct kernels *kernels, const float *x,
                         size_t tokens, bool rising, float factor, float *vector)
{
    size_t hidden = model->hidden_size;
    memset(vector, 0, hidden * sizeof *vector);
    for (size_t t = 0; t < tokens; t++)
        kernels->accumulate(vector, x + t * hidden, rising ? (float)(t + 1) : 1, hidden);
    kernels->scale(vector, factor, hidden);
}

static void pool_one(const struct model *model, const struct kernels *kernels, const float *x,
                     size_t tokens, enum pooling_mode mode, float *vector)
{
    size_t hidden = model->hidden_size;
    float count = (float)tokens;

    switch (mode) {
    case POOLING_CLS:
        memcpy(vector, x, hidden * sizeof *vector);
        break;
    case POOLING_MAX:
        memcpy(vector, x, hidden * sizeof *vector);
        for (size_t t = 1; t < tokens; t++)
            kernels->maximum(vector, x + t * hidden, hidden);
        break;
    case POOLING_MEAN:
        weighted_sum(model, kernels, x, tokens, false, 1 / count, vector);
        break;
    case POOLING_MEAN_SQRT_LEN:
        weighted_sum(model, kernels, x, tokens, false, 1 / sqrtf(count), vector);
        break;
    case POOLING_WEIGHTED_MEAN:
        weighted_sum(model, kernels, x, tokens, true, 2 / (count * (count + 1)), vector);
        break;
    case POOLING_LAST_TOKEN:
        memcpy(vector, x + (tokens - 1) * hidden, hidden * sizeof *vector);
        break;
    }
}

void pooling_run(const struct model *model, const struct kernels *kernels, const float *x,
                 size_t tokens, float *ret_vector)
{
    float *vector = ret_vector;

    for (unsigned mode = POOLING_CLS; mode <= POOLING_LAST_TOKEN; mode <<= 1) {
        if (!(model->pooling & mode))
            continue;
        pool_one(model, kernels, x, tokens, (enum pooling_mode)mode, vector);
        vector += model->hidden_size;
    }
}
