/* Matrix products with constant weights: y = x W^T + b, the one product the transformer needs for
 * its linear layers, behind one header so that backends can stand side by side.
 *
 * A backend prepares a weight once (packs it, or only remembers it) and multiplies any number of
 * rows by it. Every output element is summed in one order whatever the number of rows and whichever
 * of them it stands in, so a text's vector does not depend on what it is batched with.
 */
#ifndef SBERT_ENCODER_KERNELS_MATMUL_H
#define SBERT_ENCODER_KERNELS_MATMUL_H

#include <stddef.h>

#include "base/err.h"
#include "encoder/model/model.h"

/* A weight prepared by the backend in use. */
struct matmul_weight;

/* Prepares `linear.weight`; `linear` (the mapped file behind it) must outlive the result. Several
 * linears that take the same input may be prepared as one whose outputs stand side by side
 * (`count` > 1: query, key, value). */
int matmul_prepare(struct matmul_weight **ret_weight, const struct linear *linears, size_t count,
                   struct err *err);
void matmul_release(struct matmul_weight *weight); /* accepts NULL */

/* y (rows, out) = activation(x (rows, in) W^T + bias). x has `x_stride` floats between rows, y has
 * `y_stride`. Thread-safe; uses the calling thread alone and allocates nothing beyond a thread's
 * first call. x and y must not overlap. */
void matmul_run(const struct matmul_weight *weight, const float *x, size_t x_stride, size_t rows,
                enum activation activation, float *y, size_t y_stride);

/* "packed" or "openblas": chosen at first use from the CPU, SBERT_BACKEND= overrides it. */
const char *matmul_backend_name(void);

#endif
