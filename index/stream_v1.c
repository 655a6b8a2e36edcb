/* Reads a graph as FAISS serialised it.
 *
 * The layout (index_write.cpp of FAISS 1.7.3; a vector is its length as u64, then its values):
 *
 *   "IHNf" header
 *   vector of f64  assign_probas
 *   vector of i32  cum_nneighbor_per_level: [l] links a node has below layer l
 *   vector of i32  levels: layers that node i is in, at least 1
 *   vector of u64  offsets: node i's links are neighbors[offsets[i] .. offsets[i + 1])
 *   vector of i32  neighbors: a node, or -1 for none
 *   i32 entry_point, max_level, efConstruction, efSearch, upper_beam
 *   "IxFI" (inner product) or "IxF2" (L2), header, vector of f32
 *
 * header: i32 d, i64 ntotal, i64 twice (unused), u8 is_trained, i32 metric_type (0, 1)
 */
#include "index/stream_v1.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 64 };

struct stream {
    const unsigned char *at;
    size_t left;
};

/* An array inside the stream; its values need not be aligned. */
struct array {
    const unsigned char *at;
    size_t count;
};

struct found {
    size_t count;
    int32_t entry;
    struct array cumulative, levels, offsets, neighbors;
};

static bool take(struct stream *stream, void *ret_value, size_t size)
{
    if (stream->left < size)
        return false;
    memcpy(ret_value, stream->at, size);
    stream->at += size;
    stream->left -= size;
    return true;
}

static bool take_array(struct stream *stream, size_t value_size, struct array *ret_array)
{
    uint64_t count;
    if (!take(stream, &count, sizeof count) || count > stream->left / value_size)
        return false;
    *ret_array = (struct array){stream->at, (size_t)count};
    stream->at += count * value_size;
    stream->left -= count * value_size;
    return true;
}

static int32_t get_i32(struct array array, size_t i)
{
    int32_t value;
    memcpy(&value, array.at + i * sizeof value, sizeof value);
    return value;
}

static uint64_t get_u64(struct array array, size_t i)
{
    uint64_t value;
    memcpy(&value, array.at + i * sizeof value, sizeof value);
    return value;
}

static bool take_tag(struct stream *stream, const char *tag)
{
    char found[4];
    return take(stream, found, sizeof found) && memcmp(found, tag, sizeof found) == 0;
}

static bool take_header(struct stream *stream, size_t count, size_t dimension, bool is_euclidean)
{
    int32_t found_dimension, metric;
    int64_t found_count, unused;
    uint8_t is_trained;
    return take(stream, &found_dimension, sizeof found_dimension) &&
           take(stream, &found_count, sizeof found_count) && take(stream, &unused, sizeof unused) &&
           take(stream, &unused, sizeof unused) && take(stream, &is_trained, sizeof is_trained) &&
           take(stream, &metric, sizeof metric) && found_dimension > 0 &&
           (size_t)found_dimension == dimension && found_count > 0 &&
           (uint64_t)found_count == count && is_trained == 1 && metric == (is_euclidean ? 1 : 0);
}

/* The links that a node has on layers below `layer`. */
static size_t links_below(const struct found *found, size_t layer)
{
    return (size_t)get_i32(found->cumulative, layer);
}

/* 2 M links on the bottom layer, M on each other; and each node's room is what its layers say. */
static bool are_layers_sound(const struct found *found, size_t *ret_M)
{
    size_t layers = found->cumulative.count;
    if (layers < 2 || layers > MOST_LAYERS || get_i32(found->cumulative, 0) != 0)
        return false;
    int32_t both = get_i32(found->cumulative, 1);
    if (both < 4 || both % 2 || both > INT32_MAX / MOST_LAYERS)
        return false;
    for (size_t l = 1; l < layers; l++)
        if (get_i32(found->cumulative, l) != both + (int32_t)(l - 1) * (both / 2))
            return false;
    *ret_M = (size_t)both / 2;
    return found->levels.count == found->count && found->offsets.count == found->count + 1 &&
           get_u64(found->offsets, 0) == 0 &&
           get_u64(found->offsets, found->count) == found->neighbors.count;
}

static bool is_node_sound(const struct found *found, size_t node)
{
    int32_t levels = get_i32(found->levels, node);
    uint64_t begin = get_u64(found->offsets, node), end = get_u64(found->offsets, node + 1);
    return levels >= 1 && (size_t)levels < found->cumulative.count && begin <= end &&
           end <= found->neighbors.count && end - begin == links_below(found, (size_t)levels);
}

static bool take_found(struct stream *stream, struct found *found, size_t *ret_M)
{
    struct array assign_probas;
    int32_t max_level, ef_construction, ef_search, upper_beam;

    if (!take_array(stream, sizeof(double), &assign_probas) ||
        !take_array(stream, sizeof(int32_t), &found->cumulative) ||
        !take_array(stream, sizeof(int32_t), &found->levels) ||
        !take_array(stream, sizeof(uint64_t), &found->offsets) ||
        !take_array(stream, sizeof(int32_t), &found->neighbors) ||
        !take(stream, &found->entry, sizeof found->entry) ||
        !take(stream, &max_level, sizeof max_level) ||
        !take(stream, &ef_construction, sizeof ef_construction) ||
        !take(stream, &ef_search, sizeof ef_search) ||
        !take(stream, &upper_beam, sizeof upper_beam) || !are_layers_sound(found, ret_M))
        return false;
    for (size_t node = 0; node < found->count; node++)
        if (!is_node_sound(found, node))
            return false;
    return found->entry >= 0 && (size_t)found->entry < found->count && upper_beam == 1 &&
           max_level == get_i32(found->levels, (size_t)found->entry) - 1;
}

/* The graph of links that were found to have their room; whether they lead anywhere is checked
 * behind. NULL when memory runs out. */
static struct graph *make_graph(const struct found *found, size_t M)
{
    uint8_t *levels = malloc(found->count);
    if (!levels)
        return NULL;
    for (size_t i = 0; i < found->count; i++)
        levels[i] = (uint8_t)(get_i32(found->levels, i) - 1);
    struct graph *graph = graph_new(found->count, M, levels);
    free(levels);
    if (!graph)
        return NULL;
    graph->entry = (uint32_t)found->entry;
    for (size_t i = 0; i < graph->count; i++)
        for (size_t layer = 0; layer <= graph->levels[i]; layer++) {
            size_t room;
            uint32_t *to = graph_links(graph, i, layer, &room);
            memcpy(to,
                   found->neighbors.at +
                       ((size_t)get_u64(found->offsets, i) + links_below(found, layer)) *
                           sizeof *to,
                   room * sizeof *to);
        }
    return graph;
}

int stream_v1_read(const void *data, size_t size, size_t count, size_t dimension, bool is_euclidean,
                   struct graph **ret_graph, const void **ret_vectors, struct err *err)
{
    static const char unsound[] = "a graph is not what FAISS wrote for its vectors";
    struct stream stream = {data, size};
    struct found found = {.count = count};
    struct array vectors;
    size_t M;
    if (!take_tag(&stream, "IHNf") || !take_header(&stream, count, dimension, is_euclidean) ||
        !take_found(&stream, &found, &M) || !take_tag(&stream, is_euclidean ? "IxF2" : "IxFI") ||
        !take_header(&stream, count, dimension, is_euclidean) ||
        !take_array(&stream, sizeof(float), &vectors) || vectors.count / dimension != count ||
        vectors.count % dimension != 0 || stream.left != 0)
        return err_set(err, ERR_CORRUPT, "%s", unsound);
    struct graph *graph = make_graph(&found, M);
    if (!graph)
        return err_memory(err, "a graph");
    if (!graph_is_sound(graph)) {
        graph_free(graph);
        return err_set(err, ERR_CORRUPT, "%s", unsound);
    }
    *ret_graph = graph;
    *ret_vectors = vectors.at;
    return 0;
}
