/* Background work: graphs for full segments, new segments for those with many tombstones, one for
 * two small ones.
 *
 * A piece of work puts one new segment in the place of some closed ones. Either the live rows of
 * all of them (the sources) are copied into it, or one of them (the base) grows: the new segment
 * shares its rows and links, and those of the sources come behind. So a row is linked about once,
 * however large segments become. All that is built from a view while searches and applies go on;
 * what was removed meanwhile is marked in the new segment when it is swapped in, which is the only
 * part that an apply waits for.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "index/faiss/hnsw.h"
#include "index/state.h"

enum {
    DEAD_SHARE = 4,    /* a segment is rebuilt when more than 1 in so many of its rows is dead */
    LEAST_DEAD = 256,  /* below that, a tail is not worth closing for its dead rows */
    SLICE_ROWS = 2048, /* rows that are linked between two looks at `cancel` */
    MOST_SOURCES = 8,
};

struct work {
    const struct view *view;
    const struct view_part *base; /* NULL: none grows */
    size_t sources[MOST_SOURCES]; /* indexes into the view's parts, ascending */
    size_t source_count;
    size_t first;   /* rows of the base */
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

/* The part that takes `source`'s rows in: the smallest one with a graph that has room for them, and
 * is no smaller. */
static const struct view_part *find_base(const struct work *work, size_t source,
                                         size_t segment_size)
{
    const struct view_part *best = NULL, *parts = work->view->parts;
    size_t live = view_part_live(&parts[source]);
    for (size_t i = 0; live <= segment_size && i < closed_count(work->view); i++)
        if (i != source && parts[i].segment->graph && parts[i].count >= live &&
            parts[i].count <= segment_size - live && (!best || parts[i].count < best->count))
            best = &parts[i];
    return best;
}

/* The first part without a graph; or else one with a graph that another can take in. */
static void choose_link(struct work *work, size_t segment_size)
{
    const struct view_part *parts = work->view->parts;
    for (size_t i = 0; i < closed_count(work->view); i++) {
        const struct view_part *base = find_base(work, i, segment_size);
        if (parts[i].segment->graph && !base)
            continue;
        work->base = base;
        work->sources[0] = i;
        work->source_count = 1;
        if (!parts[i].segment->graph)
            return;
    }
}

/* Where many parts wait for a graph, as many at once as fit: the base's links are copied each time.
 */
static void choose_more(struct work *work, size_t segment_size)
{
    const struct view_part *parts = work->view->parts;
    if (!work->source_count || parts[work->sources[0]].segment->graph)
        return;
    size_t taken = work->base ? work->base->count : 0;
    taken += view_part_live(&parts[work->sources[0]]);
    size_t room = segment_size > taken ? segment_size - taken : 0;
    for (size_t i = work->sources[0] + 1;
         i < closed_count(work->view) && work->source_count < MOST_SOURCES; i++) {
        size_t live = view_part_live(&parts[i]);
        if (parts[i].segment->graph || live > room)
            continue;
        work->sources[work->source_count++] = i;
        room -= live;
    }
}

static struct work choose(const struct vector_index *index, const struct view *view)
{
    struct work work = {.view = view, .has_graph = wants_graphs(index, view)};
    choose_dead(&work);
    if (!work.source_count && work.has_graph) {
        choose_link(&work, index->options.segment_size);
        choose_more(&work, index->options.segment_size);
    } else if (!work.source_count)
        choose_small(&work, index_tail_size(index));
    work.first = work.base ? work.base->count : 0;
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

/* --- building --- */

static int check_cancel(const volatile int *cancel, struct err *err)
{
    if (cancel_raised(cancel))
        return err_set(err, ERR_CANCELLED, "the index maintenance was cancelled");
    return 0;
}

/* A block of a closed part none of whose rows is dead, if the new segment can have it as it is: its
 * row `to` then begins a block too. */
static bool shares_block(const struct view_part *part, size_t from, const struct segment *segment,
                         size_t to)
{
    size_t rows = (size_t)1 << segment->format.block_shift;
    return from % rows == 0 && to % rows == 0 && part->count - from >= rows &&
           !bitmap_count(part->dead) && part->segment->blocks[from / rows]->rows == rows &&
           segment->blocks[to / rows]->rows == rows;
}

/* Puts the sources' rows behind those of the base. Whole blocks are shared, so that what was added
 * in bulk is never in memory twice. */
static void take_rows(const struct work *work, struct segment *segment)
{
    unsigned shift = segment->format.block_shift;
    struct cursor cursor = {.work = work};
    const struct view_part *part;
    size_t shared_end = 0; /* rows before this one are in a block that was shared */
    for (size_t to = work->first, from; cursor_next(&cursor, &part, &from); to++) {
        segment->ids[to] = part->segment->ids[from];
        if (shares_block(part, from, segment, to)) {
            segment_share_block(segment, to >> shift, part->segment->blocks[from >> shift]);
            shared_end = to + ((size_t)1 << shift);
        }
        if (to >= shared_end)
            memcpy(segment_row(segment, to), segment_row(part->segment, from),
                   segment->format.stride);
    }
}

static int link_rows(struct vector_index *index, const struct work *work, struct hnsw *builder,
                     const volatile int *cancel, struct err *err)
{
    int r = 0;
    atomic_store(&index->work_rows, work->live);
    for (size_t done = 0; r == 0 && done < work->live; done += SLICE_ROWS) {
        size_t left = work->live - done;
        atomic_store(&index->work_done, done);
        r = check_cancel(cancel, err);
        if (r == 0)
            r = hnsw_add(builder, left < SLICE_ROWS ? left : SLICE_ROWS,
                         index->options.build_threads, err);
    }
    atomic_store(&index->work_rows, 0);
    atomic_store(&index->work_done, 0);
    return r;
}

static int build_graph(struct vector_index *index, const struct work *work, struct segment *segment,
                       const volatile int *cancel, struct err *err)
{
    const struct graph *base = work->base ? work->base->segment->graph : NULL;
    const struct hnsw_options options = {.M = base ? base->M : index->options.M,
                                         .ef_construction = index->options.ef_construction,
                                         .capacity = work->first + work->live,
                                         .format = &segment->format,
                                         .blocks = segment->data};
    struct hnsw *builder;
    int r = hnsw_new(&builder, &options, base, err);
    if (r < 0)
        return r;
    r = link_rows(index, work, builder, cancel, err);
    if (r == 0)
        r = hnsw_take(builder, &segment->graph, err);
    hnsw_free(builder);
    return r;
}

static int build(struct vector_index *index, const struct work *work, uint32_t number,
                 struct segment **ret_segment, const volatile int *cancel, struct err *err)
{
    size_t count = work->first + work->live;
    struct segment *segment = work->base ? segment_grow(work->base->segment, work->first, count)
                                         : segment_new(number, &index->format, count);
    if (!segment)
        return err_memory(err, "a segment");
    take_rows(work, segment);
    if (work->has_graph) {
        int r = build_graph(index, work, segment, cancel, err);
        if (r < 0) {
            segment_unref(segment);
            return r;
        }
    }
    *ret_segment = segment;
    return 0;
}

/* --- swapping in, under `writing` --- */

static bool is_replaced(const struct work *work, const struct segment *segment)
{
    for (size_t i = 0; i < work->source_count; i++)
        if (work->view->parts[work->sources[i]].segment == segment)
            return true;
    return work->base && work->base->segment == segment;
}

/* Marks the rows of the new part that were removed by now: of the base what the current view has,
 * of the sources those whose ids are not there any more. An id that was added again lives
 * elsewhere, and its old row is as dead. */
static int mark_removed(struct vector_index *index, const struct work *work, struct view *current,
                        struct view_part *part)
{
    struct cursor cursor = {.work = work};
    const struct view_part *source;
    struct id_place place;
    if (work->base)
        part->dead = bitmap_ref(view_find(current, work->base->segment->number)->dead);
    for (size_t i = work->first, position; cursor_next(&cursor, &source, &position); i++) {
        if (id_map_get(&index->map, part->segment->ids[i], &place) &&
            place.segment == source->segment->number && place.position == position)
            continue;
        if (bitmap_own(&part->dead, part->segment->capacity) < 0)
            return ERR_MEMORY;
        bitmap_set(part->dead, i);
    }
    return 0;
}

static void move_ids(struct vector_index *index, const struct view_part *part, size_t first)
{
    for (size_t i = first; i < part->count; i++)
        if (!bitmap_has(part->dead, i))
            id_map_set(&index->map, part->segment->ids[i],
                       (struct id_place){part->segment->number, (uint32_t)i});
}

/* Puts `segment` (NULL: nothing is left) in their place; takes the reference over. */
static int swap_in(struct vector_index *index, const struct work *work, struct segment *segment,
                   struct err *err)
{
    struct view_part part = {.segment = segment, .count = work->first + work->live};

    pthread_mutex_lock(&index->writing);
    struct view *current = view_cell_get(index->published);
    struct view *next = view_new(current->count + 1);
    int r = 0;
    if (!next || (segment && mark_removed(index, work, current, &part) < 0)) {
        view_unref(next);
        segment_unref(segment);
        bitmap_unref(part.dead);
        r = err_memory(err, "the index");
        goto out;
    }
    if (segment) {
        move_ids(index, &part, work->first);
        view_append(next, part);
    }
    for (size_t i = 0; i < current->count; i++)
        if (!is_replaced(work, current->parts[i].segment))
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
    if (work.first + work.live)
        r = build(index, &work, number, &segment, cancel, err);
    if (r == 0)
        r = swap_in(index, &work, segment, err);
    if (r == 0)
        *ret_worked = true;
out:
    view_unref(view);
    if (work.has_graph && work.source_count)
        malloc_trim(0);
    return r;
}
