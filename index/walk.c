/* A walk over a graph: down the upper layers to the nearest node of each, then best first over the
 * bottom one. */
#include "index/walk.h"

#include <stdlib.h>
#include <string.h>

#include "index/graph.h"

enum { LEAST_HEAP = 256, LINE = 64 };

void walk_release(struct walk *walk)
{
    free(walk->visited);
    free(walk->found.entries);
    free(walk->ahead.entries);
    *walk = (struct walk){0};
}

/* --- heaps: `sign` 1 has the best entry at the root, -1 the worst --- */

static bool is_above(float sign, struct walk_entry a, struct walk_entry b)
{
    return sign * a.score > sign * b.score;
}

static int heap_reserve(struct walk_heap *heap, size_t count)
{
    if (count <= heap->capacity)
        return 0;
    size_t capacity = heap->capacity ? heap->capacity : LEAST_HEAP;
    while (capacity < count)
        capacity *= 2;
    struct walk_entry *entries = realloc(heap->entries, capacity * sizeof *entries);
    if (!entries)
        return ERR_MEMORY;
    heap->entries = entries;
    heap->capacity = capacity;
    return 0;
}

/* There must be room. */
static void heap_push(struct walk_heap *heap, float sign, struct walk_entry entry)
{
    size_t i = heap->count++;
    while (i > 0 && is_above(sign, entry, heap->entries[(i - 1) / 2])) {
        heap->entries[i] = heap->entries[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->entries[i] = entry;
}

/* Puts `entry` in the root's place. */
static void heap_replace(struct walk_heap *heap, float sign, struct walk_entry entry)
{
    size_t i = 0;
    for (size_t child = 1; child < heap->count; child = 2 * i + 1) {
        if (child + 1 < heap->count &&
            is_above(sign, heap->entries[child + 1], heap->entries[child]))
            child++;
        if (!is_above(sign, heap->entries[child], entry))
            break;
        heap->entries[i] = heap->entries[child];
        i = child;
    }
    heap->entries[i] = entry;
}

static struct walk_entry heap_pop(struct walk_heap *heap, float sign)
{
    struct walk_entry root = heap->entries[0], last = heap->entries[--heap->count];
    if (heap->count)
        heap_replace(heap, sign, last);
    return root;
}

/* --- seeing nodes --- */

struct seen {
    uint32_t nodes[FORMAT_ROWS];
    const void *rows[FORMAT_ROWS];
    float scores[FORMAT_ROWS];
    size_t count;
};

/* A row is read a moment later, by when its first lines should be there. */
static void add_seen(struct seen *seen, const struct segment *segment, uint32_t node)
{
    const unsigned char *row = segment_row(segment, node);
    for (size_t at = 0; at < segment->format.stride; at += LINE)
        __builtin_prefetch(row + at);
    seen->nodes[seen->count] = node;
    seen->rows[seen->count++] = row;
}

static void score_seen(struct seen *seen, const struct segment *segment, const void *query)
{
    if (seen->count)
        format_score(&segment->format, &query, 1, seen->rows, seen->count, seen->scores);
}

/* Goes to nearer and nearer nodes of a layer. */
static struct walk_entry descend(const struct segment *segment, const void *query, size_t layer,
                                 struct walk_entry nearest)
{
    const struct graph *graph = segment->graph;
    for (bool moved = true; moved;) {
        size_t room;
        const uint32_t *links = graph_links(graph, nearest.node, layer, &room);
        moved = false;
        for (size_t i = 0; i < room && links[i] != GRAPH_NONE;) {
            struct seen seen;
            for (seen.count = 0; i < room && links[i] != GRAPH_NONE && seen.count < FORMAT_ROWS;
                 i++)
                add_seen(&seen, segment, links[i]);
            score_seen(&seen, segment, query);
            for (size_t j = 0; j < seen.count; j++)
                if (seen.scores[j] > nearest.score) {
                    nearest = (struct walk_entry){seen.scores[j], seen.nodes[j]};
                    moved = true;
                }
        }
    }
    return nearest;
}

static bool is_wanted(const struct walk_target *target, uint32_t node)
{
    return !bitmap_has(target->dead, node) &&
           (!target->selected || bitmap_has(target->selected, node));
}

static bool visit(struct walk *walk, uint32_t node)
{
    uint64_t bit = (uint64_t)1 << node % 64, *word = &walk->visited[node / 64];
    bool is_new = !(*word & bit);
    *word |= bit;
    return is_new;
}

/* Takes a node that was scored into the queue, if it is near enough. Room is reserved. */
static void offer(struct walk *walk, const struct walk_target *target, struct walk_entry entry)
{
    struct walk_heap *found = &walk->found;
    if (found->count == target->ef && !(entry.score > found->entries[0].score))
        return;
    heap_push(&walk->ahead, 1, entry);
    __builtin_prefetch(target->segment->graph->bottom + entry.node * 2 * target->segment->graph->M);
    if (!is_wanted(target, entry.node))
        return;
    if (found->count == target->ef)
        heap_replace(found, -1, entry);
    else
        heap_push(found, -1, entry);
}

/* Sees the unseen among a node's links and returns how many they were. */
static int expand(struct walk *walk, const struct walk_target *target, const void *query,
                  uint32_t node)
{
    const struct segment *segment = target->segment;
    size_t room, total = 0;
    const uint32_t *links = graph_links(segment->graph, node, 0, &room);
    if (heap_reserve(&walk->ahead, walk->ahead.count + room) < 0)
        return ERR_MEMORY;
    for (size_t i = 0; i < room && links[i] != GRAPH_NONE;) {
        struct seen seen;
        for (seen.count = 0; i < room && links[i] != GRAPH_NONE && seen.count < FORMAT_ROWS; i++)
            if (visit(walk, links[i]))
                add_seen(&seen, segment, links[i]);
        score_seen(&seen, segment, query);
        for (size_t j = 0; j < seen.count; j++)
            offer(walk, target, (struct walk_entry){seen.scores[j], seen.nodes[j]});
        total += seen.count;
    }
    return (int)total;
}

static int prepare(struct walk *walk, const struct walk_target *target)
{
    size_t words = bitmap_words(target->segment->graph->count);
    if (words > walk->visited_words) {
        free(walk->visited);
        walk->visited_words = 0;
        walk->visited = malloc(words * sizeof *walk->visited);
        if (!walk->visited)
            return ERR_MEMORY;
        walk->visited_words = words;
    }
    memset(walk->visited, 0, words * sizeof *walk->visited);
    walk->found.count = walk->ahead.count = 0;
    return heap_reserve(&walk->found, target->ef) < 0 || heap_reserve(&walk->ahead, LEAST_HEAP) < 0
               ? ERR_MEMORY
               : 0;
}

int walk_graph(struct walk *walk, const struct walk_target *target, const void *query)
{
    const struct segment *segment = target->segment;
    const struct graph *graph = segment->graph;
    struct seen seen = {.count = 0};
    size_t total = 0;

    if (prepare(walk, target) < 0)
        return ERR_MEMORY;
    add_seen(&seen, segment, graph->entry);
    score_seen(&seen, segment, query);
    struct walk_entry nearest = {seen.scores[0], graph->entry};
    for (size_t layer = graph->levels[graph->entry]; layer > 0; layer--)
        nearest = descend(segment, query, layer, nearest);

    visit(walk, nearest.node);
    offer(walk, target, nearest);
    while (walk->ahead.count) {
        struct walk_entry next = heap_pop(&walk->ahead, 1);
        if (walk->found.count == target->ef && next.score < walk->found.entries[0].score)
            break;
        int r = expand(walk, target, query, next.node);
        if (r < 0)
            return r;
        total += (size_t)r;
        if (total > target->most_seen)
            return 0;
    }
    return 1;
}
