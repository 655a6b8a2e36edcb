/* A walk over a graph for one query: the nearest of the rows that are looked for.
 *
 * What is not looked for (dead, or not selected) is walked through like the rest but takes no place
 * in the queue, so a walk goes on until the queue is full of what is looked for, or it has seen so
 * many rows that scanning is as quick. One thread a walk; the segment is only read.
 */
#ifndef SBERT_INDEX_WALK_H
#define SBERT_INDEX_WALK_H

#include "index/segment.h"
#include "index/view.h"

struct walk_entry {
    float score;
    uint32_t node;
};

/* A heap of entries that grows. */
struct walk_heap {
    struct walk_entry *entries; /* (capacity) */
    size_t count, capacity;
};

/* Scratch, which the walks of one search share; starts zeroed. */
struct walk {
    uint64_t *visited;
    size_t visited_words;
    struct walk_heap found; /* after a walk: the nearest, in no particular order */
    struct walk_heap ahead; /* seen, and not yet gone to */
};
void walk_release(struct walk *walk);

struct walk_target {
    const struct segment *segment; /* with a graph */
    const struct bitmap *dead;     /* not looked for; NULL: none are */
    const struct bitmap *selected; /* looked for; NULL: all are */
    size_t ef;                     /* length of the queue, at least 1 */
    size_t most_seen;              /* rows after which the walk gives up */
};

/* Fills walk->found with at most ef rows. 1 where the walk ended by itself, 0 where it gave up, or
 * ERR_MEMORY. `query` is prepared for the segment's format. */
int walk_graph(struct walk *walk, const struct walk_target *target, const void *query);

#endif
