/* Pooling as the Pooling module of sentence-transformers defines it. Sums go over the
 * tokens in order. */
#include "encoder/transformer/pooling.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* The hidden states of one sequence. */
struct sequence {
    const float *x; /* (tokens, hidden) */
    size_t hidden, tokens;
    size_t first; /* the first token that counts; `tokens` where none does */
};

/* vector = the sum over t of weight(t) x[t], with weight(t) = t + 1 or 1, times `factor`. A token's
 * weight is by its place in the whole sequence. */
static void weighted_sum(const struct sequence *sequence, const struct kernels *kernels,
                         bool rising, float factor, float *vector)
{
    size_t hidden = sequence->hidden;
    memset(vector, 0, hidden * sizeof *vector);
    for (size_t t = sequence->first; t < sequence->tokens; t++)
        kernels->accumulate(vector, sequence->x + t * hidden, rising ? (float)(t + 1) : 1, hidden);
    kernels->scale(vector, factor, hidden);
}

/* 1 + 2 + ... + n. */
static float sum_to(size_t n)
{
    return (float)(n * (n + 1) / 2);
}

static void pool_one(const struct sequence *sequence, const struct kernels *kernels,
                     enum pooling_mode mode, float *vector)
{
    const float least_weight = 1e-9f;
    const float *x = sequence->x;
    size_t hidden = sequence->hidden, tokens = sequence->tokens, first = sequence->first;
    float count = fmaxf((float)(tokens - first), least_weight);

    switch (mode) {
    case POOLING_CLS:
        memcpy(vector, x + (first < tokens ? first : 0) * hidden, hidden * sizeof *vector);
        break;
    case POOLING_MAX:
        memcpy(vector, x + first * hidden, hidden * sizeof *vector);
        for (size_t t = first + 1; t < tokens; t++)
            kernels->maximum(vector, x + t * hidden, hidden);
        break;
    case POOLING_MEAN:
        weighted_sum(sequence, kernels, false, 1 / count, vector);
        break;
    case POOLING_MEAN_SQRT_LEN:
        weighted_sum(sequence, kernels, false, 1 / sqrtf(count), vector);
        break;
    case POOLING_WEIGHTED_MEAN:
        weighted_sum(sequence, kernels, true,
                     1 / fmaxf(sum_to(tokens) - sum_to(first), least_weight), vector);
        break;
    case POOLING_LAST_TOKEN:
        if (first < tokens)
            memcpy(vector, x + (tokens - 1) * hidden, hidden * sizeof *vector);
        else
            memset(vector, 0, hidden * sizeof *vector);
        break;
    }
}

void pooling_run(const struct model *model, const struct kernels *kernels, const float *x,
                 size_t tokens, size_t left_out, float *ret_vector)
{
    const struct sequence sequence = {.x = x,
                                      .hidden = model->hidden_size,
                                      .tokens = tokens,
                                      .first = left_out < tokens ? left_out : tokens};

    for (size_t i = 0; i < model->pooling.count; i++)
        pool_one(&sequence, kernels, model->pooling.modes[i], ret_vector + i * model->hidden_size);
}
