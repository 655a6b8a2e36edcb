/* Products of 8-bit integers: rows of u8 with a zero point and a scale for each group of inputs,
 * weights of s8 with a scale for each output, sums in 32 bits that become f32 once a group.
 *
 *   x = scale (q - zero), w = weight_scale p
 *   sum over a group of x w = scale weight_scale (sum of q p - zero sum of p), exact but for the
 *   two scales; the groups' sums are added in f32, in order
 *
 * All tables give the same integers: those without VNNI widen to 16 bits, so that nothing
 * saturates.
 */
#ifndef SBERT_ENCODER_KERNELS_INT8_H
#define SBERT_ENCODER_KERNELS_INT8_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "encoder/kernels/kernels.h"

/* Inputs of a group. Its sums stay below 2^23, and the sum of its weights in 16 bits. */
enum { INT8_GROUP = 128 };

/* How the u8 of a group become numbers. */
struct int8_scale {
    float scale;
    int32_t minus_zero; /* as 16 bits with zeros above: what the kernels multiply by int16 pairs */
};

/* Quantising: q = x inverse + zero to the nearest integer, by adding a number that leaves it in a
 * float's lowest bits. That is within 0 to 255 without a clamp, since the range is taken to be a
 * little less than 255 steps and the zero a little above its place. */
#define INT8_STEPS 254.9f
#define INT8_ROUNDER 0x1.8p23f

static inline int32_t int8_zero(float smallest, float inverse)
{
    return (int32_t)lrintf(0.04f - smallest * inverse);
}

/* A row of `size` numbers: the u8, filled up to whole 64 bytes, then a scale for each group. */
static inline size_t int8_groups(size_t size)
{
    return (size + INT8_GROUP - 1) / INT8_GROUP;
}

static inline size_t int8_scales_offset(size_t size)
{
    return (size + 63) / 64 * 64;
}

static inline size_t int8_row_size(size_t size)
{
    size_t bytes = int8_scales_offset(size) + int8_groups(size) * sizeof(struct int8_scale);
    return (bytes + 63) / 64 * 64;
}

/* A panel of `width` outputs, group after group: the sums of the group's weights (width) as int32
 * (16 bits with zeros above), then the weights in fours of inputs: (inputs / 4, width, 4), the last
 * four filled up with zeros. */
static inline size_t int8_panel_size(size_t in, size_t width)
{
    return int8_groups(in) * width * sizeof(int32_t) + (in + 3) / 4 * 4 * width;
}

/* The packed form of a whole weight: a scale and a bias for each output, (int8_vector_size) floats
 * each, then the panels. */
static inline size_t int8_panels(size_t out, size_t width)
{
    return (out + width - 1) / width;
}

static inline size_t int8_vector_size(size_t out, size_t width)
{
    return (int8_panels(out, width) * width + 15) / 16 * 16;
}

/* One panel: y (rows, columns) = x W^T + bias. */
struct int8_block {
    const uint8_t *x; /* rows as above, x_stride bytes apart */
    size_t x_stride, rows, in;
    const int8_t *panel;
    const int8_t *next;        /* a panel to ask the caches for meanwhile, or NULL */
    const float *scale, *bias; /* (width) each */
    float *y;
    size_t y_stride, columns; /* floats; columns <= width are written */
};

/* Functions for the panel width of one `struct kernels`. */
struct int8_kernels {
    const char *name; /* "generic", "avx2", "avxvnni", "avx512", "avx512vnni" */
    int vnni;         /* whether it has an instruction for these products */
    void (*multiply)(const struct int8_block *block);

    /* Of `size` <= INT8_GROUP floats, or of GELU of them: their u8 and their scale. */
    void (*quantise)(const float *x, size_t size, uint8_t *ret_u8, struct int8_scale *ret_scale);
    void (*quantise_gelu)(const float *x, size_t size, uint8_t *ret_u8,
                          struct int8_scale *ret_scale);
};

/* The best that this CPU has for the width and the instruction set of `kernels`. */
const struct int8_kernels *int8_choose(const struct kernels *kernels);

/* As in kernels.h. */
extern const struct int8_kernels int8_generic;
extern const struct int8_kernels int8_avx2, int8_avxvnni;
extern const struct int8_kernels int8_avx512, int8_avx512vnni;

#endif
