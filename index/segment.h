/* Vectors with their ids: what an index is made of.
 *
 * A row once written never changes and never moves. A segment that takes adds (the tail) is written
 * only behind the rows that a view shows, so readers and the one writer never touch the same row.
 * How many rows there are, and which are dead, is therefore the view's business and not kept here.
 * Reference counts are atomic.
 */
#ifndef SBERT_INDEX_SEGMENT_H
#define SBERT_INDEX_SEGMENT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct hnsw;

struct segment {
    atomic_size_t references;
    uint32_t number; /* unique in its index; a tail that grows keeps it */
    uint64_t serial; /* unique in the process; a tail that grows keeps it too */
    size_t dimension;
    size_t capacity;      /* rows there is room for */
    int64_t *ids;         /* (capacity) */
    float *rows;          /* (capacity, dimension): its own, or NULL where the graph has them */
    const float *vectors; /* (capacity, dimension): where the rows are */
    struct hnsw *graph;   /* NULL: flat */
};

/* An empty flat segment with one reference; NULL when memory runs out or the size overflows. */
struct segment *segment_new(uint32_t number, size_t dimension, size_t capacity);

/* A segment around a graph of `capacity` rows, which it owns from then on; `ids` are for the caller
 * to fill. NULL when memory runs out, and then the graph is still the caller's. */
struct segment *segment_new_graph(uint32_t number, struct hnsw *graph, size_t dimension,
                                  size_t capacity);

struct segment *segment_ref(struct segment *segment);
void segment_unref(struct segment *segment); /* accepts NULL */

/* One row: a vector of `dimension`. */
const float *segment_vector(const struct segment *segment, size_t position);

/* Memory for vectors, graph and ids. */
size_t segment_bytes(const struct segment *segment);

#endif
