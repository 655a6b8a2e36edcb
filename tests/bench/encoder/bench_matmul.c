/* Times the matrix products of one layer of a 384-wide model, for every backend and precision that
 * can be had, on one thread, in CPU time: 10^9 operations a second by shape and number of rows, the
 * best of several rounds. With GELU the result is what a next product reads. bench_limit says what
 * the chip can do.
 *
 *   bench_matmul [ISA]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "encoder/kernels/matmul.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *random_floats(size_t count)
{
    float *floats = aligned_alloc(64, (count * sizeof *floats + 63) / 64 * 64);
    unsigned random = 1;
    for (size_t i = 0; floats && i < count; i++) {
        random = random * 1664525u + 1013904223u;
        floats[i] = (float)(random >> 8) * 0x1p-24f - 0.5f;
    }
    return floats;
}

/* `rows` of random numbers as products of `backend` read them. */
static void *random_rows(const struct matmul_backend *backend, const struct kernels *kernels,
                         size_t rows, size_t size)
{
    size_t row_size = matmul_row_size(backend, size);
    float *floats = random_floats((rows + MATMUL_SPARE_ROWS) * size);
    char *converted = aligned_alloc(64, (rows + MATMUL_SPARE_ROWS) * row_size / 64 * 64 + 64);

    if (!floats || !converted)
        exit(2);
    memset(converted, 0, (rows + MATMUL_SPARE_ROWS) * row_size);
    if (!backend->convert) {
        free(converted);
        return floats;
    }
    for (size_t r = 0; r < rows; r++)
        matmul_convert(backend, kernels, floats + r * size, size, converted + r * row_size);
    free(floats);
    return converted;
}

static double gflops(const struct matmul_weight *weight, enum activation activation, size_t rows)
{
    void *x = random_rows(weight->backend, weight->kernels, rows, weight->in);
    float *y = random_floats((rows + MATMUL_SPARE_ROWS) * weight->out);
    double operations = 2e-9 * (double)rows * (double)weight->in * (double)weight->out;
    bool convert = activation != ACTIVATION_IDENTITY;
    struct matmul_product product = {
        .weight = weight,
        .x = x,
        .x_stride = matmul_row_size(weight->backend, weight->in),
        .rows = rows,
        .activation = activation,
        .convert = convert,
        .y = y,
        .y_stride =
            convert ? matmul_row_size(weight->backend, weight->out) : weight->out * sizeof *y,
    };
    size_t repeats = (size_t)(2 / operations) + 1;
    double best = 1e9;

    if (!y)
        exit(2);
    for (int round = 0; round < 7; round++) {
        double start = now();
        for (size_t i = 0; i < repeats; i++)
            matmul_run(&product);
        double took = (now() - start) / (double)repeats;
        best = took < best ? took : best;
    }
    free(x);
    free(y);
    return operations / best;
}

int main(int argc, char **argv)
{
    static const struct {
        size_t in, out;
        enum activation activation;
        const char *name;
    } shapes[] = {
        {384, 1152, ACTIVATION_IDENTITY, "query, key, value"},
        {384, 384, ACTIVATION_IDENTITY, "attention output"},
        {384, 1536, ACTIVATION_GELU, "intermediate with GELU"},
        {384, 1536, ACTIVATION_IDENTITY, "intermediate alone"},
        {1536, 384, ACTIVATION_IDENTITY, "output"},
    };
    static const size_t row_counts[] = {7, 64, 256, 512};
    static const struct {
        enum precision precision;
        const char *name;
    } backends[] = {
        {PRECISION_F32, "packed"},
        {PRECISION_F32, "openblas"},
        {PRECISION_BF16, "packed"},
        {PRECISION_INT8, "packed"},
    };
    const struct kernels *kernels;
    struct err err = {0};

    if (kernels_choose(&kernels, argc > 1 ? argv[1] : NULL, &err) < 0) {
        fprintf(stderr, "bench_matmul: %s\n", err.message);
        return 2;
    }
    for (size_t b = 0; b < sizeof backends / sizeof backends[0]; b++) {
        const struct matmul_backend *backend;
        if (matmul_choose(&backend, backends[b].precision, backends[b].name, kernels, &err) < 0) {
            printf("%s: %s\n", backends[b].name, err.message);
            continue;
        }
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            struct linear linear = {.in = shapes[s].in, .out = shapes[s].out};
            struct matmul_weight *weight;
            float *data = random_floats(linear.in * linear.out);
            linear.weight = data;
            if (matmul_prepare(&weight, backend, kernels, &linear, 1, NULL, &err) < 0)
                return 2;
            printf("%-8s %-8s %-4s %4zu to %4zu %-24s", kernels->isa, backend->name,
                   precision_name(backend->precision), linear.in, linear.out, shapes[s].name);
            for (size_t r = 0; r < sizeof row_counts / sizeof row_counts[0]; r++)
                printf("  %zu rows: %6.1f", row_counts[r],
                       gflops(weight, shapes[s].activation, row_counts[r]));
            printf("\n");
            matmul_release(weight);
            free(data);
        }
    }
    return 0;
}
