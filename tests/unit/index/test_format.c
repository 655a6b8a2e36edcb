/* Tests of how vectors are held and scored: kernels of every instruction set against sums in
 * double, halves, and what each precision keeps of a vector. */

#include <stdlib.h>

#include "index/format.h"
#include "tests/unit/index/oracle.h"

enum { MOST = 512, ROWS = 5 };

static const char *const ISAS[] = {"generic", "avx2", "avx512"};

/* Fails unless `value` is within `tolerance` of `wanted`, relative to `size`. */
static void assert_near(double value, double wanted, double size, double tolerance)
{
    assert_true(fabs(value - wanted) <= tolerance * (size + 1e-30));
}

static void float_kernels_sum_what_they_should_whatever_the_company(void **state)
{
    (void)state;
    struct random_numbers random = {5};
    float queries[KERNEL_QUERIES][MOST], rows[ROWS][MOST], scales[ROWS];
    uint16_t halves[ROWS][MOST];
    const float *query_at[KERNEL_QUERIES], *row_at[ROWS];
    const uint16_t *half_at[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        row_at[i] = rows[i];
        half_at[i] = halves[i];
        scales[i] = (float)(i + 1) * 0.25F;
        for (size_t j = 0; j < MOST; j++) {
            halves[i][j] = half_from_float(random_float(&random));
            rows[i][j] = random_float(&random);
        }
    }
    for (size_t i = 0; i < KERNEL_QUERIES; i++) {
        query_at[i] = queries[i];
        for (size_t j = 0; j < MOST; j++)
            queries[i][j] = random_float(&random);
    }
    for (size_t isa = 0; isa < 3; isa++) {
        const struct index_kernels *k;
        struct err err = {0};
        if (index_kernels_find(&k, ISAS[isa], &err) < 0)
            continue;
        for (size_t length = KERNEL_STEP; length <= MOST; length += KERNEL_STEP)
            for (size_t count = 1; count <= KERNEL_QUERIES; count++) {
                float dots[2][KERNEL_QUERIES * ROWS], distances[2][KERNEL_QUERIES * ROWS], alone;
                k->dot_f32(length, query_at, count, row_at, ROWS, dots[0]);
                k->dot_f16(length, query_at, count, half_at, ROWS, dots[1]);
                k->l2_f32(length, query_at, count, row_at, ROWS, distances[0]);
                k->l2_f16(length, query_at, count, half_at, scales, ROWS, distances[1]);
                for (size_t q = 0; q < count; q++)
                    for (size_t r = 0; r < ROWS; r++) {
                        double dot[2] = {0}, distance[2] = {0};
                        for (size_t i = 0; i < length; i++) {
                            double x = (double)queries[q][i], f = (double)rows[r][i];
                            double h = (double)half_to_float(halves[r][i]);
                            double g = h * (double)scales[r];
                            dot[0] += x * f;
                            dot[1] += x * h;
                            distance[0] += (x - f) * (x - f);
                            distance[1] += (x - g) * (x - g);
                        }
                        for (size_t kind = 0; kind < 2; kind++) {
                            size_t at = q * ROWS + r;
                            assert_near((double)dots[kind][at], dot[kind], (double)length, 1e-6);
                            assert_near((double)distances[kind][at], distance[kind], distance[kind],
                                        1e-5);
                        }
                        k->dot_f16(length, &query_at[q], 1, &half_at[r], 1, &alone);
                        assert_true(alone == dots[1][q * ROWS + r]);
                        k->dot_f32(length, &query_at[q], 1, &row_at[r], 1, &alone);
                        assert_true(alone == dots[0][q * ROWS + r]);
                    }
            }
    }
}

static void kernels_of_8_bits_are_exact_up_to_their_limits(void **state)
{
    (void)state;
    struct random_numbers random = {6};
    static int16_t queries[KERNEL_QUERIES][MOST];
    static int8_t rows[ROWS][MOST];
    const int16_t *query_at[KERNEL_QUERIES];
    const int8_t *row_at[ROWS];
    for (int round = 0; round < 2; round++)
        for (size_t length = KERNEL_STEP; length <= MOST; length += KERNEL_STEP) {
            size_t most = KERNEL_I16_SUM / length < 32767 ? KERNEL_I16_SUM / length : 32767;
            for (size_t i = 0; i < KERNEL_QUERIES; i++) {
                query_at[i] = queries[i];
                for (size_t j = 0; j < length; j++)
                    queries[i][j] =
                        (int16_t)(round ? (int)most
                                        : (int)random_below(&random, 2 * most + 1) - (int)most);
            }
            for (size_t i = 0; i < ROWS; i++) {
                row_at[i] = rows[i];
                for (size_t j = 0; j < length; j++)
                    rows[i][j] = (int8_t)(round ? -127 : (int)random_below(&random, 255) - 127);
            }
            for (size_t isa = 0; isa < 3; isa++) {
                const struct index_kernels *k;
                struct err err = {0};
                int32_t sums[KERNEL_QUERIES * ROWS];
                if (index_kernels_find(&k, ISAS[isa], &err) < 0)
                    continue;
                for (size_t count = 1; count <= KERNEL_QUERIES; count += 3) {
                    k->dot_i8(length, query_at, count, row_at, ROWS, sums);
                    for (size_t q = 0; q < count; q++)
                        for (size_t r = 0; r < ROWS; r++) {
                            int64_t sum = 0;
                            for (size_t i = 0; i < length; i++)
                                sum += (int64_t)queries[q][i] * rows[r][i];
                            assert_true(sums[q * ROWS + r] == sum);
                        }
                }
            }
        }
}

static void halves_round_to_the_nearest(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x7c00; half++) {
        float value = half_to_float((uint16_t)half), next = half_to_float((uint16_t)(half + 1));
        assert_int_equal(half_from_float(value), half);
        assert_int_equal(half_from_float(-value), half | 0x8000);
        if (half == 0x7bff)
            break;
        /* The middle goes to the even one. */
        assert_int_equal(half_from_float((value + next) / 2), half + (half & 1));
        assert_int_equal(half_from_float(value + (next - value) * 0.49F), half);
        assert_int_equal(half_from_float(value + (next - value) * 0.51F), half + 1);
    }
    assert_int_equal(half_from_float(1.0F), 0x3c00);
    assert_int_equal(half_from_float(1e30F), 0x7bff);
    assert_int_equal(half_from_float(-70000), 0xfbff);
}

/* A vector of any size keeps its components within what the precision promises. */
static void each_precision_keeps_what_it_promises(void **state)
{
    (void)state;
    enum { DIMENSION = 77 };
    const double promised[] = {0, 1e-7, 0x1p-11, 0.5 / 127 + 1e-6}; /* of the largest component */
    struct random_numbers random = {8};
    float vector[DIMENSION], query[DIMENSION], back[DIMENSION];
    for (double size = 1e-30; size < 1e30; size *= 1000)
        for (enum index_precision p = INDEX_PRECISION_F32; p <= INDEX_PRECISION_INT8; p++)
            for (enum index_metric metric = METRIC_COSINE; metric <= METRIC_L2; metric++) {
                struct row_format format;
                struct oracle oracle = {.metric = metric, .dimension = DIMENSION};
                format_init(&format, p, metric, DIMENSION);
                void *row = aligned_alloc(64, format.stride + 64 - format.stride % 64);
                void *prepared = aligned_alloc(64, format.query_size);
                assert_non_null(row);
                assert_non_null(prepared);
                double norm = 0, query_norm = 0, largest = 0;
                for (size_t i = 0; i < DIMENSION; i++) {
                    vector[i] = random_float(&random) * (float)size;
                    query[i] = random_float(&random) * (float)size;
                    norm += (double)vector[i] * (double)vector[i];
                    query_norm += (double)query[i] * (double)query[i];
                    largest = fmax(largest, fabs((double)vector[i]));
                }
                norm = sqrt(norm);
                query_norm = sqrt(query_norm);
                format_encode(&format, vector, row);
                format_decode(&format, row, back);
                double factor = metric == METRIC_COSINE ? 1 / norm : 1;
                for (size_t i = 0; i < DIMENSION; i++)
                    assert_near((double)back[i], (double)vector[i] * factor, largest * factor,
                                promised[p]);
                format_prepare(&format, query, prepared);
                const void *queries[] = {prepared}, *rows[] = {row};
                float score;
                if (size < 1e-15 || size > 1e15) {
                    free(row);
                    free(prepared);
                    continue; /* products leave the range of a float */
                }
                format_score(&format, queries, 1, rows, 1, &score);
                /* The row itself is its own nearest. */
                float own, other;
                format_prepare_row(&format, row, prepared);
                format_score(&format, queries, 1, rows, 1, &own);
                format_prepare(&format, back, prepared);
                format_score(&format, queries, 1, rows, 1, &other);
                assert_near((double)own, (double)other,
                            metric == METRIC_COSINE ? 1 : norm * norm + norm, 1e-3);
                format_prepare(&format, query, prepared);
                oracle.vectors = vector;
                double wanted = oracle_score(&oracle, query, 0);
                double scale = metric == METRIC_COSINE ? 1
                               : metric == METRIC_DOT  ? norm * query_norm
                                                       : norm + query_norm;
                assert_near((double)score, wanted, scale, 1e-5 + promised[p]);
                free(row);
                free(prepared);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float_kernels_sum_what_they_should_whatever_the_company),
        cmocka_unit_test(kernels_of_8_bits_are_exact_up_to_their_limits),
        cmocka_unit_test(halves_round_to_the_nearest),
        cmocka_unit_test(each_precision_keeps_what_it_promises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
