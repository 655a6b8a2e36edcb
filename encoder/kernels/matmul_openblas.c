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

struct openblas_weight {
    struct matmul_weight base;
    size_t count;
    struct linear linears[];
};

static void release(struct matmul_weight *weight)
{
    free(weight);
}

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

static int check(struct err *err)
{
    pthread_once(&checked, check_once);
    if (usable)
        return 0;
    return err_set(
        err, ERR_UNSUPPORTED,
        "OpenBLAS's kernels for '%s' let a row's last bits depend on its neighbours; set "
        "OPENBLAS_CORETYPE=Sandybridge (or SkylakeX), or do without SBERT_BACKEND=openblas",
        openblas_get_corename());
}

static int prepare(struct matmul_weight **ret_weight, const struct kernels *kernels,
                   const struct linear *linears, size_t count, struct err *err)
{
    (void)kernels;
    for (size_t i = 0; i < count; i++)
        if (padded_rows(1, linears[i].out) > MATMUL_SPARE_ROWS)
            return err_set(err, ERR_UNSUPPORTED,
                           "a linear layer of %zu outputs is too narrow for SBERT_BACKEND=openblas",
                           linears[i].out);
    struct openblas_weight *weight = malloc(sizeof *weight + count * sizeof linears[0]);
    if (!weight)
        return err_memory(err, "a weight");
    weight->count = count;
    memcpy(weight->linears, linears, count * sizeof linears[0]);
    *ret_weight = &weight->base;
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
static void run(const struct matmul_weight *weight, size_t part, size_t parts, const float *x,
                size_t x_stride, size_t rows, enum activation activation, float *y, size_t y_stride)
{
    const struct openblas_weight *openblas = (const struct openblas_weight *)weight;

    for (size_t i = 0; i < openblas->count; i++) {
        const struct linear *linear = &openblas->linears[i];
        size_t slices = linear->out / SLICE;
        size_t from = slices * part / parts * SLICE, to = slices * (part + 1) / parts * SLICE;
        if (part + 1 == parts)
            to = linear->out;
        if (from < to) {
            multiply(linear, from, to, x, x_stride, rows, y + from, y_stride);
            finish(weight->kernels, linear, from, to - from, rows, activation, y + from, y_stride);
        }
        y += linear->out;
    }
}

const struct matmul_backend matmul_openblas = {
    .name = "openblas",
    .check = check,
    .prepare = prepare,
    .release = release,
    .run = run,
};
