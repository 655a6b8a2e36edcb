/* Vectors with their ids. */
#include "index/segment.h"

#include <stdlib.h>

#include "index/faiss/hnsw.h"

static atomic_uint_fast64_t last_serial;

static struct segment *segment_alloc(uint32_t number, size_t dimension, size_t capacity)
{
    struct segment *segment = calloc(1, sizeof *segment);
    if (!segment)
        return NULL;
    atomic_init(&segment->references, 1);
    segment->number = number;
    segment->serial = atomic_fetch_add_explicit(&last_serial, 1, memory_order_relaxed) + 1;
    segment->dimension = dimension;
    segment->capacity = capacity;
    segment->ids = calloc(capacity, sizeof *segment->ids);
    if (!segment->ids) {
        free(segment);
        return NULL;
    }
    return segment;
}

struct segment *segment_new(uint32_t number, size_t dimension, size_t capacity)
{
    size_t size;
    if (__builtin_mul_overflow(dimension, capacity, &size) ||
        __builtin_mul_overflow(size, sizeof(float), &size) || size > SIZE_MAX - 63)
        return NULL;
    struct segment *segment = segment_alloc(number, dimension, capacity);
    if (!segment)
        return NULL;
    /* aligned_alloc wants a multiple of the alignment. */
    segment->rows = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!segment->rows) {
        segment_unref(segment);
        return NULL;
    }
    segment->vectors = segment->rows;
    return segment;
}

struct segment *segment_new_graph(uint32_t number, struct hnsw *graph, size_t dimension,
                                  size_t capacity)
{
    struct segment *segment = segment_alloc(number, dimension, capacity);
    if (!segment)
        return NULL;
    segment->graph = graph;
    segment->vectors = hnsw_vectors(graph);
    return segment;
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
    hnsw_free(segment->graph);
    free(segment->rows);
    free(segment->ids);
    free(segment);
}

const float *segment_vector(const struct segment *segment, size_t position)
{
    return segment->vectors + position * segment->dimension;
}

size_t segment_bytes(const struct segment *segment)
{
    size_t bytes = sizeof *segment + segment->capacity * sizeof *segment->ids;
    if (segment->rows)
        bytes += segment->capacity * segment->dimension * sizeof *segment->rows;
    return segment->graph ? bytes + hnsw_bytes(segment->graph) : bytes;
}
