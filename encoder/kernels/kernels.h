/* The arithmetic of the forward pass as one table of functions for each instruction set.
 *
 * The plain C table ("generic") is the reference; "avx2" and "avx512" do the same with vectors and
 * are tested against it. A table is picked when an encoder is opened. All functions are
 * thread-safe, allocate nothing, and give each output in an order of operations that depends on
 * nothing but its own row, so a row's bits do not depend on its neighbours.
 */
#ifndef SBERT_ENCODER_KERNELS_KERNELS_H
#define SBERT_ENCODER_KERNELS_KERNELS_H

#include <stddef.h>

#include "base/err.h"
#include "encoder/model/model.h"

/* One panel of a packed product: y (rows, columns) = activation(start + x (rows, depth) * panel).
 * `start` is `bias`, or what y holds already where bias is NULL: a long sum comes in several blocks
 * that way without a change in its order. */
struct matmul_block {
    const float *x;
    size_t x_stride, rows;
    const float *panel; /* (depth, kernels.panel_width), 64-byte aligned */
    size_t depth;
    const float *bias; /* (kernels.panel_width) */
    enum activation activation;
    float *y;
    size_t y_stride, columns; /* columns <= panel_width are written */
    const float *next;        /* a panel as long, to be asked for meanwhile, or NULL */
};

/* Attention of one head over one sequence: out = softmax(scale * (q k^T + bias)) v. All of q, k and
 * v are (tokens, head_size) with `stride` floats between rows, out has `out_stride`. The bias of
 * query i and key j is bias[i - j], or 0 where `bias` is NULL; floats up to ATTENTION_QUERY_BLOCK
 * beyond bias[tokens - 1] may be read, whatever they are. `scratch` holds attention_scratch_size()
 * floats, 64-byte aligned. */
struct attention_head {
    const float *q, *k, *v;
    size_t stride, tokens, head_size;
    float scale;
    const float *bias;
    float *out;
    size_t out_stride;
    float *scratch;
};

/* Queries that the attention kernels take at a time, at most. */
enum { ATTENTION_QUERY_BLOCK = 32 };

/* Floats of scratch for heads of this size and sequences of up to so many tokens. */
size_t attention_scratch_size(size_t tokens, size_t head_size);

struct kernels {
    const char *isa; /* "generic", "avx2", "avx512" */

    /* y = norm(a + b + c) over `size` floats; c may be NULL, y may be a or b. */
    void (*add_norm)(const float *a, const float *b, const float *c, const struct layer_norm *norm,
                     size_t size, float *y);

    /* x = activation(x), `size` floats. */
    void (*activate)(enum activation activation, float *x, size_t size);

    void (*attend)(const struct attention_head *head);

    /* sum += weight * x; largest = max(largest, x); x *= factor. */
    void (*accumulate)(float *sum, const float *x, float weight, size_t size);
    void (*maximum)(float *largest, const float *x, size_t size);
    void (*scale)(float *x, float factor, size_t size);
    float (*dot)(const float *a, const float *b, size_t size);

    size_t panel_width; /* columns of a packed panel */
    size_t tile_rows;   /* rows that are worked on at a time */
    void (*multiply_block)(const struct matmul_block *block);
};

/* The table of that name. NULL asks for the best that the CPU has. ERR_UNSUPPORTED names one that
 * is not built or that this CPU lacks; nothing else is picked in its stead. */
int kernels_choose(const struct kernels **ret_kernels, const char *isa, struct err *err);

/* The tables that this build has; those of the x86-64 extensions must not run where the CPU lacks
 * them: kernels_choose knows. */
extern const struct kernels kernels_generic;
extern const struct kernels kernels_avx2;
extern const struct kernels kernels_avx512;

#endif
