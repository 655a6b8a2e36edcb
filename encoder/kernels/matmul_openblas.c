/* The "openblas" backend: cblas_sgemm on the weights as they lie in the model's file.
 *
 * OpenBLAS's own threads are off: what runs in parallel is decided above. Which of its kernels
 * works on a row depends on the product's size and on where the row stands, and not all kernels
 * round alike. Measured with 0.3.21, over the shapes that models have:
 *   Prescott            pairs of rows and a last odd row differ
 *   SkylakeX and later  products of up to 1200 outputs go to kernels for small matrices
 *   Haswell, Zen        rows 0 to 5 of each 12 differ from rows 6 to 11
 *   Nehalem, Sandybridge  no difference
 * So products are filled up to a multiple of 12 rows and to more than 1200 outputs, and a check at
 * the first use refuses a library whose rows then still differ.
 */
#include <cblas-openblas.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/kernels/matmul.h"

enum { ROW_MULTIPLE = 12, SMALL_OUTPUTS = 1200, SLICE = 64 };

/* The rows to multiply for `rows` that are wanted, with `out` columns. */
static size_t padded_rows(size_t rows, size_t out)
{
    size_t least = SMALL_OUTPUTS / out + 1;
    if (rows < least)
        rows = least;
    return (rows + ROW_MULTIPLE - 1) / ROW_MULTIPLE * ROW_MULTIPLE;
}

static void multiply(const struct linear *linear, size_t from, size_t to, const float *x,
                     size_t x_stride, size_t rows, float *y, size_t y_stride)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)padded_rows(rows, to - from),
                (blasint)(to - from), (blasint)linear->in, 1, x, (blasint)x_stride,
                linear->weight + from * linear->in, (blasint)linear->in, 0, y, (blasint)y_stride);
}

/* Whether equal rows give equal bits wherever they stand, for one small product. */
static bool rows_agree(const struct linear *linear, const float *x, size_t rows, float *y)
{
    multiply(linear, 0, linear->out, x, linear->in, rows, y, linear->out);
    for (size_t r = 1; r < rows; r++)
        if (memcmp(y, y + r * linear->out, linear->out * sizeof *y) != 0)
            return false;
    return true;
}

enum { CHECK_IN = 96, CHECK_OUT = 208, CHECK_ROWS = 48 };

struct check {
    float weight[CHECK_OUT * CHECK_IN];
    float x[(CHECK_ROWS + MATMUL_SPARE_ROWS) * CHECK_IN];
    float y[(CHECK_ROWS + MATMUL_SPARE_ROWS) * CHECK_OUT];
};

static pthread_once_t checked = PTHREAD_ONCE_INIT;
static bool usable;

static void check_once(void)
{
    struct check *check = calloc(1, sizeof *check);
    struct linear linear = {.in = CHECK_IN, .out = CHECK_OUT};
    unsigned random = 1;

    openblas_set_num_threads(1);
    if (!check)
        return;
    linear.weight = check->weight;
    for (size_t i = 0; i < CHECK_OUT * CHECK_IN; i++) {
        random = random * 1664525u + 1013904223u;
        check->weight[i] = (float)(random >> 8) * 0x1p-24f - 0.5f;
    }
    for (size_t i = 0; i < (CHECK_ROWS + MATMUL_SPARE_ROWS) * CHECK_IN; i++)
        check->x[i] = check->weight[i % CHECK_IN + 7];
    usable = true;
    for (size_t rows = 1; rows <= CHECK_ROWS; rows++)
        usable = usable && rows_agree(&linear, check->x, rows, check->y);
    free(check);
}

static int check(const struct kernels *kernels, struct err *err)
{
    (void)kernels;
    pthread_once(&checked, check_once);
    if (usable)
        return 0;
    return err_set(
        err, ERR_UNSUPPORTED,
        "OpenBLAS's kernels for '%s' let a row's last bits depend on its neighbours; set "
        "OPENBLAS_CORETYPE=Sandybridge (or SkylakeX), or do without SBERT_BACKEND=openblas",
        openblas_get_corename());
}

static int accept(const struct linear *linear, struct err *err)
{
    if (linear->out > 0 && padded_rows(1, linear->out) > MATMUL_SPARE_ROWS)
        return err_set(err, ERR_UNSUPPORTED,
                       "a linear layer of %zu outputs is too narrow for SBERT_BACKEND=openblas",
                       linear->out);
    return 0;
}

/* Bias and activation, over `columns` of y from column `from` of the linear on. */
static void finish(const struct kernels *kernels, const struct linear *linear, size_t from,
                   size_t columns, size_t rows, enum activation activation, float *y,
                   size_t y_stride)
{
    for (size_t r = 0; r < rows; r++) {
        if (linear->bias)
            kernels->accumulate(y + r * y_stride, linear->bias + from, 1, columns);
        kernels->activate(activation, y + r * y_stride, columns);
    }
}

/* Parts are slices of each linear, cut at multiples of SLICE columns. */
static void run(const struct matmul_product *product, size_t part, size_t parts)
{
    const struct matmul_weight *weight = product->weight;
    size_t x_stride = product->x_stride / sizeof(float);
    size_t y_stride = product->y_stride / sizeof(float);
    float *y = product->y;

    for (size_t i = 0; i < weight->count; i++) {
        const struct linear *linear = &weight->linears[i];
        size_t slices = linear->out / SLICE;
        size_t from = slices * part / parts * SLICE, to = slices * (part + 1) / parts * SLICE;
        if (part + 1 == parts)
            to = linear->out;
        if (from < to) {
            multiply(linear, from, to, product->x, x_stride, product->rows, y + from, y_stride);
            finish(weight->kernels, linear, from, to - from, product->rows, product->activation,
                   y + from, y_stride);
        }
        y += linear->out;
    }
}

const struct matmul_backend matmul_openblas = {
    .name = "openblas",
    .precision = PRECISION_F32,
    .check = check,
    .accept = accept,
    .run = run,
};
