/* Matrix products of training, over the encoder's kernels for packed panels. The weights change
 * with every step, so panels are packed on the way, a few columns at a time, into a thread's own
 * scratch: nothing is kept. Row-major, without gaps. Every output element is summed in one order,
 * whatever the number of rows.
 */
#ifndef SBERT_ENCODER_TRAIN_PRODUCT_H
#define SBERT_ENCODER_TRAIN_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "encoder/kernels/kernels.h"
#include "encoder/train/arithmetic.h"

/* One thread's means to multiply. */
struct product {
    const struct kernels *kernels;
    const struct arithmetic *arithmetic;
    float *panel, *transposed, *start;
};

int product_open(struct product *ret_product, const struct kernels *kernels, struct err *err);
void product_close(struct product *product); /* accepts a zeroed one */

/* y (rows, out) = x (rows, in) weight^T (in, out) + bias (out), which may be NULL. */
void product_linear(const struct product *product, const float *x, size_t rows, size_t in,
                    const float *weight, const float *bias, size_t out, float *y);

/* x_gradient (rows, in) = y_gradient (rows, out) weight (out, in), or with `add` added to it. */
void product_to_input(const struct product *product, const float *y_gradient, size_t rows,
                      size_t out, const float *weight, size_t in, bool add, float *x_gradient);

/* weight_gradient (out, in) = y_gradient^T x, or with `add` added to it, for `out` columns of
 * y_gradient, whose rows stand `y_stride` apart; x is (rows, in). */
void product_to_weight(const struct product *product, const float *y_gradient, size_t y_stride,
                       const float *x, size_t rows, size_t out, size_t in, bool add,
                       float *weight_gradient);

#endif
