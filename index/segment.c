/* Vectors with their ids. */
#include "index/segment.h"

#include <stdlib.h>
#include <string.h>

#include "index/graph.h"

static atomic_uint_fast64_t last_serial;

/* With no block yet. */
static struct segment *segment_alloc(const struct row_format *format, size_t capacity)
{
    size_t blocks = (capacity >> format->block_shift) + 1;
    if (capacity > SIZE_MAX / sizeof(int64_t) / 2)
        return NULL;
    struct segment *segment = calloc(1, sizeof *segment);
    if (!segment)
        return NULL;
    atomic_init(&segment->references, 1);
    segment->format = *format;
    segment->capacity = capacity;
    segment->ids = malloc(capacity * sizeof *segment->ids + 1);
    segment->blocks = calloc(blocks, sizeof(struct block *));
    segment->data = calloc(blocks, sizeof *segment->data);
    if (!segment->ids || !segment->blocks || !segment->data) {
        segment_unref(segment);
        return NULL;
    }
    return segment;
}

static void append_block(struct segment *segment, struct block *block)
{
    segment->data[segment->block_count] = block->data;
    segment->blocks[segment->block_count++] = block;
}

/* Appends blocks until there is room for `capacity` rows. */
static int fill_up(struct segment *segment)
{
    size_t most = (size_t)1 << segment->format.block_shift;
    while (segment->block_count * most < segment->capacity) {
        size_t left = segment->capacity - segment->block_count * most;
        struct block *block = block_new(left < most ? left : most, segment->format.stride);
        if (!block)
            return ERR_MEMORY;
        append_block(segment, block);
    }
    return 0;
}

struct segment *segment_new(uint32_t number, const struct row_format *format, size_t capacity)
{
    struct segment *segment = segment_alloc(format, capacity);
    if (!segment)
        return NULL;
    segment->number = number;
    segment->serial = atomic_fetch_add_explicit(&last_serial, 1, memory_order_relaxed) + 1;
    if (fill_up(segment) < 0) {
        segment_unref(segment);
        return NULL;
    }
    return segment;
}

struct segment *segment_grow(const struct segment *segment, size_t count, size_t capacity)
{
    size_t most = (size_t)1 << segment->format.block_shift;
    struct segment *larger = segment_alloc(&segment->format, capacity);
    if (!larger)
        return NULL;
    larger->number = segment->number;
    larger->serial = segment->serial;
    memcpy(larger->ids, segment->ids, count * sizeof *larger->ids);
    for (size_t i = 0; i < segment->block_count; i++) {
        size_t wanted = capacity - i * most < most ? capacity - i * most : most;
        if (segment->blocks[i]->rows < wanted)
            break;
        append_block(larger, block_ref(segment->blocks[i]));
    }
    size_t shared = larger->block_count;
    if (fill_up(larger) < 0) {
        segment_unref(larger);
        return NULL;
    }
    /* What the last block had, where it was too small. */
    if (shared < segment->block_count && count > shared * most)
        memcpy(larger->data[shared], segment->data[shared],
               (count - shared * most) * segment->format.stride);
    return larger;
}

void segment_share_block(struct segment *segment, size_t i, struct block *block)
{
    block_unref(segment->blocks[i]);
    segment->blocks[i] = block_ref(block);
    segment->data[i] = block->data;
}

struct segment *segment_ref(struct segment *segment)
{
    atomic_fetch_add_explicit(&segment->references, 1, memory_order_relaxed);
    return segment;
}

void segment_unref(struct segment *segment)
{
    if (!segment || atomic_fetch_sub_explicit(&segment->references, 1, memory_order_acq_rel) != 1)
        return;
    graph_free(segment->graph);
    for (size_t i = 0; i < segment->block_count; i++)
        block_unref(segment->blocks[i]);
    free(segment->blocks);
    free(segment->data);
    free(segment->ids);
    free(segment);
}

size_t segment_bytes(const struct segment *segment)
{
    size_t bytes = sizeof *segment + segment->capacity * sizeof *segment->ids;
    for (size_t i = 0; i < segment->block_count; i++)
        bytes += segment->blocks[i]->size + sizeof **segment->blocks + 2 * sizeof(void *);
    return segment->graph ? bytes + graph_bytes(segment->graph) : bytes;
}
