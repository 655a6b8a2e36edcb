/* The products of bfloat16 numbers in plain C: the reference for the other tables. */
#include <string.h>

#include "encoder/kernels/bf16.h"

enum { PANEL_WIDTH = 8 };

static float widen(uint32_t upper)
{
    uint32_t bits = upper << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static void multiply_row(const struct bf16_block *block, const uint16_t *x, float sums[PANEL_WIDTH])
{
    for (size_t k = 0; k < block->pairs; k++) {
        float first = widen(x[2 * k]), second = widen(x[2 * k + 1]);
        const uint32_t *pairs = block->panel + k * PANEL_WIDTH;
        for (size_t c = 0; c < PANEL_WIDTH; c++) {
            sums[c] += second * widen(pairs[c] >> 16);
            sums[c] += first * widen(pairs[c] & 0xffff);
        }
    }
}

static void multiply_block(const struct bf16_block *block)
{
    for (size_t r = 0; r < block->rows; r++) {
        float sums[PANEL_WIDTH] = {0};
        if (block->bias)
            memcpy(sums, block->bias, sizeof sums);
        else
            memcpy(sums, block->y + r * block->y_stride, block->columns * sizeof sums[0]);
        multiply_row(block, block->x + r * block->x_stride, sums);
        block->kernels->activate(block->activation, sums, PANEL_WIDTH);
        if (block->y_bf16)
            for (size_t c = 0; c < PANEL_WIDTH; c++)
                block->y_bf16[r * block->y_stride + c] = bf16_of_float(sums[c]);
        else
            memcpy(block->y + r * block->y_stride, sums, block->columns * sizeof sums[0]);
    }
}

static void convert(const float *x, size_t size, uint16_t *row, size_t row_size)
{
    for (size_t i = 0; i < row_size; i++)
        row[i] = i < size ? bf16_of_float(x[i]) : 0;
}

const struct bf16_kernels bf16_generic = {
    .isa = "generic",
    .panel_width = PANEL_WIDTH,
    .multiply_block = multiply_block,
    .convert = convert,
};
