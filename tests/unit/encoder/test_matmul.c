/* Tests of the matrix products: right numbers, and bits that depend on a row alone, for every
 * backend and instruction set that runs here. */

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "encoder/kernels/matmul.h"
#include "tests/test.h"

enum { MAX_ROWS = 300 };

static float *random_floats(size_t count)
{
    static uint32_t state = 1;
    float *floats = aligned_alloc(64, (count * sizeof *floats + 63) / 64 * 64);
    assert_non_null(floats);
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        floats[i] = (float)(state >> 8) * 0x1p-24f - 0.5f;
    }
    return floats;
}

/* Calls `test` for each backend and table of kernels. */
static void for_each(void (*test)(const struct matmul_backend *, const struct kernels *))
{
    static const char *const isas[] = {"generic", "avx2", "avx512"};
    static const char *const backends[] = {"packed", "openblas"};
    for (int i = 0; i < 3; i++)
        for (int b = 0; b < 2; b++) {
            const struct kernels *kernels;
            const struct matmul_backend *backend;
            struct err err = {0};
            if (kernels_choose(&kernels, isas[i], NULL) < 0)
                continue;
            if (matmul_choose(&backend, PRECISION_F32, backends[b], kernels, &err) < 0)
                fail_msg("%s", err.message);
            test(backend, kernels);
        }
}

static struct matmul_weight *prepare(const struct matmul_backend *backend,
                                     const struct kernels *kernels, const struct linear *linears,
                                     size_t count)
{
    struct matmul_weight *weight;
    struct err err = {0};
    if (matmul_prepare(&weight, backend, kernels, linears, count, NULL, &err) < 0)
        fail_msg("%s", err.message);
    return weight;
}

/* A product over floats; strides in floats. */
static struct matmul_product product_of(const struct matmul_weight *weight, const float *x,
                                        size_t x_stride, size_t rows, enum activation activation,
                                        float *y, size_t y_stride)
{
    return (struct matmul_product){
        .weight = weight,
        .x = x,
        .x_stride = x_stride * sizeof *x,
        .rows = rows,
        .activation = activation,
        .y = y,
        .y_stride = y_stride * sizeof *y,
    };
}

static void multiply(const struct matmul_weight *weight, const float *x, size_t x_stride,
                     size_t rows, enum activation activation, float *y, size_t y_stride)
{
    struct matmul_product product = product_of(weight, x, x_stride, rows, activation, y, y_stride);
    matmul_run(&product);
}

static void check_against_double(const struct matmul_backend *backend,
                                 const struct kernels *kernels, size_t in, size_t out, size_t rows,
                                 bool biased)
{
    float *data = random_floats(in * out), *bias = random_floats(out);
    size_t x_stride = in + 3, y_stride = out + 5;
    float *x = random_floats((rows + MATMUL_SPARE_ROWS) * x_stride);
    float *y = random_floats((rows + MATMUL_SPARE_ROWS) * y_stride);
    struct linear linear = {.weight = data, .bias = biased ? bias : NULL, .in = in, .out = out};
    struct matmul_weight *weight = prepare(backend, kernels, &linear, 1);

    for (size_t r = 0; r < rows; r++)
        y[r * y_stride + out] = 7;
    multiply(weight, x, x_stride, rows, ACTIVATION_RELU, y, y_stride);
    for (size_t r = 0; r < rows; r++) {
        for (size_t o = 0; o < out; o++) {
            double sum = biased ? (double)bias[o] : 0;
            for (size_t k = 0; k < in; k++)
                sum += (double)x[r * x_stride + k] * (double)data[o * in + k];
            sum = sum > 0 ? sum : 0;
            if (!(fabs((double)y[r * y_stride + o] - sum) <= 2e-5))
                fail_msg("%s, %s, %zu to %zu, %zu rows: (%zu, %zu) is %.9g, not %.9g", kernels->isa,
                         backend->name, in, out, rows, r, o, (double)y[r * y_stride + o], sum);
        }
        assert_true(y[r * y_stride + out] == 7); /* nothing is written beyond a row */
    }
    matmul_release(weight);
    free(data);
    free(bias);
    free(x);
    free(y);
}

static void products_of(const struct matmul_backend *backend, const struct kernels *kernels)
{
    static const size_t shapes[][2] = {{32, 32}, {33, 47},  {64, 200},
                                       {1, 32},  {400, 65}, {801, 33}};
    static const size_t row_counts[] = {1, 2, 3, 5, 13, 14, 15, 29, 64};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (size_t r = 0; r < sizeof row_counts / sizeof row_counts[0]; r++)
            check_against_double(backend, kernels, shapes[s][0], shapes[s][1], row_counts[r],
                                 r % 2 == 0);
}

static void products_agree_with_double(void **state)
{
    (void)state;
    for_each(products_of);
}

/* Every slice [from, from + rows) of many rows, for 1 to 64 rows, against all of them at once. */
static void rows_of(const struct matmul_backend *backend, const struct kernels *kernels)
{
    static const size_t shapes[][2] = {{32, 32}, {64, 192}, {384, 384}, {400, 96}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        size_t in = shapes[s][0], out = shapes[s][1];
        float *data = random_floats(in * out), *bias = random_floats(out);
        float *x = random_floats((MAX_ROWS + MATMUL_SPARE_ROWS) * in);
        float *all = random_floats((MAX_ROWS + MATMUL_SPARE_ROWS) * out);
        float *some = random_floats((MAX_ROWS + MATMUL_SPARE_ROWS) * out);
        struct linear linear = {.weight = data, .bias = bias, .in = in, .out = out};
        struct matmul_weight *weight = prepare(backend, kernels, &linear, 1);

        multiply(weight, x, in, MAX_ROWS, ACTIVATION_GELU, all, out);
        for (size_t rows = 1; rows <= 64; rows++) {
            size_t from = rows * 37 % (MAX_ROWS - rows);
            multiply(weight, x + from * in, in, rows, ACTIVATION_GELU, some, out);
            if (memcmp(some, all + from * out, rows * out * sizeof *some) != 0)
                fail_msg("%s, %s, %zu to %zu: %zu rows from %zu on differ", kernels->isa,
                         backend->name, in, out, rows, from);
        }
        matmul_release(weight);
        free(data);
        free(bias);
        free(x);
        free(all);
        free(some);
    }
}

static void a_row_has_the_same_bits_wherever_it_stands(void **state)
{
    (void)state;
    for_each(rows_of);
}

static void parts_of(const struct matmul_backend *backend, const struct kernels *kernels)
{
    enum { IN = 96, OUT = 400, ROWS = 21 };
    float *data = random_floats(IN * OUT);
    float *x = random_floats((ROWS + MATMUL_SPARE_ROWS) * IN);
    float *whole = random_floats((ROWS + MATMUL_SPARE_ROWS) * OUT);
    float *pieces = random_floats((ROWS + MATMUL_SPARE_ROWS) * OUT);
    struct linear linears[3] = {{.weight = data, .in = IN, .out = 200},
                                {.weight = data + 200 * IN, .in = IN, .out = 100},
                                {.weight = data + 300 * IN, .in = IN, .out = 100}};
    struct matmul_weight *weight = prepare(backend, kernels, linears, 3);

    assert_int_equal(weight->out, OUT);
    multiply(weight, x, IN, ROWS, ACTIVATION_IDENTITY, whole, OUT);
    for (size_t parts = 2; parts < 40; parts += 3) {
        memset(pieces, 0, ROWS * OUT * sizeof *pieces);
        struct matmul_product product =
            product_of(weight, x, IN, ROWS, ACTIVATION_IDENTITY, pieces, OUT);
        for (size_t part = parts; part-- > 0;)
            matmul_run_part(&product, part, parts);
        if (memcmp(pieces, whole, ROWS * OUT * sizeof *whole) != 0)
            fail_msg("%s, %s: %zu parts differ from the whole", kernels->isa, backend->name, parts);
    }
    matmul_release(weight);
    free(data);
    free(x);
    free(whole);
    free(pieces);
}

static void parts_make_up_the_whole_bit_for_bit(void **state)
{
    (void)state;
    for_each(parts_of);
}

static void layers_that_do_not_go_together_are_refused(void **state)
{
    (void)state;
    float data[64] = {0};
    struct linear unlike[2] = {{.weight = data, .in = 4, .out = 4},
                               {.weight = data, .in = 8, .out = 4}};
    struct linear huge = {.weight = data, .in = (size_t)1 << 40, .out = 4};
    const struct matmul_backend *backend;
    struct matmul_weight *weight;
    struct err err = {0};

    assert_int_equal(
        matmul_prepare(&weight, &matmul_packed, &kernels_generic, unlike, 2, NULL, &err),
        ERR_INTERNAL);
    assert_int_equal(
        matmul_prepare(&weight, &matmul_packed, &kernels_generic, &huge, 1, NULL, &err), ERR_LIMIT);
    assert_int_equal(matmul_choose(&backend, PRECISION_F32, "abacus", &kernels_generic, &err),
                     ERR_UNSUPPORTED);
    matmul_release(NULL);
}

int main(int argc, char **argv)
{
    /* OpenBLAS is tested with kernels that every x86-64 CPU has and that keep the promise; it reads
     * this when it is loaded. */
    (void)argc;
    if (!getenv("OPENBLAS_CORETYPE") || strcmp(getenv("OPENBLAS_CORETYPE"), "Nehalem") != 0) {
        setenv("OPENBLAS_CORETYPE", "Nehalem", 1);
        execv("/proc/self/exe", argv);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_agree_with_double),
        cmocka_unit_test(a_row_has_the_same_bits_wherever_it_stands),
        cmocka_unit_test(parts_make_up_the_whole_bit_for_bit),
        cmocka_unit_test(layers_that_do_not_go_together_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
