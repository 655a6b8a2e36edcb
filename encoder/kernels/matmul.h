/* Matrix products with constant weights: y = activation(x W^T + b), the one product the transformer
 * needs for its linear layers, behind one header so that backends can stand side by side:
 *
 *   "packed"    our own kernels; weights are copied once into panels that they read in order
 *   "openblas"  cblas_sgemm, which arranges the weights anew at every call; refused where its
 * kernels for this CPU do not keep the promise below
 *
 * A backend prepares a weight once and multiplies any number of rows by it. Every output element is
 * summed in one order whatever the number of rows and whichever of them it stands in, so a text's
 * vector does not depend on what it is batched with. Thread-safe after preparing; a product uses
 * the calling thread alone and allocates nothing.
 */
#ifndef SBERT_ENCODER_KERNELS_MATMUL_H
#define SBERT_ENCODER_KERNELS_MATMUL_H

#include <stddef.h>

#include "base/err.h"
#include "encoder/kernels/kernels.h"
#include "encoder/model/model.h"

/* A weight prepared by a backend. */
struct matmul_weight;

struct matmul_backend {
    const char *name;
    int (*check)(struct err *err); /* whether it can be had on this machine; NULL: always */
    int (*prepare)(struct matmul_weight **ret_weight, const struct kernels *kernels,
                   const struct linear *linears, size_t count, struct err *err);
    void (*release)(struct matmul_weight *weight);
    void (*run)(const struct matmul_weight *weight, size_t part, size_t parts, const float *x,
                size_t x_stride, size_t rows, enum activation activation, float *y,
                size_t y_stride);
};
extern const struct matmul_backend matmul_packed;
extern const struct matmul_backend matmul_openblas;

/* What every backend's weight begins with. */
struct matmul_weight {
    const struct matmul_backend *backend;
    const struct kernels *kernels;
    size_t in, out; /* out: of all its linears together */
};

/* The backend of that name. NULL asks for the best: "packed" where `kernels` has vectors, else
 * "openblas" where it can be had, else "packed". ERR_UNSUPPORTED names one that there is not, or
 * says why it cannot be had; nothing else is picked in its stead. */
int matmul_choose(const struct matmul_backend **ret_backend, const char *name,
                  const struct kernels *kernels, struct err *err);

/* Prepares `linears`, which take the same input, as one whose outputs stand side by side (query,
 * key, value). They (the mapped file behind them) must outlive the result. Within one call either
 * all have a bias or none has. */
int matmul_prepare(struct matmul_weight **ret_weight, const struct matmul_backend *backend,
                   const struct kernels *kernels, const struct linear *linears, size_t count,
                   struct err *err);
void matmul_release(struct matmul_weight *weight); /* accepts NULL */

/* A product may be done as one of more rows: x and y must have room for so many beyond `rows`, and
 * what y gets in them means nothing. */
enum { MATMUL_SPARE_ROWS = 64 };

/* y (rows, out) = activation(x (rows, in) W^T + bias). x has `x_stride` floats between rows, y has
 * `y_stride`. x and y must not overlap. */
void matmul_run(const struct matmul_weight *weight, const float *x, size_t x_stride, size_t rows,
                enum activation activation, float *y, size_t y_stride);

/* The same for one part, in [0, parts), of y's columns: all parts together give bit for bit what
 * matmul_run gives, whichever threads do them. Of y's spare rows each part writes its columns. */
void matmul_run_part(const struct matmul_weight *weight, size_t part, size_t parts, const float *x,
                     size_t x_stride, size_t rows, enum activation activation, float *y,
                     size_t y_stride);

#endif
