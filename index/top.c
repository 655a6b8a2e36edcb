/* The best k of what is offered, as a heap with the worst at its root. */
#include "index/top.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static bool is_worse(struct top_entry a, struct top_entry b)
{
    return a.score < b.score || (a.score == b.score && a.id > b.id);
}

float top_threshold(const struct top *top)
{
    return top->count < top->capacity ? -INFINITY : top->entries[0].score;
}

static void sift_up(struct top *top, size_t i)
{
    struct top_entry entry = top->entries[i];
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (!is_worse(entry, top->entries[parent]))
            break;
        top->entries[i] = top->entries[parent];
        i = parent;
    }
    top->entries[i] = entry;
}

static void sift_down(struct top *top, struct top_entry entry)
{
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= top->count)
            break;
        if (child + 1 < top->count && is_worse(top->entries[child + 1], top->entries[child]))
            child++;
        if (!is_worse(top->entries[child], entry))
            break;
        top->entries[i] = top->entries[child];
        i = child;
    }
    top->entries[i] = entry;
}

void top_offer(struct top *top, float score, int64_t id)
{
    struct top_entry entry = {isnan(score) ? -INFINITY : score, id};
    if (top->count < top->capacity) {
        top->entries[top->count] = entry;
        sift_up(top, top->count++);
    } else if (is_worse(top->entries[0], entry)) {
        sift_down(top, entry);
    }
}

static int compare(const void *a, const void *b)
{
    const struct top_entry *left = a, *right = b;
    return is_worse(*left, *right) - is_worse(*right, *left);
}

void top_sort(struct top *top)
{
    qsort(top->entries, top->count, sizeof *top->entries, compare);
}
