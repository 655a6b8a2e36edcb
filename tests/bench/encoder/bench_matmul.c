/* Times the matrix products of one layer of a 384-wide model, for every backend that can be had,
 * on one thread, in CPU time: GFLOP/s by shape and number of rows, the best of several rounds.
 *
 *   bench_matmul [ISA]
 */
#include <stdio.h>
#include <stdlib.h>
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

static double gflops(const struct matmul_weight *weight, enum activation activation, size_t rows)
{
    float *x = random_floats((rows + MATMUL_SPARE_ROWS) * weight->in);
    float *y = random_floats((rows + MATMUL_SPARE_ROWS) * weight->out);
    double operations = 2e-9 * (double)rows * (double)weight->in * (double)weight->out;
    struct matmul_product product = {
        .weight = weight,
        .x = x,
        .x_stride = weight->in * sizeof *x,
        .rows = rows,
        .activation = activation,
        .y = y,
        .y_stride = weight->out * sizeof *y,
    };
    size_t repeats = (size_t)(2 / operations) + 1;
    double best = 1e9;

    if (!x || !y)
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
    static const char *const backends[] = {"packed", "openblas"};
    const struct kernels *kernels;
    struct err err = {0};

    if (kernels_choose(&kernels, argc > 1 ? argv[1] : NULL, &err) < 0) {
        fprintf(stderr, "bench_matmul: %s\n", err.message);
        return 2;
    }
    for (size_t b = 0; b < 2; b++) {
        const struct matmul_backend *backend;
        if (matmul_choose(&backend, PRECISION_F32, backends[b], kernels, &err) < 0) {
            printf("%s: %s\n", backends[b], err.message);
            continue;
        }
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            struct linear linear = {.in = shapes[s].in, .out = shapes[s].out};
            struct matmul_weight *weight;
            float *data = random_floats(linear.in * linear.out);
            linear.weight = data;
            if (matmul_prepare(&weight, backend, kernels, &linear, 1, NULL, &err) < 0)
                return 2;
            printf("%-8s %-8s %4zu to %4zu %-24s", kernels->isa, backend->name, linear.in,
                   linear.out, shapes[s].name);
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
