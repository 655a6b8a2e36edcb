/* The ways back through pooling and Normalize, one sequence at a time: head.c's parts. Thread-safe.
 */
#ifndef SBERT_ENCODER_TRAIN_HEAD_H
#define SBERT_ENCODER_TRAIN_HEAD_H

#include "encoder/transformer/pooling.h"

/* Adds to `gradient` (tokens, hidden_size) what the gradient of the pooled vector makes of x's;
 * `vector` is what pooling_run gave for x. */
void pooling_back(const struct model *model, const struct kernels *kernels, const float *x,
                  size_t tokens, const float *vector, const float *vector_gradient,
                  float *gradient);

/* y = x divided by its length, and from y's gradient to x's; none may overlap. */
void normalize_forward(const struct kernels *kernels, const float *x, size_t size, float *y);
void normalize_back(const struct kernels *kernels, const float *x, const float *y, size_t size,
                    const float *y_gradient, float *x_gradient);

#endif
