/* The links of an HNSW graph (Malkov, Yashunin 2016, arXiv:1603.09320) over the rows of a segment,
 * and the walk over them.
 *
 * FAISS builds it (faiss/hnsw.h); here it is only read, so any number of threads may walk at once.
 * Node i is row i. On the bottom layer it has up to 2 M links, on each layer above that it is on,
 * up to M; a list that is not full ends at GRAPH_NONE.
 */
#ifndef SBERT_INDEX_GRAPH_H
#define SBERT_INDEX_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define GRAPH_NONE UINT32_MAX

struct graph {
    size_t count; /* nodes, at least 1 */
    size_t M;
    size_t upper_count; /* lists of links above the bottom layer */
    uint32_t entry;     /* a node on the highest layer: where walks begin */
    uint8_t *levels;    /* (count) layers above the bottom that a node is on */
    uint32_t *bottom;   /* (count, 2 M) */
    uint32_t *first;    /* (count) the node's first list in `upper`: that of layer 1 */
    uint32_t *upper;    /* (upper_count, M) a node's lists follow each other, layer by layer */
};

/* A graph with its levels, whose links and entry are for the caller to fill; levels (count) are
 * copied. NULL when memory runs out. */
struct graph *graph_new(size_t count, size_t M, const uint8_t *levels);
void graph_free(struct graph *graph); /* accepts NULL */
size_t graph_bytes(const struct graph *graph);

/* A node's links on a layer that it is on, and how many there is room for. */
static inline uint32_t *graph_links(const struct graph *graph, size_t node, size_t layer,
                                    size_t *ret_room)
{
    *ret_room = layer ? graph->M : 2 * graph->M;
    return layer ? graph->upper + (graph->first[node] + layer - 1) * graph->M
                 : graph->bottom + node * 2 * graph->M;
}

/* Whether every link leads to a node on its layer, and the entry is on the highest one: with that,
 * no walk leaves the graph. */
bool graph_is_sound(const struct graph *graph);

#endif
