/* An index as a whole: made, measured, freed; and how vectors are kept. */
#include "index/index.h"

#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "index/state.h"

enum {
    LARGEST_DIMENSION = 65536,
    DEFAULT_FLAT_LIMIT = 20000,
    DEFAULT_SEGMENT_SIZE = 1 << 18,
    DEFAULT_M = 16,
    DEFAULT_EF_CONSTRUCTION = 100,
    DEFAULT_EF_SEARCH = 128,
    TAIL_SIZE = 1 << 13,
    LARGEST_EF = 1 << 20,
    LARGEST_THREADS = 1024,
    LEAST_TRIMMED = 1 << 20, /* bytes whose end is worth giving memory back to the system */
};

static const char *const precisions[] = {"f32", "f32", "f16", "int8"};

const char *index_precision_name(enum index_precision precision)
{
    return precisions[precision];
}

bool index_precision_parse(const char *name, enum index_precision *ret_precision)
{
    for (enum index_precision p = INDEX_PRECISION_F32; p <= INDEX_PRECISION_INT8; p++)
        if (strcmp(name, precisions[p]) == 0) {
            *ret_precision = p;
            return true;
        }
    return false;
}

static void default_to(size_t *option, size_t value)
{
    if (!*option)
        *option = value;
}

static int resolve_options(struct index_options *options, struct err *err)
{
    if (options->dimension < 1 || options->dimension > LARGEST_DIMENSION)
        return err_set(err, ERR_INVALID, "a dimension of %zu is not from 1 to %d",
                       options->dimension, LARGEST_DIMENSION);
    if ((unsigned)options->metric > METRIC_L2 || (unsigned)options->kind > INDEX_HNSW)
        return err_set(err, ERR_INVALID, "no such metric or kind of index");
    if ((unsigned)options->precision > INDEX_PRECISION_INT8)
        return err_set(err, ERR_INVALID, "no such precision of an index");
    if (options->precision == INDEX_PRECISION_DEFAULT)
        options->precision = INDEX_PRECISION_F32;
    default_to(&options->flat_limit, DEFAULT_FLAT_LIMIT);
    default_to(&options->segment_size, DEFAULT_SEGMENT_SIZE);
    default_to(&options->M, DEFAULT_M);
    default_to(&options->ef_construction, DEFAULT_EF_CONSTRUCTION);
    default_to(&options->ef_search, DEFAULT_EF_SEARCH);
    if (!options->build_threads)
        options->build_threads = 1;
    if (options->segment_size > INT32_MAX)
        return err_set(err, ERR_LIMIT, "a segment holds at most %d vectors", INT32_MAX);
    if (options->M < 2 || options->M > INDEX_LARGEST_M)
        return err_set(err, ERR_INVALID, "M = %zu is not from 2 to %d", options->M,
                       INDEX_LARGEST_M);
    if (options->ef_construction > LARGEST_EF || options->ef_search > LARGEST_EF)
        return err_set(err, ERR_LIMIT, "ef is at most %d", LARGEST_EF);
    if (options->build_threads < 1 || options->build_threads > LARGEST_THREADS)
        return err_set(err, ERR_INVALID, "%d is not from 1 to %d build threads",
                       options->build_threads, LARGEST_THREADS);
    return 0;
}

int index_create(struct vector_index **ret_index, const struct index_options *options,
                 struct err *err)
{
    struct index_options resolved = *options;
    int r = resolve_options(&resolved, err);
    if (r < 0)
        return r;
    struct vector_index *index = calloc(1, sizeof *index);
    struct view *view = view_new(0);
    struct view_cell *cell = index && view ? view_cell_new(view) : NULL;
    if (!cell) {
        view_unref(view);
        free(index);
        return err_memory(err, "an index");
    }
    index->options = resolved;
    format_init(&index->format, resolved.precision, resolved.metric, resolved.dimension);
    index->published = cell;
    pthread_mutex_init(&index->writing, NULL);
    *ret_index = index;
    return 0;
}

void index_free(struct vector_index *index)
{
    if (!index)
        return;
    struct index_stats stats;
    index_get_stats(index, &stats);
    view_cell_free(index->published);
    pthread_mutex_destroy(&index->writing);
    id_map_release(&index->map);
    free(index);
    if (stats.bytes >= LEAST_TRIMMED)
        malloc_trim(0);
}

size_t index_tail_size(const struct vector_index *index)
{
    size_t size = index->options.segment_size;
    return size < TAIL_SIZE ? size : TAIL_SIZE;
}

void index_publish(struct vector_index *index, struct view *view)
{
    view->map_bytes = id_map_bytes(&index->map);
    view_cell_publish(index->published, view);
}

void index_get_stats(const struct vector_index *index, struct index_stats *ret_stats)
{
    struct view *view = view_cell_get(index->published);
    struct index_stats stats = {
        .live = view->live,
        .tombstones = view->tombstones,
        .segments = view->count - view->has_tail,
        .tail = view->has_tail ? view_part_live(&view->parts[view->count - 1]) : 0,
        .bytes = sizeof *index + view->map_bytes,
        .sequence = view->sequence,
        .precision = index->options.precision,
        .work_rows = atomic_load(&index->work_rows),
        .work_done = atomic_load(&index->work_done),
    };
    for (size_t i = 0; i < view->count; i++) {
        bool has_graph = view->parts[i].segment->graph;
        stats.graph_segments += has_graph;
        stats.unlinked += has_graph ? 0 : view_part_live(&view->parts[i]);
        stats.bytes += segment_bytes(view->parts[i].segment) + bitmap_bytes(view->parts[i].dead);
    }
    stats.kind = stats.graph_segments ? "hnsw" : "flat";
    view_unref(view);
    *ret_stats = stats;
}

int index_check_finite(const float *vectors, size_t count, size_t dimension, const char *what,
                       struct err *err)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < dimension; j++)
            if (!isfinite(vectors[i * dimension + j]))
                return err_set(err, ERR_INVALID, "%s %zu: component %zu is not a finite number",
                               what, i, j);
    return 0;
}
