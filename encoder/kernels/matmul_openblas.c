/* The "openblas" backend: cblas_sgemm on the weights as they lie in the model's file.
 *
 * OpenBLAS's own threads are off: what runs in parallel is decided above. A product of fewer than
 * MATMUL_LEAST_ROWS rows is done as one of that many, since OpenBLAS has other kernels for the
 * smallest ones, with other last bits.
 */
#include <cblas.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/kernels/matmul.h"

struct openblas_weight {
    struct matmul_weight base;
    size_t count;
    struct linear linears[];
};

static void release(struct matmul_weight *weight)
{
    free(weight);
}

static void turn_threads_off(void)
{
    openblas_set_num_threads(1);
}

static int prepare(struct matmul_weight **ret_weight, const struct kernels *kernels,
                   const struct linear *linears, size_t count, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)kernels;
    pthread_once(&once, turn_threads_off);
    struct openblas_weight *weight = malloc(sizeof *weight + count * sizeof linears[0]);
    if (!weight)
        return err_memory(err, "a weight");
    weight->count = count;
    memcpy(weight->linears, linears, count * sizeof linears[0]);
    *ret_weight = &weight->base;
    return 0;
}

/* Columns [from, to) of one linear. */
static void multiply(const struct kernels *kernels, const struct linear *linear, size_t from,
                     size_t to, const float *x, size_t x_stride, size_t rows,
                     enum activation activation, float *y, size_t y_stride)
{
    size_t multiplied = rows < MATMUL_LEAST_ROWS ? MATMUL_LEAST_ROWS : rows;

    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)multiplied, (blasint)(to - from),
                (blasint)linear->in, 1, x, (blasint)x_stride, linear->weight + from * linear->in,
                (blasint)linear->in, 0, y, (blasint)y_stride);
    for (size_t r = 0; r < rows; r++) {
        if (linear->bias)
            kernels->accumulate(y + r * y_stride, linear->bias + from, 1, to - from);
        kernels->activate(activation, y + r * y_stride, to - from);
    }
}

/* Parts are whole linears or equal slices of one; a slice is a multiple of 64 columns, so that it
 * is cut where OpenBLAS's own blocks are. */
static void run(const struct matmul_weight *weight, size_t part, size_t parts, const float *x,
                size_t x_stride, size_t rows, enum activation activation, float *y, size_t y_stride)
{
    const struct openblas_weight *openblas = (const struct openblas_weight *)weight;
    const size_t slice = 64;

    for (size_t i = 0; i < openblas->count; i++) {
        const struct linear *linear = &openblas->linears[i];
        size_t slices = (linear->out + slice - 1) / slice;
        size_t from = slices * part / parts * slice, to = slices * (part + 1) / parts * slice;
        if (to > linear->out)
            to = linear->out;
        if (from < to)
            multiply(weight->kernels, linear, from, to, x, x_stride, rows, activation, y + from,
                     y_stride);
        y += linear->out;
    }
}

const struct matmul_backend matmul_openblas = {
    .name = "openblas",
    .prepare = prepare,
    .release = release,
    .run = run,
};
