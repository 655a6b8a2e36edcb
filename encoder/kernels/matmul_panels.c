/* What the packed backends in f32 and bfloat16 have in common. */
#include "encoder/kernels/matmul_panels.h"

/* Rows taken at a time: 384 * 256 floats, or twice as many bfloat16, are 384 KiB of x. */
enum { ROW_BLOCK = 256 };

size_t panels_count(const struct kernels *kernels, size_t out)
{
    return (out + kernels->panel_width - 1) / kernels->panel_width;
}

size_t panels_bias_size(const struct kernels *kernels, size_t out)
{
    const size_t unit = MATMUL_ALIGNMENT / sizeof(float);
    return (panels_count(kernels, out) * kernels->panel_width + unit - 1) / unit * unit;
}

void panels_run(const struct matmul_product *product, size_t part, size_t parts,
                void (*run_rows)(const struct matmul_product *product, size_t row, size_t rows,
                                 size_t first, size_t last))
{
    const struct matmul_weight *weight = product->weight;
    size_t panels = panels_count(weight->kernels, weight->out), rows = product->rows;
    size_t first = panels * part / parts, last = panels * (part + 1) / parts;
    size_t blocks = (rows + ROW_BLOCK - 1) / ROW_BLOCK;

    for (size_t block = 0; block < blocks; block++) {
        size_t row = rows * block / blocks, end = rows * (block + 1) / blocks;
        run_rows(product, row, end - row, first, last);
    }
}
