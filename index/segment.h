/* Vectors with their ids: what an index is made of.
 *
 * Rows lie in blocks, which a segment shares with the one that it grew from. A row once written
 * never changes and never moves. A segment that grows (the tail by adds, one with a graph in the
 * background) is written only behind the rows that a view shows, so readers and the one writer
 * never touch the same row. How many rows there are, and which are dead, is therefore the view's
 * business and not kept here. Reference counts are atomic.
 */
#ifndef SBERT_INDEX_SEGMENT_H
#define SBERT_INDEX_SEGMENT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "index/block.h"
#include "index/format.h"

struct graph;

struct segment {
    atomic_size_t references;
    uint32_t number; /* unique in its index; what grows keeps it */
    uint64_t serial; /* unique in the process; what grows keeps it too */
    struct row_format format;
    size_t capacity; /* rows there is room for */
    int64_t *ids;    /* (capacity) */
    size_t block_count;
    struct block **blocks; /* (block_count) all but the last of 2^format.block_shift rows */
    unsigned char **data;  /* (block_count) where their rows are */
    struct graph *graph;   /* NULL: flat */
};

/* An empty flat segment with one reference; NULL when memory runs out or the size overflows. */
struct segment *segment_new(uint32_t number, const struct row_format *format, size_t capacity);

/* The same segment, without its graph, with room for `capacity` rows (not fewer than now): its
 * first `count` rows are shared or copied. NULL when memory runs out. */
struct segment *segment_grow(const struct segment *segment, size_t count, size_t capacity);

/* Puts a block of another segment (with a reference of its own) in the place of block i, which
 * nobody has read or written yet. It must have as many rows. */
void segment_share_block(struct segment *segment, size_t i, struct block *block);

struct segment *segment_ref(struct segment *segment);
void segment_unref(struct segment *segment); /* accepts NULL */

/* One row, in the segment's format. */
static inline void *segment_row(const struct segment *segment, size_t position)
{
    unsigned shift = segment->format.block_shift;
    return segment->data[position >> shift] +
           (position & (((size_t)1 << shift) - 1)) * segment->format.stride;
}

/* The rows from `position` on that lie behind each other. */
static inline size_t segment_run(const struct segment *segment, size_t position)
{
    size_t block = (size_t)1 << segment->format.block_shift;
    return block - (position & (block - 1));
}

/* Memory for rows, graph and ids. */
size_t segment_bytes(const struct segment *segment);

#endif
