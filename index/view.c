/* Immutable lists of segments, and the cell where the current one is published. */
#include "index/view.h"

#include <pthread.h>
#include <stdlib.h>

struct view_cell {
    pthread_mutex_t lock; /* held for a pointer and a count, never for work */
    struct view *view;
};

struct view *view_new(size_t capacity)
{
    struct view *view = calloc(1, sizeof *view + capacity * sizeof *view->parts);
    if (!view)
        return NULL;
    atomic_init(&view->references, 1);
    view->capacity = capacity;
    return view;
}

struct view *view_copy(const struct view *view, size_t extra)
{
    struct view *copy = view_new(view->count + extra);
    if (!copy)
        return NULL;
    copy->has_tail = view->has_tail;
    copy->map_bytes = view->map_bytes;
    copy->sequence = view->sequence;
    for (size_t i = 0; i < view->count; i++)
        view_append_shared(copy, &view->parts[i]);
    return copy;
}

void view_unref(struct view *view)
{
    if (!view || atomic_fetch_sub_explicit(&view->references, 1, memory_order_acq_rel) != 1)
        return;
    while (view->count)
        view_drop_last(view);
    free(view);
}

void view_append(struct view *view, struct view_part part)
{
    view->parts[view->count++] = part;
}

void view_append_shared(struct view *view, const struct view_part *part)
{
    segment_ref(part->segment);
    bitmap_ref(part->dead);
    view_append(view, *part);
}

void view_drop_last(struct view *view)
{
    view->count--;
    segment_unref(view->parts[view->count].segment);
    bitmap_unref(view->parts[view->count].dead);
}

struct view_part *view_find(struct view *view, uint32_t number)
{
    for (size_t i = view->count; i-- > 0;)
        if (view->parts[i].segment->number == number)
            return &view->parts[i];
    return NULL;
}

size_t view_part_live(const struct view_part *part)
{
    return part->count - bitmap_count(part->dead);
}

struct view_cell *view_cell_new(struct view *view)
{
    struct view_cell *cell = calloc(1, sizeof *cell);
    if (!cell)
        return NULL;
    pthread_mutex_init(&cell->lock, NULL);
    cell->view = view;
    return cell;
}

void view_cell_free(struct view_cell *cell)
{
    if (!cell)
        return;
    view_unref(cell->view);
    pthread_mutex_destroy(&cell->lock);
    free(cell);
}

struct view *view_cell_get(struct view_cell *cell)
{
    pthread_mutex_lock(&cell->lock);
    struct view *view = cell->view;
    atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&cell->lock);
    return view;
}

void view_cell_publish(struct view_cell *cell, struct view *view)
{
    view->live = view->tombstones = 0;
    for (size_t i = 0; i < view->count; i++) {
        view->live += view_part_live(&view->parts[i]);
        view->tombstones += bitmap_count(view->parts[i].dead);
    }
    pthread_mutex_lock(&cell->lock);
    struct view *old = cell->view;
    cell->view = view;
    pthread_mutex_unlock(&cell->lock);
    view_unref(old);
}
