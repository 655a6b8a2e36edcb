/* The "packed" backend in bfloat16: weights rounded and packed once; rows of input rounded once for
 * each product, by whoever makes them; sums, bias and activation in f32.
 *
 * The packed form: the bias (panels * width) as f32, zeros where there is none; then the panels, of
 * 32-bit words. Panel j holds columns [j width, (j + 1) width) of W^T, pair after pair of inputs:
 * (pairs, width) words, the even input in the lower half. What is filled up is zero: the last
 * panel's columns, and the odd half of the last pair where the number of inputs is odd. A row of
 * input is filled up with zeros to a multiple of MATMUL_ALIGNMENT.
 */
#include <stdint.h>
#include <string.h>

#include "encoder/kernels/bf16.h"
#include "encoder/kernels/matmul_panels.h"

enum {
    /* As much of x as in f32. Where y is bfloat16 a sum cannot wait in it, so it is made in one go.
     */
    PAIRS_BLOCK = 384,
    /* From so many on, work on a panel is long enough for the next one to come meanwhile. */
    FETCH_ROWS = 64,
};

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static size_t packed_size(const struct kernels *kernels, size_t in, size_t out)
{
    size_t words = panels_count(kernels, out) * kernels->panel_width * ((in + 1) / 2);
    return panels_bias_size(kernels, out) * sizeof(float) + words * sizeof(uint32_t);
}

/* Writes one linear's columns from `column` on. */
static void pack_linear(const struct linear *linear, size_t width, size_t column, float *bias,
                        uint32_t *panels)
{
    size_t in = linear->in, pairs = (in + 1) / 2;

    for (size_t o = 0; o < linear->out; o++, column++) {
        const float *row = linear->weight + o * in;
        uint32_t *to = panels + column / width * pairs * width + column % width;
        for (size_t k = 0; k < pairs; k++) {
            uint32_t second = 2 * k + 1 < in ? bf16_of_float(row[2 * k + 1]) : 0;
            to[k * width] = second << 16 | bf16_of_float(row[2 * k]);
        }
        bias[column] = linear->bias ? linear->bias[o] : 0;
    }
}

static void pack(const struct kernels *kernels, const struct linear *linears, size_t count,
                 void *ret_packed)
{
    size_t width = kernels->panel_width, in = linears[0].in, out = 0, column = 0;
    for (size_t i = 0; i < count; i++)
        out += linears[i].out;
    float *bias = ret_packed;
    uint32_t *panels = (uint32_t *)ret_packed + panels_bias_size(kernels, out);

    memset(ret_packed, 0, packed_size(kernels, in, out));
    for (size_t i = 0; i < count; i++) {
        pack_linear(&linears[i], width, column, bias, panels);
        column += linears[i].out;
    }
}

static size_t row_size(size_t size)
{
    return round_up(size * sizeof(uint16_t), MATMUL_ALIGNMENT);
}

static void convert(const struct kernels *kernels, const float *x, size_t size, void *ret_row)
{
    bf16_kernels_of(kernels)->convert(x, size, ret_row, row_size(size) / sizeof(uint16_t));
}

/* A range of rows of the product against the panels [first, last). */
static void run_rows(const struct matmul_product *product, size_t row, size_t rows, size_t first,
                     size_t last)
{
    const struct matmul_weight *weight = product->weight;
    const struct bf16_kernels *bf16 = bf16_kernels_of(weight->kernels);
    size_t width = bf16->panel_width, out = weight->out, pairs = (weight->in + 1) / 2;
    size_t step = product->convert ? pairs : PAIRS_BLOCK;
    bool fetch = rows >= FETCH_ROWS;
    size_t y_size = product->convert ? sizeof(uint16_t) : sizeof(float);
    const float *bias = weight->packed;
    const uint32_t *panels =
        (const uint32_t *)weight->packed + panels_bias_size(weight->kernels, out);
    struct bf16_block block = {
        .kernels = weight->kernels,
        .x_stride = product->x_stride / sizeof(uint16_t),
        .rows = rows,
        .y_stride = product->y_stride / y_size,
    };
    const uint16_t *x = (const uint16_t *)product->x + row * block.x_stride;

    for (size_t k = 0; k < pairs; k += step) {
        block.pairs = pairs - k < step ? pairs - k : step;
        block.x = x + 2 * k;
        block.activation = k + block.pairs == pairs ? product->activation : ACTIVATION_IDENTITY;
        for (size_t panel = first; panel < last; panel++) {
            size_t column = panel * width, at = row * block.y_stride + column;
            block.panel = panels + column * pairs + k * width;
            block.next = fetch && panel + 1 < last ? block.panel + pairs * width : NULL;
            block.bias = k == 0 ? bias + column : NULL;
            block.columns = out - column < width ? out - column : width;
            block.y = product->convert ? NULL : (float *)product->y + at;
            block.y_bf16 = product->convert ? (uint16_t *)product->y + at : NULL;
            bf16->multiply_block(&block);
        }
    }
}

static void run(const struct matmul_product *product, size_t part, size_t parts)
{
    panels_run(product, part, parts, run_rows);
}

const struct matmul_backend matmul_bf16 = {
    .name = "packed",
    .precision = PRECISION_BF16,
    .layout = 1,
    .packed_size = packed_size,
    .pack = pack,
    .row_size = row_size,
    .convert = convert,
    .run = run,
};
