/* Matrix products of training, on OpenBLAS: the weights change with every step, so nothing is
 * prepared. Row-major, without gaps. Its threads are off (product_setup): the trainer decides what
 * runs in parallel. Thread-safe after that.
 */
#ifndef SBERT_ENCODER_TRAIN_PRODUCT_H
#define SBERT_ENCODER_TRAIN_PRODUCT_H

#include <stddef.h>

/* Before the first product of the process. */
void product_setup(void);

/* y (rows, out) = x (rows, in) weight^T (in, out) + bias (out), which may be NULL. */
void product_linear(const float *x, size_t rows, size_t in, const float *weight, const float *bias,
                    size_t out, float *y);

/* x_gradient (rows, in) = keep x_gradient + y_gradient (rows, out) weight (out, in); keep is 0 or
 * 1. */
void product_to_input(const float *y_gradient, size_t rows, size_t out, const float *weight,
                      size_t in, float keep, float *x_gradient);

/* weight_gradient (out, in) = keep weight_gradient + y_gradient^T x, for `out` columns of
 * y_gradient, whose rows stand `y_stride` apart; x is (rows, in). */
void product_to_weight(const float *y_gradient, size_t y_stride, const float *x, size_t rows,
                       size_t out, size_t in, float keep, float *weight_gradient);

#endif
