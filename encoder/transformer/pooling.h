/* Pooling: a sequence's hidden states to one vector. */
#ifndef SBERT_ENCODER_TRANSFORMER_POOLING_H
#define SBERT_ENCODER_TRANSFORMER_POOLING_H

#include <stddef.h>

#include "encoder/kernels/kernels.h"
#include "encoder/model/model.h"

/* ret_vector (pooled_size) = what model->pooling makes of x (tokens, hidden_size), tokens >= 1. */
void pooling_run(const struct model *model, const struct kernels *kernels, const float *x,
                 size_t tokens, float *ret_vector);

#endif
