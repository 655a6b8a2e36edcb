/* The best k of what is offered: scores with ids, larger scores first, equal ones by smaller id.
 *
 * A bounded heap with the worst entry at its root. The order is total, so the result does not
 * depend on the order of the offers. One owner at a time.
 */
#ifndef SBERT_INDEX_TOP_H
#define SBERT_INDEX_TOP_H

#include <stddef.h>
#include <stdint.h>

struct top_entry {
    float score;
    int64_t id;
};

struct top {
    struct top_entry *entries; /* (capacity), the caller's */
    size_t capacity;           /* at least 1 */
    size_t count;
};

/* The score that an offer must reach to have a chance: -INFINITY while there is room. */
float top_threshold(const struct top *top);

/* Takes the entry if it is among the best so far. A NaN counts as -INFINITY. */
void top_offer(struct top *top, float score, int64_t id);

/* Puts the entries in order, best first; nothing may be offered afterwards. */
void top_sort(struct top *top);

#endif
