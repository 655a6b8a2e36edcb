/* Checks a serialised graph before FAISS reads it.
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
#include "index/faiss/stream.h"

#include <stdint.h>
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

struct graph {
    size_t count;
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
static size_t links_below(const struct graph *graph, size_t layer)
{
    return (size_t)get_i32(graph->cumulative, layer);
}

static bool are_layers_sound(const struct graph *graph)
{
    size_t layers = graph->cumulative.count;
    if (layers < 2 || layers > MOST_LAYERS || get_i32(graph->cumulative, 0) != 0)
        return false;
    for (size_t l = 1; l < layers; l++)
        if (get_i32(graph->cumulative, l) <= get_i32(graph->cumulative, l - 1))
            return false;
    return graph->levels.count == graph->count && graph->offsets.count == graph->count + 1 &&
           get_u64(graph->offsets, 0) == 0 &&
           get_u64(graph->offsets, graph->count) == graph->neighbors.count;
}

/* A node's links must have their room, and lead on each layer to nodes that are on it. */
static bool is_node_sound(const struct graph *graph, size_t node)
{
    int32_t levels = get_i32(graph->levels, node);
    uint64_t begin = get_u64(graph->offsets, node), end = get_u64(graph->offsets, node + 1);
    if (levels < 1 || (size_t)levels >= graph->cumulative.count || begin > end ||
        end > graph->neighbors.count || end - begin != links_below(graph, (size_t)levels))
        return false;
    for (int32_t layer = 0; layer < levels; layer++)
        for (size_t i = links_below(graph, (size_t)layer);
             i < links_below(graph, (size_t)layer + 1); i++) {
            int32_t to = get_i32(graph->neighbors, (size_t)begin + i);
            if (to < -1 || (to >= 0 && ((size_t)to >= graph->count ||
                                        get_i32(graph->levels, (size_t)to) <= layer)))
                return false;
        }
    return true;
}

static bool take_graph(struct stream *stream, size_t count)
{
    struct graph graph = {.count = count};
    struct array assign_probas;
    int32_t entry_point, max_level, ef_construction, ef_search, upper_beam;

    if (!take_array(stream, sizeof(double), &assign_probas) ||
        !take_array(stream, sizeof(int32_t), &graph.cumulative) ||
        !take_array(stream, sizeof(int32_t), &graph.levels) ||
        !take_array(stream, sizeof(uint64_t), &graph.offsets) ||
        !take_array(stream, sizeof(int32_t), &graph.neighbors) ||
        !take(stream, &entry_point, sizeof entry_point) ||
        !take(stream, &max_level, sizeof max_level) ||
        !take(stream, &ef_construction, sizeof ef_construction) ||
        !take(stream, &ef_search, sizeof ef_search) ||
        !take(stream, &upper_beam, sizeof upper_beam) || !are_layers_sound(&graph))
        return false;
    for (size_t node = 0; node < count; node++)
        if (!is_node_sound(&graph, node))
            return false;
    return entry_point >= 0 && (size_t)entry_point < count && upper_beam == 1 &&
           max_level == get_i32(graph.levels, (size_t)entry_point) - 1;
}

bool hnsw_stream_is_sound(const void *data, size_t size, size_t count, size_t dimension,
                          bool is_euclidean)
{
    struct stream stream = {data, size};
    struct array vectors;
    return take_tag(&stream, "IHNf") && take_header(&stream, count, dimension, is_euclidean) &&
           take_graph(&stream, count) && take_tag(&stream, is_euclidean ? "IxF2" : "IxFI") &&
           take_header(&stream, count, dimension, is_euclidean) &&
           take_array(&stream, sizeof(float), &vectors) && vectors.count / dimension == count &&
           vectors.count % dimension == 0 && stream.left == 0;
}
