/* The most similar pairs of all: the task that takes BERT n (n - 1) / 2 runs of the network
 * (Reimers and Gurevych, arXiv 1908.10084, section 1). */
#ifndef SBERT_INDEX_PAIRS_BEST_H
#define SBERT_INDEX_PAIRS_BEST_H

#include "index/pairs/product.h"

struct pair {
    size_t row, column; /* row < column within one set */
    float score;
};

/* The `top` (at least 1) pairs with the highest scores of at least `threshold` (-INFINITY: any),
 * best first, equal ones by row and column: ret_pairs (top), of which *ret_count are filled.
 * ERR_LIMIT where there are over 2^63 pairs. Memory: `top` entries for each thread. */
int pairs_best(const struct pairs_sets *sets, const struct pairs_run *run, size_t top,
               float threshold, struct pair *ret_pairs, size_t *ret_count, struct err *err);

#endif
