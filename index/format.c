/* Rows and prepared queries in each precision, and their scores. */
#include "index/format.h"

#include <math.h>
#include <string.h>

enum {
    LARGEST_CODE = 127, /* of an 8-bit component */
    LARGEST_QUERY_CODE = 32767,
    HALF_EXPONENT = 14, /* the largest component of a scaled row of halves is about 2^14 */
    MOST_BLOCK_SHIFT = 13,
    LEAST_BLOCK_SHIFT = 6,
    MOST_BLOCK_BYTES = 16 << 20,
};

static size_t component_size(enum index_precision precision)
{
    switch (precision) {
    case INDEX_PRECISION_INT8:
        return sizeof(int8_t);
    case INDEX_PRECISION_F16:
        return sizeof(uint16_t);
    default:
        return sizeof(float);
    }
}

static size_t rounded_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

void format_init(struct row_format *ret_format, enum index_precision precision,
                 enum index_metric metric, size_t dimension)
{
    struct row_format format = {.precision = precision,
                                .metric = metric,
                                .dimension = dimension,
                                .length = rounded_up(dimension, KERNEL_STEP),
                                .block_shift = MOST_BLOCK_SHIFT,
                                .kernels = index_kernels_best()};
    /* The components of vectors of length 1 fit into halves as they are. */
    format.has_scale = precision == INDEX_PRECISION_INT8 ||
                       (precision == INDEX_PRECISION_F16 && metric != METRIC_COSINE);
    format.stride = format.length * component_size(precision);
    if (format.has_scale)
        format.stride += sizeof(struct row_scale);
    size_t values =
        format.length * (precision == INDEX_PRECISION_INT8 ? sizeof(int16_t) : sizeof(float));
    format.query_size = rounded_up(values + sizeof(struct row_scale), 64);
    while (format.block_shift > LEAST_BLOCK_SHIFT &&
           format.stride << format.block_shift > MOST_BLOCK_BYTES)
        format.block_shift--;
    *ret_format = format;
}

static double norm_of(const float *vector, size_t dimension)
{
    double square = 0;
    for (size_t i = 0; i < dimension; i++)
        square += (double)vector[i] * (double)vector[i];
    return sqrt(square);
}

static float largest_of(const float *vector, size_t dimension)
{
    float largest = 0;
    for (size_t i = 0; i < dimension; i++)
        largest = fmaxf(largest, fabsf(vector[i]));
    return largest;
}

/* What each component is multiplied with, so that the metric is right. */
static double metric_factor(const struct row_format *format, const float *vector)
{
    double norm = format->metric == METRIC_COSINE ? norm_of(vector, format->dimension) : 0;
    return norm > 0 ? 1 / norm : 1;
}

static size_t scale_offset(const struct row_format *format)
{
    return format->length * component_size(format->precision);
}

static struct row_scale scale_of(const struct row_format *format, const void *row)
{
    struct row_scale scale;
    memcpy(&scale, (const unsigned char *)row + scale_offset(format), sizeof scale);
    return scale;
}

static float encode_f16(const struct row_format *format, const float *vector, double factor,
                        uint16_t *ret_row)
{
    double scale = 1;
    if (format->has_scale) {
        int exponent;
        (void)frexp((double)largest_of(vector, format->dimension), &exponent);
        scale = ldexp(1, exponent > -100 ? exponent - HALF_EXPONENT : -100 - HALF_EXPONENT);
    }
    for (size_t i = 0; i < format->dimension; i++)
        ret_row[i] = half_from_float((float)((double)vector[i] * factor / scale));
    return (float)scale;
}

static float encode_i8(const struct row_format *format, const float *vector, double factor,
                       int8_t *ret_row)
{
    double largest = (double)largest_of(vector, format->dimension) * factor;
    double scale = largest > 0 ? largest / LARGEST_CODE : 1;
    for (size_t i = 0; i < format->dimension; i++)
        ret_row[i] = (int8_t)lrint((double)vector[i] * factor / scale);
    return (float)scale;
}

void format_encode(const struct row_format *format, const float *vector, void *ret_row)
{
    double factor = metric_factor(format, vector);
    struct row_scale scale = {1, 0};

    memset(ret_row, 0, format->stride);
    if (format->precision == INDEX_PRECISION_F16)
        scale.scale = encode_f16(format, vector, factor, ret_row);
    else if (format->precision == INDEX_PRECISION_INT8)
        scale.scale = encode_i8(format, vector, factor, ret_row);
    else
        for (size_t i = 0; i < format->dimension; i++)
            ((float *)ret_row)[i] = (float)((double)vector[i] * factor);
    if (!format->has_scale)
        return;
    unsigned char *at = (unsigned char *)ret_row + scale_offset(format);
    if (format->precision == INDEX_PRECISION_INT8) {
        double square = 0;
        for (size_t i = 0; i < format->dimension; i++)
            square += (double)((int8_t *)ret_row)[i] * (double)((int8_t *)ret_row)[i];
        scale.square = (float)(square * (double)scale.scale * (double)scale.scale);
    }
    memcpy(at, &scale, sizeof scale);
}

void format_decode(const struct row_format *format, const void *row, float *ret_vector)
{
    float scale = format->has_scale ? scale_of(format, row).scale : 1;
    for (size_t i = 0; i < format->dimension; i++)
        switch (format->precision) {
        case INDEX_PRECISION_F16:
            ret_vector[i] = half_to_float(((const uint16_t *)row)[i]) * scale;
            break;
        case INDEX_PRECISION_INT8:
            ret_vector[i] = (float)((const int8_t *)row)[i] * scale;
            break;
        default:
            ret_vector[i] = ((const float *)row)[i];
        }
}

/* As 16-bit numbers, which are so much finer than the rows' 8 bits that they add no error. */
static void prepare_i16(const struct row_format *format, const float *query, double factor,
                        int16_t *ret_query)
{
    size_t most = KERNEL_I16_SUM / format->length;
    double codes = most < LARGEST_QUERY_CODE ? (double)most : LARGEST_QUERY_CODE;
    double largest = (double)largest_of(query, format->dimension) * factor, square = 0;
    double scale = largest > 0 ? largest / codes : 1;
    for (size_t i = 0; i < format->dimension; i++) {
        ret_query[i] = (int16_t)lrint((double)query[i] * factor / scale);
        square += (double)ret_query[i] * (double)ret_query[i];
    }
    const struct row_scale found = {(float)scale, (float)(square * scale * scale)};
    memcpy(ret_query + format->length, &found, sizeof found);
}

void format_prepare(const struct row_format *format, const float *query, void *ret_query)
{
    double factor = metric_factor(format, query);
    memset(ret_query, 0, format->query_size);
    if (format->precision == INDEX_PRECISION_INT8) {
        prepare_i16(format, query, factor, ret_query);
        return;
    }
    for (size_t i = 0; i < format->dimension; i++)
        ((float *)ret_query)[i] = (float)((double)query[i] * factor);
}

void format_prepare_row(const struct row_format *format, const void *row, void *ret_query)
{
    struct row_scale scale = {1, 0};
    if (format->has_scale)
        scale = scale_of(format, row);
    if (format->precision == INDEX_PRECISION_F32) {
        memcpy(ret_query, row, format->length * sizeof(float));
    } else if (format->precision == INDEX_PRECISION_F16) {
        float *query = ret_query;
        format->kernels->widen_f16(format->length, row, query);
        for (size_t i = 0; format->has_scale && i < format->dimension; i++)
            query[i] *= scale.scale;
    } else {
        int16_t *query = ret_query;
        size_t most = KERNEL_I16_SUM / format->length / LARGEST_CODE;
        int16_t factor = most < LARGEST_CODE ? (int16_t)(most ? most : 1) : LARGEST_CODE;
        format->kernels->widen_i8(format->length, row, factor, query);
        scale.scale /= factor;
        memcpy(query + format->length, &scale, sizeof scale);
    }
}

static void score_i8(const struct row_format *format, const void *const *queries,
                     size_t query_count, const void *const *rows, size_t row_count,
                     float *ret_scores)
{
    int32_t sums[KERNEL_QUERIES * FORMAT_ROWS];
    format->kernels->dot_i8(format->length, (const int16_t *const *)queries, query_count,
                            (const int8_t *const *)rows, row_count, sums);
    for (size_t q = 0; q < query_count; q++) {
        struct row_scale query;
        memcpy(&query, (const int16_t *)queries[q] + format->length, sizeof query);
        for (size_t r = 0; r < row_count; r++) {
            struct row_scale row = scale_of(format, rows[r]);
            float product = (float)sums[q * row_count + r] * (query.scale * row.scale);
            if (format->metric == METRIC_L2) {
                double square = (double)query.square + (double)row.square - 2 * (double)product;
                product = square > 0 ? -(float)sqrt(square) : 0;
            }
            ret_scores[q * row_count + r] = product;
        }
    }
}

static void score_f16(const struct row_format *format, const float *const *queries,
                      size_t query_count, const uint16_t *const *rows, size_t row_count,
                      float *ret_scores)
{
    float scales[FORMAT_ROWS];
    for (size_t r = 0; format->has_scale && r < row_count; r++)
        scales[r] = scale_of(format, rows[r]).scale;
    if (format->metric == METRIC_L2) {
        format->kernels->l2_f16(format->length, queries, query_count, rows, scales, row_count,
                                ret_scores);
        return;
    }
    format->kernels->dot_f16(format->length, queries, query_count, rows, row_count, ret_scores);
    for (size_t i = 0; format->has_scale && i < query_count * row_count; i++)
        ret_scores[i] *= scales[i % row_count];
}

void format_score(const struct row_format *format, const void *const *queries, size_t query_count,
                  const void *const *rows, size_t row_count, float *ret_scores)
{
    const float *const *floats = (const float *const *)queries;
    if (format->precision == INDEX_PRECISION_INT8) {
        score_i8(format, queries, query_count, rows, row_count, ret_scores);
        return;
    }
    if (format->precision == INDEX_PRECISION_F16)
        score_f16(format, floats, query_count, (const uint16_t *const *)rows, row_count,
                  ret_scores);
    else if (format->metric == METRIC_L2)
        format->kernels->l2_f32(format->length, floats, query_count, (const float *const *)rows,
                                row_count, ret_scores);
    else
        format->kernels->dot_f32(format->length, floats, query_count, (const float *const *)rows,
                                 row_count, ret_scores);
    for (size_t i = 0; format->metric == METRIC_L2 && i < query_count * row_count; i++)
        ret_scores[i] = -sqrtf(ret_scores[i]);
}
