/* Pooling: a sequence's hidden states to one vector. */
#ifndef SBERT_ENCODER_TRANSFORMER_POOLING_H
#define SBERT_ENCODER_TRANSFORMER_POOLING_H

#include <stddef.h>

#include "encoder/kernels/kernels.h"
#include "encoder/model/model.h"

/* ret_vector (pooled_size) = what model->pooling makes of x (tokens, hidden_size), tokens >= 1,
 * without the first `left_out` of them: a prompt's. Where none is left, means are 0 and the first
 * and the last are what the reference makes of them: the first of all tokens, and 0. The maximum
 * of none does not exist: the caller sees to it that there is one. */
void pooling_run(const struct model *model, const struct kernels *kernels, const float *x,
                 size_t tokens, size_t left_out, float *ret_vector);

#endif
