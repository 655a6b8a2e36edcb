/* Background work: graphs for full segments, new segments for those with many tombstones, one for
 * two small ones.
 *
 * A piece of work replaces some closed segments (the sources) by one new segment with their live
 * rows. It is built from a view while searches and applies go on; what was removed meanwhile is
 * marked in the new segment when it is swapped in, which is the only part that an apply waits for.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "index/faiss/hnsw.h"
#include "index/state.h"

enum {
    DEAD_SHARE = 4,    /* a segment is rebuilt when more than 1 in so many of its rows is dead */
    LEAST_DEAD = 256,  /* below that, a tail is not worth closing for its dead rows */
    SLICE_ROWS = 1024, /* rows that are linked between two looks at `cancel` */
    MOST_SOURCES = 2,
};

struct work {
    const struct view *view;
    size_t sources[MOST_SOURCES]; /* indexes into the view's parts, ascending */
    size_t source_count;
    size_t live;    /* rows of all the sources */
    bool has_graph; /* whether the new segment gets a graph */
};

/* --- what to do --- */

static size_t closed_count(const struct view *view)
{
    return view->count - view->has_tail;
}

static bool has_many_dead(const struct view_part *part)
{
    return bitmap_count(part->dead) > part->count / DEAD_SHARE;
}

static bool is_tail_worth_closing(const struct vector_index *index, const struct view *view)
{
    size_t least = index->options.segment_size / DEAD_SHARE;
    if (!view->has_tail)
        return false;
    const struct view_part *tail = &view->parts[view->count - 1];
    return has_many_dead(tail) &&
           bitmap_count(tail->dead) >= (least < LEAST_DEAD ? least : LEAST_DEAD);
}

static bool wants_graphs(const struct vector_index *index, const struct view *view)
{
    return index->options.kind == INDEX_HNSW ||
           (index->options.kind == INDEX_AUTO && view->live > index->options.flat_limit);
}

/* The closed part with the largest share of dead rows, if that is too large. */
static void choose_dead(struct work *work)
{
    double most = 0;
    for (size_t i = 0; i < closed_count(work->view); i++) {
        const struct view_part *part = &work->view->parts[i];
        double share = (double)bitmap_count(part->dead) / (double)part->count;
        if (has_many_dead(part) && share > most) {
            most = share;
            work->sources[0] = i;
            work->source_count = 1;
        }
    }
}

/* The smallest two closed parts that fit into one, if they are of similar size: so a row is moved
 * only a few times (the logarithm of a segment's size) however often small parts appear. */
static void choose_small(struct work *work, size_t segment_size)
{
    size_t least = segment_size;
    for (size_t i = 0; i < closed_count(work->view); i++)
        for (size_t j = i + 1; j < closed_count(work->view); j++) {
            size_t a = view_part_live(&work->view->parts[i]);
            size_t b = view_part_live(&work->view->parts[j]);
            if (a + b > least || a > 2 * b || b > 2 * a)
                continue;
            least = a + b;
            work->sources[0] = i;
            work->sources[1] = j;
            work->source_count = 2;
        }
}

static void choose_flat(struct work *work)
{
    for (size_t i = 0; i < closed_count(work->view) && !work->source_count; i++)
        if (!work->view->parts[i].segment->graph) {
            work->sources[0] = i;
            work->source_count = 1;
        }
}

static struct work choose(const struct vector_index *index, const struct view *view)
{
    struct work work = {.view = view, .has_graph = wants_graphs(index, view)};
    choose_dead(&work);
    if (!work.source_count)
        choose_small(&work, index->options.segment_size);
    if (!work.source_count && work.has_graph)
        choose_flat(&work);
    for (size_t i = 0; i < work.source_count; i++)
        work.live += view_part_live(&view->parts[work.sources[i]]);
    return work;
}

/* --- the live rows of the sources, in one order that every pass repeats --- */

struct cursor {
    const struct work *work;
    size_t source, position;
};

/* Moves to the next live row; false at the end. */
static bool cursor_next(struct cursor *cursor, const struct view_part **ret_part,
                        size_t *ret_position)
{
    for (; cursor->source < cursor->work->source_count; cursor->source++, cursor->position = 0) {
        const struct view_part *part =
            &cursor->work->view->parts[cursor->work->sources[cursor->source]];
        while (cursor->position < part->count) {
            size_t position = cursor->position++;
            if (bitmap_has(part->dead, position))
                continue;
            *ret_part = part;
            *ret_position = position;
            return true;
        }
    }
    return false;
}

/* Copies up to `most` rows into `ret_rows` and returns how many. */
static size_t cursor_copy(struct cursor *cursor, size_t most, float *ret_rows)
{
    const struct view_part *part;
    size_t position, count = 0;
    while (count < most && cursor_next(cursor, &part, &position)) {
        size_t dimension = part->segment->dimension;
        memcpy(ret_rows + count * dimension, segment_vector(part->segment, position),
               dimension * sizeof *ret_rows);
        count++;
    }
    return count;
}

/* --- building --- */

static int check_cancel(const volatile int *cancel, struct err *err)
{
    if (cancel_raised(cancel))
        return err_set(err, ERR_CANCELLED, "the index maintenance was cancelled");
    return 0;
}

static int link_rows(const struct vector_index *index, const struct work *work, struct hnsw *graph,
                     const volatile int *cancel, struct err *err)
{
    struct cursor cursor = {.work = work};
    size_t count;
    float *slice = calloc(SLICE_ROWS * index->options.dimension, sizeof *slice);
    if (!slice)
        return err_memory(err, "a graph");
    int r = 0;
    while (r == 0 && (count = cursor_copy(&cursor, SLICE_ROWS, slice)) > 0) {
        r = check_cancel(cancel, err);
        if (r == 0)
            r = hnsw_add(graph, slice, count, index->options.build_threads, err);
    }
    free(slice);
    return r < 0 ? r : hnsw_finish(graph, err);
}

static int build_graph(const struct vector_index *index, const struct work *work, uint32_t number,
                       struct segment **ret_segment, const volatile int *cancel, struct err *err)
{
    const struct index_options *o = &index->options;
    struct hnsw_options options = {o->dimension, o->metric == METRIC_L2, o->M, o->ef_construction,
                                   work->live};
    struct hnsw *graph;
    int r = hnsw_new(&graph, &options, err);
    if (r < 0)
        return r;
    r = link_rows(index, work, graph, cancel, err);
    if (r < 0) {
        hnsw_free(graph);
        return r;
    }
    struct segment *segment = segment_new_graph(number, graph, o->dimension, work->live);
    if (!segment) {
        hnsw_free(graph);
        return err_memory(err, "a segment");
    }
    *ret_segment = segment;
    return 0;
}

static int build(const struct vector_index *index, const struct work *work, uint32_t number,
                 struct segment **ret_segment, const volatile int *cancel, struct err *err)
{
    struct segment *segment = NULL;
    if (work->has_graph) {
        int r = build_graph(index, work, number, &segment, cancel, err);
        if (r < 0)
            return r;
    } else {
        segment = segment_new(number, index->options.dimension, work->live);
        if (!segment)
            return err_memory(err, "a segment");
        struct cursor cursor = {.work = work};
        cursor_copy(&cursor, work->live, segment->rows);
    }
    struct cursor cursor = {.work = work};
    const struct view_part *part;
    for (size_t i = 0, position; cursor_next(&cursor, &part, &position); i++)
        segment->ids[i] = part->segment->ids[position];
    *ret_segment = segment;
    return 0;
}

/* --- swapping in, under `writing` --- */

static bool is_source(const struct work *work, const struct segment *segment)
{
    for (size_t i = 0; i < work->source_count; i++)
        if (work->view->parts[work->sources[i]].segment == segment)
            return true;
    return false;
}

/* Marks the rows of the new part whose ids were removed since the work was chosen. An id that was
 * added again since then lives elsewhere, and its old row is as dead. */
static int mark_removed(struct vector_index *index, const struct work *work, struct view_part *part)
{
    struct cursor cursor = {.work = work};
    const struct view_part *source;
    struct id_place place;
    for (size_t i = 0, position; cursor_next(&cursor, &source, &position); i++) {
        if (id_map_get(&index->map, part->segment->ids[i], &place) &&
            place.segment == source->segment->number && place.position == position)
            continue;
        if (!part->dead && bitmap_own(&part->dead, part->segment->capacity) < 0)
            return ERR_MEMORY;
        bitmap_set(part->dead, i);
    }
    return 0;
}

static void move_ids(struct vector_index *index, const struct view_part *part)
{
    for (size_t i = 0; i < part->count; i++)
        if (!bitmap_has(part->dead, i))
            id_map_set(&index->map, part->segment->ids[i],
                       (struct id_place){part->segment->number, (uint32_t)i});
}

/* Puts `segment` (NULL: nothing is left) in the sources' place; takes the reference over. */
static int swap_in(struct vector_index *index, const struct work *work, struct segment *segment,
                   struct err *err)
{
    struct view_part part = {.segment = segment, .count = work->live};
    for (size_t i = 0; i < work->source_count; i++)
        if (work->view->parts[work->sources[i]].largest_norm > part.largest_norm)
            part.largest_norm = work->view->parts[work->sources[i]].largest_norm;

    pthread_mutex_lock(&index->writing);
    struct view *current = view_cell_get(index->published);
    struct view *next = view_new(current->count + 1);
    int r = 0;
    if (!next || (segment && mark_removed(index, work, &part) < 0)) {
        view_unref(next);
        segment_unref(segment);
        bitmap_unref(part.dead);
        r = err_memory(err, "the index");
        goto out;
    }
    if (segment) {
        move_ids(index, &part);
        view_append(next, part);
    }
    for (size_t i = 0; i < current->count; i++)
        if (!is_source(work, current->parts[i].segment))
            view_append_shared(next, &current->parts[i]);
    next->has_tail = current->has_tail;
    next->sequence = current->sequence;
    index_publish(index, next);
out:
    view_unref(current);
    pthread_mutex_unlock(&index->writing);
    return r;
}

/* Makes the tail a segment before it is full, so that it can be rebuilt; the next add opens a new
 * one. */
static int close_tail(struct vector_index *index, struct err *err)
{
    pthread_mutex_lock(&index->writing);
    struct view *current = view_cell_get(index->published);
    struct view *next = view_copy(current, 0);
    view_unref(current);
    if (next) {
        next->has_tail = false;
        index_publish(index, next);
    }
    pthread_mutex_unlock(&index->writing);
    return next ? 0 : err_memory(err, "the index");
}

int index_maintain(struct vector_index *index, bool *ret_worked, const volatile int *cancel,
                   struct err *err)
{
    struct segment *segment = NULL;
    struct view *view = view_cell_get(index->published);
    struct work work = choose(index, view);
    int r = check_cancel(cancel, err);

    if (r < 0)
        goto out;
    if (!work.source_count) {
        bool is_worth_closing = is_tail_worth_closing(index, view);
        if (is_worth_closing)
            r = close_tail(index, err);
        if (r == 0)
            *ret_worked = is_worth_closing;
        goto out;
    }
    pthread_mutex_lock(&index->writing);
    uint32_t number = index->next_number++;
    pthread_mutex_unlock(&index->writing);
    if (work.live)
        r = build(index, &work, number, &segment, cancel, err);
    if (r == 0)
        r = swap_in(index, &work, segment, err);
    if (r == 0)
        *ret_worked = true;
out:
    view_unref(view);
    return r;
}
