/* Tests of the kernels: the reference in plain C against libm in double, and every vectorised table
 * that runs here against the reference, at sizes that are and are not whole vectors. */

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/kernels/kernels.h"
#include "tests/test.h"

static const char *const names[] = {"generic", "avx2", "avx512"};
static const struct kernels *tables[3];
static int table_count;

static const size_t sizes[] = {1,  2,  7,  8,  9,  15, 16,  17,  31,
                               32, 33, 48, 63, 64, 65, 100, 384, 387};
enum { SIZES = sizeof sizes / sizeof sizes[0], LARGEST = 387 };

static float random_float(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) * 0x1p-23f - 1;
}

static float *random_floats(size_t count, float scale)
{
    float *floats = aligned_alloc(64, (count * sizeof *floats + 63) / 64 * 64);
    assert_non_null(floats);
    for (size_t i = 0; i < count; i++)
        floats[i] = scale * random_float();
    return floats;
}

static void assert_close(const struct kernels *kernels, const char *what, size_t size,
                         const float *got, const float *wanted, size_t count, double tolerance)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)wanted[i]) <= tolerance))
            fail_msg("%s, %s of %zu: [%zu] is %.9g, not %.9g", kernels->isa, what, size, i,
                     (double)got[i], (double)wanted[i]);
}

static double softplus_in_double(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double rectified_in_double(enum activation activation, double x)
{
    double positive = fmax(x, 0), cut = fmin(fmax(x + 3, 0), 6);
    switch (activation) {
    case ACTIVATION_RELU:
        return positive;
    case ACTIVATION_RELU6:
        return fmin(positive, 6);
    case ACTIVATION_RELU_SQUARED:
        return positive * positive;
    case ACTIVATION_LEAKY_RELU:
        return fmax(x, 0.01 * x);
    case ACTIVATION_ELU:
        return positive + expm1(fmin(x, 0));
    case ACTIVATION_SELU:
        return 1.0507009873554804934 * (positive + 1.6732632423543772848 * expm1(fmin(x, 0)));
    case ACTIVATION_HARDSWISH:
        return x * cut / 6;
    case ACTIVATION_HARDSIGMOID:
        return cut / 6;
    case ACTIVATION_HARDTANH:
        return fmax(-1, fmin(1, x));
    case ACTIVATION_IDENTITY:
        return x;
    default:
        fail_msg("activation %d has no formula in this test", (int)activation);
        return 0;
    }
}

static double activation_in_double(enum activation activation, double x)
{
    double gelu = 0.5 * x * erfc(-x / sqrt(2));
    switch (activation) {
    case ACTIVATION_GELU:
        return gelu;
    case ACTIVATION_GELU_10:
        return fmax(-10, fmin(10, gelu));
    case ACTIVATION_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case ACTIVATION_TANH:
        return tanh(x);
    case ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACTIVATION_SILU:
        return x / (1 + exp(-x));
    case ACTIVATION_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    case ACTIVATION_SOFTPLUS:
        return softplus_in_double(x);
    case ACTIVATION_SQRT_SOFTPLUS:
        return sqrt(softplus_in_double(x));
    case ACTIVATION_MISH:
        return x * tanh(softplus_in_double(x));
    case ACTIVATION_SOFTSIGN:
        return x / (1 + fabs(x));
    case ACTIVATION_TANHSHRINK:
        return x - tanh(x);
    case ACTIVATION_LOGSIGMOID:
        return -softplus_in_double(-x);
    case ACTIVATION_LAPLACE:
        return 0.5 * erfc(-x);
    default:
        return rectified_in_double(activation, x);
    }
}

static void activations_are_right_over_a_dense_sweep(void **state)
{
    (void)state;
    enum { POINTS = 240001 };
    float *x = calloc(POINTS, sizeof *x), *y = calloc(POINTS, sizeof *y);

    for (size_t i = 0; i < POINTS; i++)
        x[i] = -30 + 60 * (float)i / (POINTS - 1);
    for (int t = 0; t < table_count; t++)
        for (int a = 0; a < ACTIVATION_COUNT; a++) {
            memcpy(y, x, POINTS * sizeof *y);
            tables[t]->activate((enum activation)a, y, POINTS);
            for (size_t i = 0; i < POINTS; i++) {
                double wanted = activation_in_double((enum activation)a, (double)x[i]);
                bool exact_gelu = a == ACTIVATION_GELU || a == ACTIVATION_RELU;
                double tolerance = (exact_gelu ? 1.2e-7 : 2.5e-7) *
                                   fmax(1, fmax(fabs((double)x[i]), fabs(wanted)));
                if (!(fabs((double)y[i] - wanted) <= tolerance))
                    fail_msg("%s: activation %d of %.9g is %.9g, not %.9g", tables[t]->isa, a,
                             (double)x[i], (double)y[i], wanted);
            }
        }
    free(x);
    free(y);
}

/* A row's end is computed as its midst is. */
static void activations_are_the_same_at_odd_sizes(void **state)
{
    (void)state;
    enum { MOST = 67 };
    for (int t = 0; t < table_count; t++)
        for (int a = 0; a < ACTIVATION_COUNT; a++) {
            float *x = random_floats(MOST + 1, 4), whole[MOST];
            memcpy(whole, x, sizeof whole);
            for (size_t i = 0; i < MOST; i++)
                tables[t]->activate((enum activation)a, &whole[i], 1);
            for (size_t size = 0; size <= MOST; size++) {
                float part[MOST + 1];
                memcpy(part, x, sizeof part);
                tables[t]->activate((enum activation)a, part, size);
                assert_memory_equal(part, whole, size * sizeof *part);
                assert_memory_equal(part + size, x + size, (MOST + 1 - size) * sizeof *part);
            }
            free(x);
        }
}

static void activations_take_huge_numbers(void **state)
{
    (void)state;
    for (int t = 0; t < table_count; t++) {
        float x[4] = {-1e30f, 1e30f, -0.0f, 0};
        tables[t]->activate(ACTIVATION_GELU, x, 4);
        assert_true(fabsf(x[0]) < 1e-6f);
        assert_true(x[1] == 1e30f);
        assert_true(x[2] == 0 && x[3] == 0);
    }
}

static void add_norm_agrees_with_double(void **state)
{
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (size_t s = 0; s < SIZES; s++) {
            size_t n = sizes[s];
            float *in = random_floats(5 * LARGEST, 2);
            float y[LARGEST], wanted[LARGEST];
            struct layer_norm norm = {
                .weight = in + 3 * LARGEST, .bias = in + 4 * LARGEST, .eps = 1e-5f};
            for (int with_c = 0; with_c < 2; with_c++) {
                const float *b = in + LARGEST, *c = with_c ? in + 2 * LARGEST : NULL;
                double mean = 0, variance = 0, sum[LARGEST];
                for (size_t i = 0; i < n; i++) {
                    sum[i] = (double)in[i] + (double)b[i] + (c ? (double)c[i] : 0);
                    mean += sum[i] / (double)n;
                }
                for (size_t i = 0; i < n; i++)
                    variance += (sum[i] - mean) * (sum[i] - mean) / (double)n;
                for (size_t i = 0; i < n; i++)
                    wanted[i] =
                        (float)((sum[i] - mean) / sqrt(variance + 1e-5) * (double)norm.weight[i] +
                                (double)norm.bias[i]);
                tables[t]->add_norm(in, b, c, &norm, n, y);
                assert_close(tables[t], "add_norm", n, y, wanted, n, n > 2 ? 4e-6 : 2e-4);
                /* In place, as the transformer does it. */
                memcpy(y, in, n * sizeof *y);
                tables[t]->add_norm(y, b, c, &norm, n, y);
                assert_close(tables[t], "add_norm in place", n, y, wanted, n, n > 2 ? 4e-6 : 2e-4);
            }
            free(in);
        }
}

/* One past the end must stay as it was: the guard shows a store that is too wide. */
static void rows_are_reduced_alike_and_within_bounds(void **state)
{
    (void)state;
    const float guard = 12345;
    for (int t = 0; t < table_count; t++)
        for (size_t s = 0; s < SIZES; s++) {
            size_t n = sizes[s];
            float *a = random_floats(n, 3), *b = random_floats(n, 3);
            float got[LARGEST + 1], wanted[LARGEST];

            memcpy(got, a, n * sizeof *a);
            memcpy(wanted, a, n * sizeof *a);
            got[n] = guard;
            tables[t]->accumulate(got, b, 0.25f, n);
            kernels_generic.accumulate(wanted, b, 0.25f, n);
            assert_close(tables[t], "accumulate", n, got, wanted, n, 1e-6);
            tables[t]->maximum(got, a, n);
            kernels_generic.maximum(wanted, a, n);
            assert_close(tables[t], "maximum", n, got, wanted, n, 1e-6);
            tables[t]->scale(got, 3, n);
            kernels_generic.scale(wanted, 3, n);
            assert_close(tables[t], "scale", n, got, wanted, n, 3e-6);
            assert_true(got[n] == guard);
            float product = tables[t]->dot(a, b, n), plain = kernels_generic.dot(a, b, n);
            assert_close(tables[t], "dot", n, &product, &plain, 1, 1e-4);
            free(a);
            free(b);
        }
}

/* softmax(scale (q k^T + bias)) v in double. */
static void attend_in_double(const struct attention_head *head, double *out)
{
    double *weights = calloc(head->tokens, sizeof *weights);
    assert_non_null(weights);
    for (size_t i = 0; i < head->tokens; i++) {
        double sum = 0;
        for (size_t j = 0; j < head->tokens; j++) {
            double score = head->bias ? (double)head->bias[(ptrdiff_t)i - (ptrdiff_t)j] : 0;
            for (size_t d = 0; d < head->head_size; d++)
                score +=
                    (double)head->q[i * head->stride + d] * (double)head->k[j * head->stride + d];
            weights[j] = exp((double)head->scale * score);
            sum += weights[j];
        }
        for (size_t d = 0; d < head->head_size; d++) {
            double value = 0;
            for (size_t j = 0; j < head->tokens; j++)
                value += weights[j] / sum * (double)head->v[j * head->stride + d];
            out[i * head->head_size + d] = value;
        }
    }
    free(weights);
}

static void check_attention(const struct kernels *kernels, size_t tokens, size_t head_size,
                            bool biased)
{
    size_t stride = 3 * head_size + 5, out_stride = head_size + 3;
    float *qkv = random_floats(tokens * stride, 2);
    float *out = random_floats(tokens * out_stride, 1);
    float *before = calloc(tokens * out_stride, sizeof *before);
    double *wanted = calloc(tokens * head_size, sizeof *wanted);
    float *biases = random_floats(2 * tokens + ATTENTION_QUERY_BLOCK, 3);
    struct attention_head head = {
        .q = qkv,
        .k = qkv + head_size,
        .v = qkv + 2 * head_size,
        .stride = stride,
        .tokens = tokens,
        .head_size = head_size,
        .scale = 1 / sqrtf((float)head_size),
        .bias = biased ? biases + tokens : NULL,
        .out = out,
        .out_stride = out_stride,
        .scratch = random_floats(attention_scratch_size(tokens, head_size), 1),
    };

    assert_non_null(before);
    assert_non_null(wanted);
    memcpy(before, out, tokens * out_stride * sizeof *out);
    attend_in_double(&head, wanted);
    kernels->attend(&head);
    for (size_t i = 0; i < tokens; i++)
        for (size_t d = 0; d < out_stride; d++) {
            size_t at = i * out_stride + d;
            if (d >= head_size)
                assert_true(out[at] == before[at]);
            else if (!(fabs((double)out[at] - wanted[i * head_size + d]) <= 3e-6))
                fail_msg("%s, attention over %zu tokens by heads of %zu: (%zu, %zu) is %.9g, not "
                         "%.9g",
                         kernels->isa, tokens, head_size, i, d, (double)out[at],
                         wanted[i * head_size + d]);
        }
    free(head.scratch);
    free(biases);
    free(wanted);
    free(before);
    free(out);
    free(qkv);
}

static void attention_agrees_with_double(void **state)
{
    (void)state;
    static const size_t token_counts[] = {1,  2,  5,  7,  8,  9,  13, 15,
                                          16, 17, 23, 31, 32, 33, 50, 129};
    static const size_t head_sizes[] = {1, 8, 12, 16, 20, 32, 40, 64, 72};
    for (int t = 0; t < table_count; t++)
        for (size_t n = 0; n < sizeof token_counts / sizeof token_counts[0]; n++)
            for (size_t h = 0; h < sizeof head_sizes / sizeof head_sizes[0]; h++)
                for (int biased = 0; biased < 2; biased++)
                    check_attention(tables[t], token_counts[n], head_sizes[h], biased);
}

static void attention_with_scores_far_apart_stays_finite(void **state)
{
    (void)state;
    for (int t = 0; t < table_count; t++) {
        float q[4] = {400, 400, 400, 400}, k[4] = {400, -400, 0, -300}, v[4] = {1, 2, 3, 4}, out[4];
        float *scratch = random_floats(attention_scratch_size(4, 1), 1);
        struct attention_head head = {.q = q,
                                      .k = k,
                                      .v = v,
                                      .stride = 1,
                                      .tokens = 4,
                                      .head_size = 1,
                                      .scale = 1,
                                      .out = out,
                                      .out_stride = 1,
                                      .scratch = scratch};
        tables[t]->attend(&head);
        for (int i = 0; i < 4; i++)
            assert_float_equal(out[i], 1, 1e-6);
        free(scratch);
    }
}

static void a_table_is_found_by_name_or_refused(void **state)
{
    (void)state;
    const struct kernels *kernels;
    struct err err = {0};
    assert_int_equal(kernels_choose(&kernels, NULL, &err), 0);
    assert_ptr_equal(kernels, tables[table_count - 1]);
    assert_int_equal(kernels_choose(&kernels, "altivec", &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "altivec"));
}

int main(void)
{
    for (int i = 0; i < 3; i++)
        if (kernels_choose(&tables[table_count], names[i], NULL) == 0)
            table_count++;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_are_right_over_a_dense_sweep),
        cmocka_unit_test(activations_are_the_same_at_odd_sizes),
        cmocka_unit_test(activations_take_huge_numbers),
        cmocka_unit_test(add_norm_agrees_with_double),
        cmocka_unit_test(rows_are_reduced_alike_and_within_bounds),
        cmocka_unit_test(attention_agrees_with_double),
        cmocka_unit_test(attention_with_scores_far_apart_stays_finite),
        cmocka_unit_test(a_table_is_found_by_name_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
