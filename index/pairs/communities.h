/* Communities: dense neighbourhoods that do not overlap, by the rule of sentence-transformers'
 * community_detection (version 6.2), whose groups these are. */
#ifndef SBERT_INDEX_PAIRS_COMMUNITIES_H
#define SBERT_INDEX_PAIRS_COMMUNITIES_H

#include "index/pairs/groups.h"

/* Every row with at least `least_size` (1 or more) rows, itself among them, at a score of at least
 * `threshold` is a centre; centres are taken in the order of how many those are (equal ones in
 * their own order), each taking those that nobody took before, where it is itself still free and
 * that leaves `least_size`. The largest communities first, equal ones in the order they were made;
 * in each the centre first, then by falling score, equal ones in ascending order. Memory: a number
 * a row and thread, and 64 scores a row; whatever the number of pairs. */
int pairs_communities(const struct pairs_sets *sets, const struct pairs_run *run, float threshold,
                      size_t least_size, struct pairs_partition *ret_communities, struct err *err);

#endif
