/* The links of an HNSW graph: their memory, and whether they can be followed. */
#include "index/graph.h"

#include <stdlib.h>
#include <string.h>

#include "index/block.h"

static size_t bottom_size(const struct graph *graph)
{
    return graph->count * 2 * graph->M * sizeof *graph->bottom;
}

struct graph *graph_new(size_t count, size_t M, const uint8_t *levels)
{
    size_t upper_count = 0, size;
    for (size_t i = 0; i < count; i++)
        upper_count += levels[i];
    if (upper_count >= GRAPH_NONE ||
        __builtin_mul_overflow(count, 2 * M * sizeof(uint32_t), &size) ||
        __builtin_mul_overflow(upper_count, M * sizeof(uint32_t), &size))
        return NULL;
    struct graph *graph = calloc(1, sizeof *graph);
    if (!graph)
        return NULL;
    *graph = (struct graph){.count = count, .M = M, .upper_count = upper_count};
    graph->levels = malloc(count);
    graph->bottom = memory_take(bottom_size(graph));
    graph->first = malloc(count * sizeof *graph->first);
    graph->upper = malloc(size + 1);
    if (!graph->levels || !graph->bottom || !graph->first || !graph->upper) {
        graph_free(graph);
        return NULL;
    }
    memcpy(graph->levels, levels, count);
    uint32_t first = 0;
    for (size_t i = 0; i < count; i++) {
        graph->first[i] = first;
        first += levels[i];
    }
    return graph;
}

void graph_free(struct graph *graph)
{
    if (!graph)
        return;
    memory_give_back(graph->bottom, bottom_size(graph));
    free(graph->levels);
    free(graph->first);
    free(graph->upper);
    free(graph);
}

size_t graph_bytes(const struct graph *graph)
{
    return sizeof *graph + bottom_size(graph) +
           graph->count * (sizeof *graph->levels + sizeof *graph->first) +
           graph->upper_count * graph->M * sizeof *graph->upper;
}

static bool are_links_sound(const struct graph *graph, size_t node, size_t layer)
{
    size_t room;
    const uint32_t *links = graph_links(graph, node, layer, &room);
    for (size_t i = 0; i < room && links[i] != GRAPH_NONE; i++)
        if (links[i] >= graph->count || (layer && graph->levels[links[i]] < layer))
            return false;
    return true;
}

bool graph_is_sound(const struct graph *graph)
{
    if (graph->entry >= graph->count)
        return false;
    size_t highest = graph->levels[graph->entry];
    for (size_t node = 0; node < graph->count; node++) {
        if (graph->levels[node] > highest)
            return false;
        for (size_t layer = 0; layer <= graph->levels[node]; layer++)
            if (!are_links_sound(graph, node, layer))
                return false;
    }
    return true;
}
