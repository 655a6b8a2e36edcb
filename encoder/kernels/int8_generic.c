/* The reference of the 8-bit products in plain C: what every faster one is tested against. */
#include <math.h>
#include <string.h>

#include "encoder/kernels/int8.h"

/* One output of one row. */
static float multiply_one(const struct int8_block *block, const uint8_t *x, size_t column)
{
    const size_t width = kernels_generic.panel_width;
    const struct int8_scale *scales =
        (const struct int8_scale *)(const void *)(x + int8_scales_offset(block->in));
    const int8_t *panel = block->panel;
    float sum = 0;

    for (size_t from = 0; from < block->in; from += INT8_GROUP, scales++) {
        size_t size = block->in - from < INT8_GROUP ? block->in - from : INT8_GROUP;
        const int32_t *sums = (const int32_t *)(const void *)panel;
        const int8_t *weights = panel + width * sizeof *sums;
        int32_t total = (int16_t)scales->minus_zero * (int16_t)sums[column];
        for (size_t k = 0; k < size; k++)
            total += x[from + k] * weights[(k / 4 * width + column) * 4 + k % 4];
        sum += (float)total * scales->scale;
        panel = weights + (size + 3) / 4 * 4 * width;
    }
    return sum * block->scale[column] + block->bias[column];
}

static void multiply(const struct int8_block *block)
{
    for (size_t r = 0; r < block->rows; r++)
        for (size_t c = 0; c < block->columns; c++)
            block->y[r * block->y_stride + c] =
                multiply_one(block, block->x + r * block->x_stride, c);
}

static void quantise(const float *x, size_t size, uint8_t *ret_u8, struct int8_scale *ret_scale)
{
    float low = 0, high = 0;

    for (size_t i = 0; i < size; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    float range = high - low;
    float inverse = range > 0 ? INT8_STEPS / range : 0;
    int32_t zero = int8_zero(low, inverse);
    for (size_t i = 0; i < size; i++)
        ret_u8[i] = (uint8_t)(fmaf(x[i], inverse, (float)zero + INT8_ROUNDER) - INT8_ROUNDER);
    *ret_scale = (struct int8_scale){range * (1 / INT8_STEPS), (uint16_t)-zero};
}

static void quantise_gelu(const float *x, size_t size, uint8_t *ret_u8,
                          struct int8_scale *ret_scale)
{
    float values[INT8_GROUP];

    memcpy(values, x, size * sizeof *x);
    kernels_generic.activate(ACTIVATION_GELU, values, size);
    quantise(values, size, ret_u8, ret_scale);
}

const struct int8_kernels int8_generic = {
    .name = "generic",
    .multiply = multiply,
    .quantise = quantise,
    .quantise_gelu = quantise_gelu,
};
