/* How vectors are held: as f32, as halves, or as 8 bits a component with a scale for each vector;
 * and how a query is scored against rows that are held so.
 *
 * A row is `length` components (the dimension, padded with zeros to a multiple of KERNEL_STEP) of
 * its precision, and where the format has one, a struct row_scale behind them. A score depends on
 * the query and the row alone, bit for bit, whatever else is scored with them. No memory is kept;
 * everything here is thread-safe.
 */
#ifndef SBERT_INDEX_FORMAT_H
#define SBERT_INDEX_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/index.h"
#include "index/kernels/kernels.h"

enum { FORMAT_ROWS = 64 }; /* rows that are scored in one call, at most */

struct row_scale {
    float scale;  /* what the components are multiplied with */
    float square; /* the squared Euclidean norm of the vector that the row stands for */
};

struct row_format {
    enum index_precision precision; /* not the default */
    enum index_metric metric;
    size_t dimension, length;
    size_t stride;     /* bytes from row to row, a multiple of 4 */
    size_t query_size; /* bytes of a prepared query, a multiple of 64 */
    bool has_scale;
    unsigned block_shift; /* rows are held in blocks of 2^block_shift */
    const struct index_kernels *kernels;
};

/* The dimension is 1 to 65536. */
void format_init(struct row_format *ret_format, enum index_precision precision,
                 enum index_metric metric, size_t dimension);

/* A vector (dimension), brought to length 1 under METRIC_COSINE unless it is zero, as a row. */
void format_encode(const struct row_format *format, const float *vector, void *ret_row);

/* The vector (dimension) that a row stands for. */
void format_decode(const struct row_format *format, const void *row, float *ret_vector);

/* A query (dimension), as the metric keeps it, made ready for scoring: ret_query (query_size). */
void format_prepare(const struct row_format *format, const float *query, void *ret_query);

/* The same of the vector that a row stands for. */
void format_prepare_row(const struct row_format *format, const void *row, void *ret_query);

/* Scores as index.h defines them, of 1 to KERNEL_QUERIES prepared queries with up to FORMAT_ROWS
 * rows: ret_scores (query_count, row_count). */
void format_score(const struct row_format *format, const void *const *queries, size_t query_count,
                  const void *const *rows, size_t row_count, float *ret_scores);

#endif
