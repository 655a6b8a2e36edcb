/* The most similar others of each vector. */
#ifndef SBERT_INDEX_PAIRS_NEIGHBOURS_H
#define SBERT_INDEX_PAIRS_NEIGHBOURS_H

#include "index/pairs/product.h"
#include "index/top.h"

/* The `top` (at least 1) columns most similar to each row, with scores of at least `threshold`,
 * best first, equal ones by column; within one set the row itself is not among them, and each
 * product is made once for both sides. ret_entries (row_count, top) has columns as ids;
 * ret_counts (row_count) says how many of a row are filled. ERR_LIMIT, ERR_MEMORY, ERR_CANCELLED.
 */
int pairs_neighbours(const struct pairs_sets *sets, const struct pairs_run *run, size_t top,
                     float threshold, struct top_entry *ret_entries, size_t *ret_counts,
                     struct err *err);

#endif
