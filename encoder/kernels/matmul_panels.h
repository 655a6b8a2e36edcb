/* What the packed backends in f32 and bfloat16 have in common: a bias and panels of columns, and
 * the walk over a product's rows. */
#ifndef SBERT_ENCODER_KERNELS_MATMUL_PANELS_H
#define SBERT_ENCODER_KERNELS_MATMUL_PANELS_H

#include "encoder/kernels/matmul.h"

/* Panels for `out` columns. */
size_t panels_count(const struct kernels *kernels, size_t out);

/* Floats of the bias, filled up so that the panels are aligned. */
size_t panels_bias_size(const struct kernels *kernels, size_t out);

/* One part of a product: its panels [first, last), by blocks of nearly equal numbers of rows, which
 * `run_rows` does. */
void panels_run(const struct matmul_product *product, size_t part, size_t parts,
                void (*run_rows)(const struct matmul_product *product, size_t row, size_t rows,
                                 size_t first, size_t last));

#endif
