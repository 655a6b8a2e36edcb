/* Groups of near-duplicates: what hangs together by pairs that are similar enough. */
#ifndef SBERT_INDEX_PAIRS_GROUPS_H
#define SBERT_INDEX_PAIRS_GROUPS_H

#include "index/pairs/product.h"

/* Sets of row numbers behind each other: set i is members[starts[i]] up to members[starts[i + 1]].
 */
struct pairs_partition {
    size_t *starts;  /* (count + 1) */
    size_t *members; /* (starts[count]) */
    size_t count;
};
void pairs_partition_release(struct pairs_partition *partition); /* accepts a zeroed one */

/* The connected components, of two rows and more, of the graph that joins any two rows of one set
 * whose score is at least `threshold`: members in ascending order, the groups in the order of their
 * first members. `sets` has no columns. Memory: a number a row and thread. */
int pairs_groups(const struct pairs_sets *sets, const struct pairs_run *run, float threshold,
                 struct pairs_partition *ret_groups, struct err *err);

#endif
