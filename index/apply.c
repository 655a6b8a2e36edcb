/* Adds and removals: the next view is prepared in full, and only then published.
 *
 * What can fail comes first: memory for rows, tombstones and the id map. From the first change to
 * the map on, nothing can.
 */
#include <stdlib.h>
#include <string.h>

#include "index/state.h"

enum { LEAST_TAIL = 256 };

static int check_input(const struct vector_index *index, const int64_t *add_ids,
                       const float *vectors, size_t add_count, struct err *err)
{
    size_t dimension = index->options.dimension;
    if (add_count > SIZE_MAX / sizeof(float) / dimension)
        return err_set(err, ERR_LIMIT, "%zu vectors are too many for one apply", add_count);
    for (size_t i = 0; i < add_count; i++)
        if (add_ids[i] <= 0)
            return err_set(err, ERR_INVALID, "id %lld is not positive", (long long)add_ids[i]);
    return index_check_finite(vectors, add_count, dimension, "vector", err);
}

static size_t count_unknown(const struct id_map *map, const int64_t *ids, size_t count)
{
    size_t unknown = 0;
    for (size_t i = 0; i < count; i++)
        unknown += !id_map_get(map, ids[i], NULL);
    return unknown;
}

/* Gives the tail room for `wanted` rows in all (at most a whole tail), doubling. */
static int grow_tail(struct vector_index *index, struct view_part *tail, size_t wanted)
{
    size_t capacity = tail->segment->capacity, most = index_tail_size(index);

    if (wanted <= capacity)
        return 0;
    capacity = 2 * capacity > wanted ? 2 * capacity : wanted;
    if (capacity < LEAST_TAIL)
        capacity = LEAST_TAIL;
    if (capacity > most)
        capacity = most;
    struct segment *larger = segment_grow(tail->segment, tail->count, capacity);
    if (!larger)
        return ERR_MEMORY;
    segment_unref(tail->segment);
    tail->segment = larger;
    return 0;
}

static int append_tail(struct vector_index *index, struct view *view, size_t wanted)
{
    size_t capacity = wanted > LEAST_TAIL ? wanted : LEAST_TAIL, most = index_tail_size(index);
    if (capacity > most)
        capacity = most;
    struct segment *segment = segment_new(index->next_number, &index->format, capacity);
    if (!segment)
        return ERR_MEMORY;
    index->next_number++;
    view_append(view, (struct view_part){.segment = segment});
    view->has_tail = true;
    return 0;
}

/* Makes room for `count` more rows in the tail and in new segments behind it. */
static int reserve_rows(struct vector_index *index, struct view *view, size_t count)
{
    size_t size = index_tail_size(index);
    if (count && view->has_tail) {
        struct view_part *tail = &view->parts[view->count - 1];
        size_t room = size > tail->count ? size - tail->count : 0;
        size_t taken = room < count ? room : count;
        if (grow_tail(index, tail, tail->count + taken) < 0)
            return ERR_MEMORY;
        count -= taken;
    }
    while (count) {
        size_t taken = count < size ? count : size;
        if (append_tail(index, view, taken) < 0)
            return ERR_MEMORY;
        count -= taken;
    }
    return 0;
}

/* Gives every part that may lose rows a bitmap of its own to write on: those that hold a removed
 * id, and those from `first_new` on, since what is added may be removed in the same call. */
static int reserve_tombstones(const struct vector_index *index, struct view *view,
                              const int64_t *remove_ids, size_t remove_count, size_t first_new)
{
    struct id_place place;
    for (size_t i = 0; i < remove_count; i++) {
        if (!id_map_get(&index->map, remove_ids[i], &place))
            continue;
        struct view_part *part = view_find(view, place.segment);
        if (bitmap_own(&part->dead, part->segment->capacity) < 0)
            return ERR_MEMORY;
    }
    for (size_t i = first_new; remove_count && i < view->count; i++)
        if (bitmap_own(&view->parts[i].dead, view->parts[i].segment->capacity) < 0)
            return ERR_MEMORY;
    return 0;
}

static void add_rows(struct vector_index *index, struct view *view, size_t first_new,
                     const int64_t *ids, const float *vectors, size_t count)
{
    size_t dimension = index->options.dimension;
    struct view_part *part = view->parts + first_new;

    for (size_t i = 0; i < count; i++) {
        if (id_map_get(&index->map, ids[i], NULL))
            continue;
        while (part->count == part->segment->capacity)
            part++;
        struct segment *segment = part->segment;
        size_t position = part->count++;
        format_encode(&segment->format, vectors + i * dimension, segment_row(segment, position));
        segment->ids[position] = ids[i];
        id_map_set(&index->map, ids[i], (struct id_place){segment->number, (uint32_t)position});
    }
}

static void remove_rows(struct vector_index *index, struct view *view, const int64_t *ids,
                        size_t count)
{
    struct id_place place;
    for (size_t i = 0; i < count; i++) {
        if (!id_map_get(&index->map, ids[i], &place))
            continue;
        bitmap_set(view_find(view, place.segment)->dead, place.position);
        id_map_remove(&index->map, ids[i]);
    }
}

/* Repeated ids in one call can leave a segment without rows. And a full tail is a segment. */
static void tidy_tail(const struct vector_index *index, struct view *view)
{
    while (view->count && !view->parts[view->count - 1].count)
        view_drop_last(view);
    if (!view->count || view->parts[view->count - 1].count >= index_tail_size(index))
        view->has_tail = false;
}

int index_apply(struct vector_index *index, const int64_t *add_ids, const float *vectors,
                size_t add_count, const int64_t *remove_ids, size_t remove_count, int64_t sequence,
                struct err *err)
{
    int r = check_input(index, add_ids, vectors, add_count, err);
    if (r < 0)
        return r;

    pthread_mutex_lock(&index->writing);
    struct view *current = view_cell_get(index->published);
    size_t added = count_unknown(&index->map, add_ids, add_count);
    size_t first_new = current->count - current->has_tail;
    struct view *next = view_copy(current, added / index_tail_size(index) + 1);
    view_unref(current);
    if (!next || reserve_rows(index, next, added) < 0 ||
        reserve_tombstones(index, next, remove_ids, remove_count, first_new) < 0 ||
        id_map_reserve(&index->map, added) < 0) {
        view_unref(next);
        r = err_memory(err, "the index");
        goto out;
    }
    add_rows(index, next, first_new, add_ids, vectors, add_count);
    remove_rows(index, next, remove_ids, remove_count);
    next->sequence = sequence;
    tidy_tail(index, next);
    index_publish(index, next);
out:
    pthread_mutex_unlock(&index->writing);
    return r;
}
