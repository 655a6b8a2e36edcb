/* The "packed" backend: weights copied once into panels of columns that the kernels read in order.
 *
 * Panel j holds columns [j width, (j + 1) width) of W^T, row after row: (in, width) floats, the
 * last panel filled up with zeros. A product walks over blocks of the inner dimension, then over
 * panels, then over rows: a block of x stays in the second-level cache while the panels pass.
 */
#include <stdlib.h>
#include <string.h>

#include "encoder/kernels/matmul.h"

/* How much of the inner dimension is summed before the next panel's turn, and how many rows are
 * taken at a time: 384 * 256 floats are 384 KiB of x. */
enum { DEPTH_BLOCK = 384, ROW_BLOCK = 256 };

struct packed_weight {
    struct matmul_weight base;
    size_t panels;
    float *bias; /* (panels * width), zeros where there is none */
    float *data; /* (panels, in, width) */
};

static void release(struct matmul_weight *weight)
{
    struct packed_weight *packed = (struct packed_weight *)weight;
    free(packed->data);
    free(packed->bias);
    free(packed);
}

/* Writes one linear's columns from `column` on. */
static void pack(struct packed_weight *packed, size_t width, const struct linear *linear,
                 size_t column)
{
    for (size_t o = 0; o < linear->out; o++, column++) {
        const float *row = linear->weight + o * linear->in;
        float *to = packed->data + column / width * linear->in * width + column % width;
        for (size_t k = 0; k < linear->in; k++)
            to[k * width] = row[k];
        packed->bias[column] = linear->bias ? linear->bias[o] : 0;
    }
}

static int prepare(struct matmul_weight **ret_weight, const struct kernels *kernels,
                   const struct linear *linears, size_t count, struct err *err)
{
    size_t width = kernels->panel_width, in = linears[0].in, out = 0, column = 0;
    for (size_t i = 0; i < count; i++)
        out += linears[i].out;

    struct packed_weight *packed = calloc(1, sizeof *packed);
    if (!packed)
        return err_memory(err, "a packed weight");
    packed->panels = (out + width - 1) / width;
    size_t bias_size = packed->panels * width * sizeof(float);
    size_t data_size = bias_size * in;
    /* aligned_alloc wants whole multiples of the alignment. */
    packed->bias = aligned_alloc(64, (bias_size + 63) / 64 * 64);
    packed->data = aligned_alloc(64, (data_size + 63) / 64 * 64);
    if (!packed->bias || !packed->data) {
        release(&packed->base);
        return err_memory(err, "packed weights");
    }
    memset(packed->bias, 0, bias_size);
    /* Only the last panel may have columns that nothing is written to. */
    size_t panel_size = in * width;
    memset(packed->data + (packed->panels - 1) * panel_size, 0, panel_size * sizeof(float));
    for (size_t i = 0; i < count; i++) {
        pack(packed, width, &linears[i], column);
        column += linears[i].out;
    }
    *ret_weight = &packed->base;
    return 0;
}

/* One block of rows against the panels [first, last). */
static void run_rows(const struct packed_weight *packed, size_t first, size_t last, const float *x,
                     size_t x_stride, size_t rows, enum activation activation, float *y,
                     size_t y_stride)
{
    const struct kernels *kernels = packed->base.kernels;
    size_t width = kernels->panel_width, in = packed->base.in, out = packed->base.out;

    for (size_t k = 0; k < in; k += DEPTH_BLOCK) {
        size_t depth = in - k < DEPTH_BLOCK ? in - k : DEPTH_BLOCK;
        for (size_t panel = first; panel < last; panel++) {
            size_t column = panel * width;
            struct matmul_block block = {
                .x = x + k,
                .x_stride = x_stride,
                .rows = rows,
                .panel = packed->data + column * in + k * width,
                .depth = depth,
                .bias = k == 0 ? packed->bias + column : NULL,
                .activation = k + depth == in ? activation : ACTIVATION_IDENTITY,
                .y = y + column,
                .y_stride = y_stride,
                .columns = out - column < width ? out - column : width,
            };
            kernels->multiply_block(&block);
        }
    }
}

static void run(const struct matmul_weight *weight, size_t part, size_t parts, const float *x,
                size_t x_stride, size_t rows, enum activation activation, float *y, size_t y_stride)
{
    const struct packed_weight *packed = (const struct packed_weight *)weight;
    size_t first = packed->panels * part / parts, last = packed->panels * (part + 1) / parts;

    size_t blocks = (rows + ROW_BLOCK - 1) / ROW_BLOCK;

    for (size_t block = 0; block < blocks; block++) {
        size_t row = rows * block / blocks, end = rows * (block + 1) / blocks;
        run_rows(packed, first, last, x + row * x_stride, x_stride, end - row, activation,
                 y + row * y_stride, y_stride);
    }
}

const struct matmul_backend matmul_packed = {
    .name = "packed",
    .prepare = prepare,
    .release = release,
    .run = run,
};
