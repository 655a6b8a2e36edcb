/* Finding, in a row of scores, those that reach a threshold: of millions few do. */
#ifndef SBERT_INDEX_PAIRS_HITS_H
#define SBERT_INDEX_PAIRS_HITS_H

#include <stdbool.h>
#include <stddef.h>

#include "index/pairs/product.h"

/* Scores compared at once. */
enum { HITS_RUN = 32 };

/* Whether any of HITS_RUN scores reaches the threshold; written so that a compiler makes it vector
 * comparisons. */
static inline bool hits_any(const float *scores, float threshold)
{
    int hit = 0;
    for (int i = 0; i < HITS_RUN; i++)
        hit |= scores[i] >= threshold;
    return hit != 0;
}

/* The first position in [from, count) whose score reaches the threshold, or `count`. */
static inline size_t hits_next(const float *scores, size_t from, size_t count, float threshold)
{
    while (from < count) {
        if (from + HITS_RUN <= count && !hits_any(scores + from, threshold)) {
            from += HITS_RUN;
            continue;
        }
        size_t end = from + HITS_RUN < count ? from + HITS_RUN : count;
        for (; from < end; from++)
            if (scores[from] >= threshold)
                return from;
    }
    return count;
}

/* The first column from `from` on whose exact score with row r reaches the threshold, or the
 * block's number of columns. */
static inline size_t hits_next_pair(const struct pairs_block *block, size_t r, size_t from,
                                    float threshold)
{
    const float *scores = block->scores + r * block->stride;
    size_t c = from;
    while ((c = hits_next(scores, c, block->column_count, threshold - block->margin)) <
           block->column_count) {
        if (scores[c] >= threshold + block->margin || pairs_block_score(block, r, c) >= threshold)
            return c;
        c++;
    }
    return c;
}

#endif
