/* Cutting products into panels and blocks of depth. */
#include "encoder/train/product.h"

#include <stdlib.h>
#include <string.h>

/* How much of the inner dimension is summed before the next panel's turn, and how many rows of a
 * transposed left side are made at a time: with them a block stays in the second-level cache. */
enum { DEPTH = 384, ROWS = 384, ALIGNMENT = 64 };

int product_open(struct product *ret_product, const struct kernels *kernels, struct err *err)
{
    size_t width = kernels->panel_width;
    struct product product = {
        .kernels = kernels,
        .arithmetic = arithmetic_for(kernels),
        .panel = aligned_alloc(ALIGNMENT, DEPTH * width * sizeof(float)),
        .transposed = aligned_alloc(ALIGNMENT, DEPTH * ROWS * sizeof(float)),
        .start = aligned_alloc(ALIGNMENT,
                               (width * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT),
    };
    if (!product.panel || !product.transposed || !product.start) {
        product_close(&product);
        return err_memory(err, "the scratch of a product");
    }
    *ret_product = product;
    return 0;
}

void product_close(struct product *product)
{
    free(product->panel);
    free(product->transposed);
    free(product->start);
    *product = (struct product){0};
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* panel (depth, width) = columns [column, column + columns) of right (depth, ...), zeros beyond. */
static void pack_columns(const struct product *product, const float *right, size_t stride,
                         size_t depth, size_t columns)
{
    size_t width = product->kernels->panel_width;

    product->arithmetic->copy_columns(right, stride, depth, columns, width, product->panel);
    for (size_t k = 0; columns < width && k < depth; k++)
        memset(product->panel + k * width + columns, 0, (width - columns) * sizeof(float));
}

/* panel (depth, width) = the transpose of rows of weight (columns, stride), zeros beyond. */
static void pack_rows(const struct product *product, const float *weight, size_t stride,
                      size_t depth, size_t columns)
{
    size_t width = product->kernels->panel_width;

    if (columns < width)
        memset(product->panel, 0, depth * width * sizeof(float));
    product->arithmetic->transpose(weight, stride, columns, depth, width, product->panel);
}

/* A panel's sums start from a bias, from 0, or from what is there already. */
static const float *start_of(const struct product *product, const float *bias, size_t column,
                             size_t columns, bool from_y)
{
    size_t width = product->kernels->panel_width;

    if (from_y)
        return NULL;
    memset(product->start, 0, width * sizeof(float));
    if (bias)
        memcpy(product->start, bias + column, columns * sizeof(float));
    return product->start;
}

void product_linear(const struct product *product, const float *x, size_t rows, size_t in,
                    const float *weight, const float *bias, size_t out, float *y)
{
    size_t width = product->kernels->panel_width;

    for (size_t k = 0; k < in; k += DEPTH)
        for (size_t column = 0; column < out; column += width) {
            size_t depth = least(in - k, DEPTH), columns = least(out - column, width);
            struct matmul_block block = {
                .x = x + k,
                .x_stride = in,
                .rows = rows,
                .panel = product->panel,
                .depth = depth,
                .bias = start_of(product, bias, column, columns, k > 0),
                .activation = ACTIVATION_IDENTITY,
                .y = y + column,
                .y_stride = out,
                .columns = columns,
            };
            pack_rows(product, weight + column * in + k, in, depth, columns);
            product->kernels->multiply_block(&block);
        }
}

void product_to_input(const struct product *product, const float *y_gradient, size_t rows,
                      size_t out, const float *weight, size_t in, bool add, float *x_gradient)
{
    size_t width = product->kernels->panel_width;

    for (size_t k = 0; k < out; k += DEPTH)
        for (size_t column = 0; column < in; column += width) {
            size_t depth = least(out - k, DEPTH), columns = least(in - column, width);
            struct matmul_block block = {
                .x = y_gradient + k,
                .x_stride = out,
                .rows = rows,
                .panel = product->panel,
                .depth = depth,
                .bias = start_of(product, NULL, 0, 0, add || k > 0),
                .activation = ACTIVATION_IDENTITY,
                .y = x_gradient + column,
                .y_stride = in,
                .columns = columns,
            };
            pack_columns(product, weight + k * in + column, in, depth, columns);
            product->kernels->multiply_block(&block);
        }
}

/* Some outputs, over a block of rows: their gradients are transposed first. */
static void add_outputs(const struct product *product, const float *x, size_t rows, size_t out,
                        size_t in, bool from_y, float *weight_gradient)
{
    size_t width = product->kernels->panel_width;

    for (size_t column = 0; column < in; column += width) {
        size_t columns = least(in - column, width);
        struct matmul_block block = {
            .x = product->transposed,
            .x_stride = DEPTH,
            .rows = out,
            .panel = product->panel,
            .depth = rows,
            .bias = start_of(product, NULL, 0, 0, from_y),
            .activation = ACTIVATION_IDENTITY,
            .y = weight_gradient + column,
            .y_stride = in,
            .columns = columns,
        };
        pack_columns(product, x + column, in, rows, columns);
        product->kernels->multiply_block(&block);
    }
}

void product_to_weight(const struct product *product, const float *y_gradient, size_t y_stride,
                       const float *x, size_t rows, size_t out, size_t in, bool add,
                       float *weight_gradient)
{
    for (size_t k = 0; k < rows; k += DEPTH)
        for (size_t first = 0; first < out; first += ROWS) {
            size_t depth = least(rows - k, DEPTH), outputs = least(out - first, ROWS);
            product->arithmetic->transpose(y_gradient + k * y_stride + first, y_stride, depth,
                                           outputs, DEPTH, product->transposed);
            add_outputs(product, x + k * in, depth, outputs, in, add || k > 0,
                        weight_gradient + first * in);
        }
}
