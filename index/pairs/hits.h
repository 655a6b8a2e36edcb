/* Finding, in a row of scores, those that reach a threshold: of millions few do. */
#ifndef SBERT_INDEX_PAIRS_HITS_H
#define SBERT_INDEX_PAIRS_HITS_H

#include <stdbool.h>
#include <stddef.h>

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

#endif
