/* Products of bfloat16 numbers with sums in f32, as a small table of functions for each instruction
 * set, beside the table of kernels.h.
 *
 * A bfloat16 is the upper half of an f32, rounded to nearest even. Pairs of them that meet in a sum
 * stand in one 32-bit word, the first in its lower half, as AVX512_BF16's vdpbf16ps takes them;
 * where that instruction is lacking both halves are widened to f32 and multiplied as such, so only
 * the rounding of sums differs. Thread-safe, without allocation; each output is summed in one order
 * that depends on its own row alone.
 */
#ifndef SBERT_ENCODER_KERNELS_BF16_H
#define SBERT_ENCODER_KERNELS_BF16_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "encoder/kernels/kernels.h"

/* One panel of a product: y (rows, columns) = activation(start + x (rows, 2 pairs) * panel), where
 * `start` is `bias`, or what y holds already where bias is NULL. */
struct bf16_block {
    const struct kernels *kernels; /* for its activations */
    const uint16_t *x;             /* bfloat16, 4-byte aligned rows */
    size_t x_stride, rows;         /* strides count numbers of the kind */
    const uint32_t *panel;         /* (pairs, panel_width), 64-byte aligned */
    size_t pairs;
    const uint32_t *next; /* the panel that comes after, to be fetched meanwhile; or NULL */
    const float *bias;    /* (panel_width) */
    enum activation activation;
    size_t columns; /* <= panel_width */

    /* One of them: f32, of which `columns` are written, or bfloat16, of which all panel_width are;
     * for that bias is not NULL. */
    float *y;
    uint16_t *y_bf16;
    size_t y_stride;
};

struct bf16_kernels {
    const char *isa;
    size_t panel_width; /* that of the struct kernels for which it is chosen */
    void (*multiply_block)(const struct bf16_block *block);

    /* row = x as bfloat16, with zeros up to `row_size` numbers. */
    void (*convert)(const float *x, size_t size, uint16_t *row, size_t row_size);
};

/* The table to use beside `kernels`: always the same on one machine. */
const struct bf16_kernels *bf16_kernels_of(const struct kernels *kernels);

/* To nearest even. A NaN stays one. */
uint16_t bf16_of_float(float number);

/* All that this build has; bf16_kernels_of knows which of them the CPU can run. */
extern const struct bf16_kernels bf16_generic;
extern const struct bf16_kernels bf16_avx2;
extern const struct bf16_kernels bf16_avx512;
extern const struct bf16_kernels bf16_avx512bf16;

#endif
