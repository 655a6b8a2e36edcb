/* Reads a snapshot: mapped, checked, copied once. What was copied is given back as it goes, so that
 * an index is not in memory twice.
 *
 * Nothing is believed before its checksum held, and nothing that could lead outside the file or the
 * memory is believed then either.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "index/graph.h"
#include "index/snapshot.h"
#include "index/state.h"
#include "index/stream_v1.h"

static int corrupt(struct err *err, const char *why)
{
    return err_set(err, ERR_CORRUPT, "it is to be built anew: %s", why);
}

static int check_header(const struct file_map *map, const char *fingerprint,
                        const struct index_options *options, struct err *err)
{
    const struct snapshot_header *header = (const void *)map->data;
    static const uint32_t zero[sizeof header->zero / sizeof *header->zero];

    if (map->size < sizeof *header || memcmp(header->magic, SNAPSHOT_MAGIC, sizeof header->magic))
        return corrupt(err, "this is no index snapshot");
    if (header->version != SNAPSHOT_VERSION && header->version != SNAPSHOT_VERSION_1)
        return corrupt(err, "it is of another version");
    if (header->part_count > (map->size - sizeof *header) / sizeof(struct snapshot_part) ||
        header->file_size != map->size)
        return corrupt(err, "it is cut off");
    if (header->checksum != snapshot_checksum(header))
        return corrupt(err, "its header was altered");
    if (memcmp(header->zero, zero, sizeof zero) || (header->flags & ~(uint32_t)SNAPSHOT_HAS_TAIL) ||
        !memchr(header->fingerprint, '\0', sizeof header->fingerprint))
        return corrupt(err, "its header makes no sense");
    if (strcmp(header->fingerprint, fingerprint))
        return corrupt(err, "it is of another model");
    if (header->dimension != options->dimension)
        return corrupt(err, "its vectors are of another dimension");
    if (header->metric != (uint32_t)options->metric)
        return corrupt(err, "it is of another metric");
    /* What version 1 holds is as exact as any precision needs. */
    if (header->precision !=
        (header->version == SNAPSHOT_VERSION_1 ? 0 : (uint32_t)options->precision))
        return corrupt(err, "its vectors are of another precision");
    return 0;
}

/* Where in the file a part's pieces are. */
struct contents {
    const struct file_map *map;
    const int64_t *ids;
    const uint64_t *dead;      /* NULL: none are */
    const unsigned char *rest; /* rows and graph */
    size_t rest_size;
};

/* Checks a part's place, size and checksum; `begin` is where it must be and `*ret_end` where the
 * next one must. */
static int check_part(const struct file_map *map, const struct snapshot_part *entry, uint64_t begin,
                      uint64_t *ret_end, struct contents *ret_contents, struct err *err)
{
    struct contents contents = {.map = map};
    if (entry->offset != begin || begin > map->size || entry->size > map->size - begin ||
        snapshot_padded(entry->size) > map->size - begin)
        return corrupt(err, "a part lies outside the file");
    if (entry->count < 1 || entry->count > INT32_MAX || entry->dead_count > entry->count ||
        (entry->flags & ~(uint32_t)SNAPSHOT_HAS_GRAPH) || entry->zero)
        return corrupt(err, "a part's entry makes no sense");
    const unsigned char *at = map->data + begin;
    uint64_t checksum = snapshot_part_checksum(entry, at);
    file_forget(map);
    if (checksum != entry->checksum)
        return corrupt(err, "a part was altered");

    size_t ids_size = (size_t)entry->count * sizeof *contents.ids;
    size_t dead_size = entry->dead_count ? bitmap_words((size_t)entry->count) * 8 : 0;
    if (entry->size < ids_size + dead_size)
        return corrupt(err, "a part is too short");
    contents.ids = (const void *)at;
    contents.dead = dead_size ? (const void *)(at + ids_size) : NULL;
    contents.rest = at + ids_size + dead_size;
    contents.rest_size = (size_t)entry->size - ids_size - dead_size;
    *ret_contents = contents;
    *ret_end = begin + snapshot_padded(entry->size);
    return 0;
}

static void copy_rows(struct segment *segment, const struct contents *contents, size_t count)
{
    const unsigned char *from = contents->rest;
    for (size_t first = 0; first < count;) {
        size_t run = segment_run(segment, first), rows = run < count - first ? run : count - first;
        memcpy(segment_row(segment, first), from + first * segment->format.stride,
               rows * segment->format.stride);
        file_forget(contents->map);
        first += rows;
    }
}

/* A graph that takes exactly `size` bytes. */
static int load_graph(const struct snapshot_part *entry, const unsigned char *from, size_t size,
                      struct graph **ret_graph, struct err *err)
{
    static const char unsound[] = "a graph leads outside itself";
    size_t count = (size_t)entry->count, M = entry->M;
    if (M < 2 || M > INDEX_LARGEST_M || entry->entry >= count ||
        size / count < 1 + 2 * M * sizeof(uint32_t))
        return corrupt(err, unsound);
    size_t left = size - count * (1 + 2 * M * sizeof(uint32_t)), lists = 0;
    for (size_t i = 0; i < count; i++)
        lists += from[i];
    if (left % (M * sizeof(uint32_t)) || left / (M * sizeof(uint32_t)) != lists)
        return corrupt(err, unsound);
    struct graph *graph = graph_new(count, M, from);
    if (!graph)
        return err_memory(err, "a graph");
    graph->entry = (uint32_t)entry->entry;
    memcpy(graph->bottom, from + count, count * 2 * M * sizeof(uint32_t));
    memcpy(graph->upper, from + size - left, left);
    if (!graph_is_sound(graph)) {
        graph_free(graph);
        return corrupt(err, unsound);
    }
    *ret_graph = graph;
    return 0;
}

/* Rows as they are, and a graph unless the index is to be flat. */
static int load_rows(const struct vector_index *index, const struct snapshot_part *entry,
                     const struct contents *contents, struct segment *segment, struct err *err)
{
    size_t count = (size_t)entry->count, rows_size = count * index->format.stride;
    bool has_graph = entry->flags & SNAPSHOT_HAS_GRAPH;
    if (contents->rest_size < rows_size || (!has_graph && contents->rest_size != rows_size))
        return corrupt(err, "a part is of another size than its vectors");
    copy_rows(segment, contents, count);
    if (!has_graph || index->options.kind == INDEX_FLAT)
        return 0;
    return load_graph(entry, contents->rest + rows_size, contents->rest_size - rows_size,
                      &segment->graph, err);
}

/* The same from a file of version 1: f32, which is brought to the index's precision. */
static int load_rows_v1(const struct vector_index *index, const struct snapshot_part *entry,
                        const struct contents *contents, struct segment *segment, struct err *err)
{
    size_t count = (size_t)entry->count, dimension = index->options.dimension;
    size_t vector_size = dimension * sizeof(float);
    const void *vectors = contents->rest;
    struct graph *graph = NULL;
    if (entry->flags & SNAPSHOT_HAS_GRAPH) {
        int r = stream_v1_read(contents->rest, contents->rest_size, count, dimension,
                               index->options.metric == METRIC_L2, &graph, &vectors, err);
        if (r < 0)
            return r;
    } else if (contents->rest_size != count * vector_size) {
        return corrupt(err, "a part is of another size than its vectors");
    }
    if (index->options.kind == INDEX_FLAT || (graph && graph->M > INDEX_LARGEST_M)) {
        graph_free(graph);
        graph = NULL;
    }
    segment->graph = graph;
    float *vector = malloc(vector_size);
    if (!vector)
        return err_memory(err, "a segment");
    for (size_t i = 0; i < count; i++) {
        memcpy(vector, (const unsigned char *)vectors + i * vector_size, vector_size);
        format_encode(&index->format, vector, segment_row(segment, i));
    }
    free(vector);
    return 0;
}

static int load_segment(struct vector_index *index, const struct snapshot_part *entry,
                        const struct contents *contents, uint32_t version,
                        struct segment **ret_segment, struct err *err)
{
    size_t count = (size_t)entry->count;
    /* Not more memory than a file of that size can fill. */
    if (contents->rest_size / count < index->options.dimension)
        return corrupt(err, "a part is of another size than its vectors");
    struct segment *segment = segment_new(index->next_number, &index->format, count);
    if (!segment)
        return err_memory(err, "a segment");
    int r = version == SNAPSHOT_VERSION_1 ? load_rows_v1(index, entry, contents, segment, err)
                                          : load_rows(index, entry, contents, segment, err);
    if (r < 0) {
        segment_unref(segment);
        return r;
    }
    memcpy(segment->ids, contents->ids, count * sizeof *segment->ids);
    index->next_number++;
    *ret_segment = segment;
    return 0;
}

static int load_dead(struct view_part *part, const struct contents *contents, size_t dead_count,
                     struct err *err)
{
    if (!contents->dead)
        return 0;
    if (bitmap_own(&part->dead, part->count) < 0)
        return err_memory(err, "tombstones");
    for (size_t i = 0; i < part->count; i++)
        if (contents->dead[i / 64] >> i % 64 & 1)
            bitmap_set(part->dead, i);
    return bitmap_count(part->dead) == dead_count ? 0
                                                  : corrupt(err, "the tombstones are miscounted");
}

static int load_ids(struct vector_index *index, const struct view_part *part, struct err *err)
{
    if (id_map_reserve(&index->map, view_part_live(part)) < 0)
        return err_memory(err, "the ids");
    for (size_t i = 0; i < part->count; i++) {
        if (bitmap_has(part->dead, i))
            continue;
        int64_t id = part->segment->ids[i];
        if (id <= 0 || id_map_get(&index->map, id, NULL))
            return corrupt(err, "an id is there twice or not positive");
        id_map_set(&index->map, id, (struct id_place){part->segment->number, (uint32_t)i});
    }
    return 0;
}

static int load_parts(struct vector_index *index, struct view *view, const struct file_map *map,
                      struct err *err)
{
    const struct snapshot_header *header = (const void *)map->data;
    const struct snapshot_part *table = (const void *)(header + 1);
    uint64_t at = sizeof *header + header->part_count * sizeof *table;
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < header->part_count; i++) {
        struct contents contents = {0};
        struct view_part part = {.count = (size_t)table[i].count};
        r = check_part(map, &table[i], at, &at, &contents, err);
        if (r == 0)
            r = load_segment(index, &table[i], &contents, header->version, &part.segment, err);
        if (r < 0)
            return r;
        r = load_dead(&part, &contents, (size_t)table[i].dead_count, err);
        if (r == 0)
            r = load_ids(index, &part, err);
        view_append(view, part);
        file_forget(map);
    }
    if (r == 0 && at != map->size)
        return corrupt(err, "there is something behind the last part");
    return r;
}

static int load_view(struct vector_index *index, const struct file_map *map, struct err *err)
{
    const struct snapshot_header *header = (const void *)map->data;
    struct view *view = view_new(header->part_count);
    if (!view)
        return err_memory(err, "the index");
    int r = load_parts(index, view, map, err);
    if (r < 0) {
        view_unref(view);
        return r;
    }
    view->sequence = header->sequence;
    if (view->count && (header->flags & SNAPSHOT_HAS_TAIL)) {
        const struct view_part *last = &view->parts[view->count - 1];
        view->has_tail = !last->segment->graph && last->count < index_tail_size(index);
    }
    index_publish(index, view);
    return 0;
}

int index_load(struct vector_index **ret_index, const char *path, const char *fingerprint,
               const struct index_options *options, struct err *err)
{
    struct vector_index *index = NULL;
    struct file_map map;
    int r = index_create(&index, options, err);
    if (r < 0)
        return r;
    r = file_map(&map, path, err);
    if (r < 0)
        goto out;
    r = check_header(&map, fingerprint, &index->options, err);
    if (r == 0)
        r = load_view(index, &map, err);
    file_unmap(&map);
    if (r < 0) {
        err_prefix(err, "the index snapshot %s", path);
        goto out;
    }
    *ret_index = index;
    index = NULL;
out:
    index_free(index);
    return r;
}
