/* The "packed" backend in f32: weights copied once into panels of columns that the kernels read in
 * order.
 *
 * The packed form, all f32: the bias (panels * width), zeros where there is none; then the panels.
 * Panel j holds columns [j width, (j + 1) width) of W^T, row after row: (in, width) floats, the
 * last panel filled up with zeros. A product walks over blocks of the inner dimension, then over
 * panels, then over rows: a block of x stays in the second-level cache while the panels pass.
 */
#include <string.h>

#include "encoder/kernels/matmul_panels.h"

/* How much of the inner dimension is summed before the next panel's turn; and from how many rows on
 * work on a panel is long enough for the next one to come meanwhile from beyond the second-level
 * cache: with fewer the asking costs more than it gains. */
enum { DEPTH_BLOCK = 768, FETCH_ROWS = 64 };

static size_t packed_size(const struct kernels *kernels, size_t in, size_t out)
{
    size_t floats = panels_count(kernels, out) * kernels->panel_width * in;
    return (panels_bias_size(kernels, out) + floats) * sizeof(float);
}

/* Writes one linear's columns from `column` on. */
static void pack_linear(const struct linear *linear, size_t width, size_t column, float *bias,
                        float *panels)
{
    for (size_t o = 0; o < linear->out; o++, column++) {
        const float *row = linear->weight + o * linear->in;
        float *to = panels + column / width * linear->in * width + column % width;
        for (size_t k = 0; k < linear->in; k++)
            to[k * width] = row[k];
        bias[column] = linear->bias ? linear->bias[o] : 0;
    }
}

static void pack(const struct kernels *kernels, const struct linear *linears, size_t count,
                 void *ret_packed)
{
    size_t width = kernels->panel_width, in = linears[0].in, out = 0, column = 0;
    for (size_t i = 0; i < count; i++)
        out += linears[i].out;
    float *bias = ret_packed, *panels = bias + panels_bias_size(kernels, out);

    memset(bias, 0, panels_bias_size(kernels, out) * sizeof *bias);
    /* Only the last panel may have columns that nothing is written to. */
    size_t panel_size = in * width;
    memset(panels + (panels_count(kernels, out) - 1) * panel_size, 0, panel_size * sizeof *panels);
    for (size_t i = 0; i < count; i++) {
        pack_linear(&linears[i], width, column, bias, panels);
        column += linears[i].out;
    }
}

/* A range of rows of the product against the panels [first, last). */
static void run_rows(const struct matmul_product *product, size_t row, size_t rows, size_t first,
                     size_t last)
{
    const struct matmul_weight *weight = product->weight;
    const struct kernels *kernels = weight->kernels;
    size_t width = kernels->panel_width, in = weight->in, out = weight->out;
    size_t x_stride = product->x_stride / sizeof(float);
    size_t y_stride = product->y_stride / sizeof(float);
    const float *bias = weight->packed, *panels = bias + panels_bias_size(kernels, out);

    for (size_t k = 0; k < in; k += DEPTH_BLOCK) {
        size_t depth = in - k < DEPTH_BLOCK ? in - k : DEPTH_BLOCK, next_k = k + depth;
        const float *after = next_k < in ? panels + first * width * in + next_k * width : NULL;
        for (size_t panel = first; panel < last; panel++) {
            size_t column = panel * width;
            const float *next = after;
            if (panel + 1 < last)
                next = panels + (column + width) * in + k * width;
            struct matmul_block block = {
                .x = (const float *)product->x + row * x_stride + k,
                .x_stride = x_stride,
                .rows = rows,
                .panel = panels + column * in + k * width,
                .depth = depth,
                .bias = k == 0 ? bias + column : NULL,
                .activation = k + depth == in ? product->activation : ACTIVATION_IDENTITY,
                .y = (float *)product->y + row * y_stride + column,
                .y_stride = y_stride,
                .columns = out - column < width ? out - column : width,
                .next = rows >= FETCH_ROWS ? next : NULL,
            };
            kernels->multiply_block(&block);
        }
    }
}

static void run(const struct matmul_product *product, size_t part, size_t parts)
{
    panels_run(product, part, parts, run_rows);
}

const struct matmul_backend matmul_packed = {
    .name = "packed",
    .precision = PRECISION_F32,
    .layout = 1,
    .packed_size = packed_size,
    .pack = pack,
    .run = run,
};
