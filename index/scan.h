/* Exact search: every live row of a part against the queries.
 *
 * FAISS's kernels compute the scores. A score depends on the two vectors alone: a batch goes
 * through BLAS first, whose sums differ in the last bits from place to place, and so BLAS only
 * proposes (within its error bound) and the one kernel decides.
 */
#ifndef SBERT_INDEX_SCAN_H
#define SBERT_INDEX_SCAN_H

#include <stddef.h>

#include "index/index.h"
#include "index/top.h"
#include "index/view.h"

/* The score of one row as index.h defines it, larger is nearer. */
float scan_score(enum index_metric metric, size_t dimension, const float *query, const float *row);

/* Scratch that the scans of one call share. */
struct scan {
    enum index_metric metric;
    size_t dimension;
    float *scores;
};
int scan_open(struct scan *ret_scan, enum index_metric metric, size_t dimension, size_t queries,
              struct err *err);
void scan_close(struct scan *scan); /* accepts a zeroed scan */

/* Offers each live row to the list of each query: queries (count, dimension), tops (count). */
void scan_part(const struct scan *scan, const struct view_part *part, const float *queries,
               size_t count, struct top *tops);

/* The same for the selected rows alone. */
void scan_selected(const struct scan *scan, const struct view_part *part,
                   const struct bitmap *selected, const float *queries, size_t count,
                   struct top *tops);

#endif
