/* The "packed" backend in 8-bit integers (int8.h has the packed form): weights with a scale for
 * each output, rows of inputs with a scale for each group of them, quantised as they come.
 *
 * A product whose result is quantised goes over groups of outputs, and over blocks of rows
 * small enough that a group's floats wait for their scale in the first-level cache.
 */
#include <math.h>
#include <string.h>

#include "encoder/kernels/int8.h"
#include "encoder/kernels/matmul.h"

/* From FETCH_ROWS rows on, work on a panel is long enough for the next one to come meanwhile from
 * the third-level cache; with fewer the asking costs more than it gains. */
enum { CONVERT_ROWS = 48, FETCH_ROWS = 64 };

static size_t packed_size(const struct kernels *kernels, size_t in, size_t out)
{
    size_t width = kernels->panel_width;
    return 2 * int8_vector_size(out, width) * sizeof(float) +
           int8_panels(out, width) * int8_panel_size(in, width);
}

/* The weights of one output, quantised, into its column of a panel; returns their scale. */
static float pack_column(const float *row, size_t in, size_t width, int8_t *panel, size_t column)
{
    float largest = 0;
    for (size_t k = 0; k < in; k++) {
        float size = fabsf(row[k]);
        largest = size > largest ? size : largest;
    }
    float inverse = largest > 0 ? 127 / largest : 0;
    for (size_t from = 0; from < in; from += INT8_GROUP) {
        size_t size = in - from < INT8_GROUP ? in - from : INT8_GROUP;
        int32_t *sums = (int32_t *)(void *)panel, sum = 0;
        int8_t *weights = panel + width * sizeof *sums + 4 * column;
        for (size_t k = 0; k < size; k++) {
            int8_t weight = (int8_t)lrintf(row[from + k] * inverse);
            weights[k / 4 * 4 * width + k % 4] = weight;
            sum += weight;
        }
        sums[column] = (uint16_t)sum;
        panel += width * sizeof *sums + (size + 3) / 4 * 4 * width;
    }
    return largest / 127;
}

static void pack(const struct kernels *kernels, const struct linear *linears, size_t count,
                 void *ret_packed)
{
    size_t width = kernels->panel_width, in = linears[0].in, out = 0, column = 0;
    for (size_t i = 0; i < count; i++)
        out += linears[i].out;
    float *scales = ret_packed, *biases = scales + int8_vector_size(out, width);
    int8_t *panels = (int8_t *)(biases + int8_vector_size(out, width));
    size_t panel_size = int8_panel_size(in, width);

    memset(ret_packed, 0, packed_size(kernels, in, out));
    for (size_t i = 0; i < count; i++)
        for (size_t o = 0; o < linears[i].out; o++, column++) {
            scales[column] = pack_column(linears[i].weight + o * in, in, width,
                                         panels + column / width * panel_size, column % width);
            biases[column] = linears[i].bias ? linears[i].bias[o] : 0;
        }
}

static void convert(const struct kernels *kernels, const float *x, size_t size, void *ret_row)
{
    const struct int8_kernels *int8 = int8_choose(kernels);
    uint8_t *row = ret_row;
    struct int8_scale *scale = (struct int8_scale *)(void *)(row + int8_scales_offset(size));

    for (size_t from = 0; from < size; from += INT8_GROUP) {
        size_t group = size - from < INT8_GROUP ? size - from : INT8_GROUP;
        int8->quantise(x + from, group, row + from, scale++);
    }
}

/* The block of `rows` rows from `row` on against one panel; where y goes is left open. */
static struct int8_block block_of(const struct matmul_product *product, size_t row, size_t rows,
                                  size_t panel)
{
    const struct matmul_weight *weight = product->weight;
    size_t width = weight->kernels->panel_width, column = panel * width;
    const float *scales = weight->packed;
    const float *biases = scales + int8_vector_size(weight->out, width);
    const int8_t *panels = (const int8_t *)(biases + int8_vector_size(weight->out, width));

    size_t panel_size = int8_panel_size(weight->in, width);
    const int8_t *panel_start = panels + panel * panel_size;
    bool fetch = row == 0 && product->rows >= FETCH_ROWS && column + width < weight->out;

    return (struct int8_block){
        .x = (const uint8_t *)product->x + row * product->x_stride,
        .x_stride = product->x_stride,
        .rows = rows,
        .in = weight->in,
        .panel = panel_start,
        .next = fetch ? panel_start + panel_size : NULL,
        .scale = scales + column,
        .bias = biases + column,
        .columns = weight->out - column < width ? weight->out - column : width,
    };
}

/* Some rows against the panels of one group of outputs, quantised. */
static void run_group(const struct matmul_product *product, const struct int8_kernels *int8,
                      size_t row, size_t rows, size_t group)
{
    _Alignas(64) float y[CONVERT_ROWS * INT8_GROUP];
    size_t width = product->weight->kernels->panel_width, out = product->weight->out;
    size_t column = group * INT8_GROUP;
    size_t size = out - column < INT8_GROUP ? out - column : INT8_GROUP;

    for (size_t from = 0; from < size; from += width) {
        struct int8_block block = block_of(product, row, rows, (column + from) / width);
        block.y = y + from;
        block.y_stride = INT8_GROUP;
        int8->multiply(&block);
    }
    for (size_t r = 0; r < rows; r++) {
        uint8_t *to = (uint8_t *)product->y + (row + r) * product->y_stride;
        struct int8_scale *scales = (struct int8_scale *)(void *)(to + int8_scales_offset(out));
        float *from = y + r * INT8_GROUP;
        if (product->activation == ACTIVATION_GELU) {
            int8->quantise_gelu(from, size, to + column, &scales[group]);
        } else {
            product->weight->kernels->activate(product->activation, from, size);
            int8->quantise(from, size, to + column, &scales[group]);
        }
    }
}

static void run_converting(const struct matmul_product *product, size_t part, size_t parts)
{
    const struct int8_kernels *int8 = int8_choose(product->weight->kernels);
    size_t groups = int8_groups(product->weight->out);
    size_t first = groups * part / parts, last = groups * (part + 1) / parts;
    size_t blocks = (product->rows + CONVERT_ROWS - 1) / CONVERT_ROWS;

    for (size_t group = first; group < last; group++)
        for (size_t block = 0; block < blocks; block++) {
            size_t row = product->rows * block / blocks;
            size_t end = product->rows * (block + 1) / blocks;
            run_group(product, int8, row, end - row, group);
        }
}

static void run(const struct matmul_product *product, size_t part, size_t parts)
{
    const struct matmul_weight *weight = product->weight;
    const struct int8_kernels *int8 = int8_choose(weight->kernels);
    size_t panels = int8_panels(weight->out, weight->kernels->panel_width);
    size_t first = panels * part / parts, last = panels * (part + 1) / parts;

    if (product->convert) {
        run_converting(product, part, parts);
        return;
    }
    for (size_t panel = first; panel < last; panel++) {
        struct int8_block block = block_of(product, 0, product->rows, panel);
        block.y = (float *)product->y + panel * weight->kernels->panel_width;
        block.y_stride = product->y_stride / sizeof(float);
        int8->multiply(&block);
        for (size_t r = 0; r < product->rows && product->activation != ACTIVATION_IDENTITY; r++)
            weight->kernels->activate(product->activation, block.y + r * block.y_stride,
                                      block.columns);
    }
}

const struct matmul_backend matmul_int8 = {
    .name = "packed",
    .precision = PRECISION_INT8,
    .layout = 1,
    .packed_size = packed_size,
    .pack = pack,
    .row_size = int8_row_size,
    .convert = convert,
    .run = run,
};
