/* Exact search: rows of a part against the queries, each score by the one kernel of its format. */
#ifndef SBERT_INDEX_SCAN_H
#define SBERT_INDEX_SCAN_H

#include <stddef.h>

#include "index/top.h"
#include "index/view.h"

struct scan_target {
    const struct view_part *part;
    const struct bitmap *selected; /* NULL: all rows */
};

/* Offers each live, selected row of [first, end) to the list of each query: queries (count),
 * prepared for the part's format; tops (count). */
void scan_rows(const struct scan_target *target, size_t first, size_t end,
               const void *const *queries, size_t count, struct top *tops);

#endif
