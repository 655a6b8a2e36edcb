/* The kernels in plain C, for every CPU: sums in LANES parts, which a compiler makes vectors. */
#include "index/kernels/kernels.h"

enum { LANES = 16 };

static float sum_lanes(const float *lanes)
{
    float sum[LANES / 2];
    for (int i = 0; i < LANES / 2; i++)
        sum[i] = lanes[i] + lanes[i + LANES / 2];
    for (int width = LANES / 4; width; width /= 2)
        for (int i = 0; i < width; i++)
            sum[i] += sum[i + width];
    return sum[0];
}

static void dot_f32(size_t length, const float *const *queries, size_t query_count,
                    const float *const *rows, size_t row_count, float *ret)
{
    for (size_t q = 0; q < query_count; q++)
        for (size_t r = 0; r < row_count; r++) {
            const float *query = queries[q], *row = rows[r];
            float lanes[LANES] = {0};
            for (size_t i = 0; i < length; i += LANES)
                for (size_t j = 0; j < LANES; j++)
                    lanes[j] += query[i + j] * row[i + j];
            ret[q * row_count + r] = sum_lanes(lanes);
        }
}

static void l2_f32(size_t length, const float *const *queries, size_t query_count,
                   const float *const *rows, size_t row_count, float *ret)
{
    for (size_t q = 0; q < query_count; q++)
        for (size_t r = 0; r < row_count; r++) {
            const float *query = queries[q], *row = rows[r];
            float lanes[LANES] = {0};
            for (size_t i = 0; i < length; i += LANES)
                for (size_t j = 0; j < LANES; j++) {
                    float difference = query[i + j] - row[i + j];
                    lanes[j] += difference * difference;
                }
            ret[q * row_count + r] = sum_lanes(lanes);
        }
}

static void dot_f16(size_t length, const float *const *queries, size_t query_count,
                    const uint16_t *const *rows, size_t row_count, float *ret)
{
    for (size_t q = 0; q < query_count; q++)
        for (size_t r = 0; r < row_count; r++) {
            const float *query = queries[q];
            float lanes[LANES] = {0};
            for (size_t i = 0; i < length; i += LANES)
                for (size_t j = 0; j < LANES; j++)
                    lanes[j] += query[i + j] * half_to_float(rows[r][i + j]);
            ret[q * row_count + r] = sum_lanes(lanes);
        }
}

static void l2_f16(size_t length, const float *const *queries, size_t query_count,
                   const uint16_t *const *rows, const float *scales, size_t row_count, float *ret)
{
    for (size_t q = 0; q < query_count; q++)
        for (size_t r = 0; r < row_count; r++) {
            const float *query = queries[q];
            float lanes[LANES] = {0};
            for (size_t i = 0; i < length; i += LANES)
                for (size_t j = 0; j < LANES; j++) {
                    float difference = query[i + j] - half_to_float(rows[r][i + j]) * scales[r];
                    lanes[j] += difference * difference;
                }
            ret[q * row_count + r] = sum_lanes(lanes);
        }
}

static void dot_i8(size_t length, const int16_t *const *queries, size_t query_count,
                   const int8_t *const *rows, size_t row_count, int32_t *ret)
{
    for (size_t q = 0; q < query_count; q++)
        for (size_t r = 0; r < row_count; r++) {
            int32_t sum = 0;
            for (size_t i = 0; i < length; i++)
                sum += queries[q][i] * rows[r][i];
            ret[q * row_count + r] = sum;
        }
}

static void widen_f16(size_t length, const uint16_t *row, float *ret)
{
    for (size_t i = 0; i < length; i++)
        ret[i] = half_to_float(row[i]);
}

static void widen_i8(size_t length, const int8_t *row, int16_t factor, int16_t *ret)
{
    for (size_t i = 0; i < length; i++)
        ret[i] = (int16_t)(row[i] * factor);
}

const struct index_kernels index_kernels_generic = {"generic", dot_f32, dot_f16,   l2_f32,
                                                    l2_f16,    dot_i8,  widen_f16, widen_i8};
