/* Products and distances between queries and stored rows: the innermost loops of every search.
 *
 * One table of functions for each instruction set, picked once by what the CPU can do
 * ($SBERT_ISA overrides it: generic, avx2, avx512). A result depends on its two vectors alone, bit
 * for bit within one table, however many are computed at once. That of 8-bit rows is a whole number
 * and the same in every table. No memory, no state.
 *
 * Vectors are padded with zeros to a multiple of KERNEL_STEP components, so there are no
 * remainders; they need no alignment.
 */
#ifndef SBERT_INDEX_KERNELS_KERNELS_H
#define SBERT_INDEX_KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    KERNEL_STEP = 32,  /* vectors are padded to a multiple of so many components */
    KERNEL_QUERIES = 4 /* at most so many queries in a call */
};

/* For `query_count` (1 to KERNEL_QUERIES) queries and `row_count` rows, each of `length` (padded)
 * components: ret (query_count, row_count). Where the rows' components are stored as halves,
 * `scales` (row_count) says what each row's are to be multiplied with. */
struct index_kernels {
    const char *isa;
    /* Inner products of f32 queries with f32 rows, and with rows of IEEE 754 halves, whose scales
     * are left out. */
    void (*dot_f32)(size_t length, const float *const *queries, size_t query_count,
                    const float *const *rows, size_t row_count, float *ret);
    void (*dot_f16)(size_t length, const float *const *queries, size_t query_count,
                    const uint16_t *const *rows, size_t row_count, float *ret);
    /* Squared Euclidean distances. */
    void (*l2_f32)(size_t length, const float *const *queries, size_t query_count,
                   const float *const *rows, size_t row_count, float *ret);
    void (*l2_f16)(size_t length, const float *const *queries, size_t query_count,
                   const uint16_t *const *rows, const float *scales, size_t row_count, float *ret);
    /* Inner products of 16-bit queries with 8-bit rows. The sums must fit: the absolute values of a
     * query at most KERNEL_I16_SUM / length, and those of the rows at most 127. */
    void (*dot_i8)(size_t length, const int16_t *const *queries, size_t query_count,
                   const int8_t *const *rows, size_t row_count, int32_t *ret);
    /* Stored components as those of a query: halves as floats, 8 bits times `factor`. */
    void (*widen_f16)(size_t length, const uint16_t *row, float *ret);
    void (*widen_i8)(size_t length, const int8_t *row, int16_t factor, int16_t *ret);
};

/* 2^31 - 1 over 127, rounded down. */
#define KERNEL_I16_SUM 16909320

/* The table for this CPU, or for $SBERT_ISA if that names one that runs here. Thread-safe. */
const struct index_kernels *index_kernels_best(void);

/* The table of this name. ERR_UNSUPPORTED where there is none or this CPU cannot run it. */
int index_kernels_find(const struct index_kernels **ret_kernels, const char *isa, struct err *err);

/* IEEE 754 binary16, rounded to nearest, ties to even; what is too large becomes the largest. */
uint16_t half_from_float(float value);
float half_to_float(uint16_t half);

extern const struct index_kernels index_kernels_generic;
#ifdef __x86_64__
extern const struct index_kernels index_kernels_avx2, index_kernels_avx512;
#endif

#endif
