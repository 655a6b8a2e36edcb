/* Sets of ids that searches are restricted to, and the rows they are. */
#include "index/selection.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A bit for each id from the first to the last one, where that takes no more than the ids do. */
enum { RANGE_BITS = 64 };

/* What is remembered of one segment. */
struct found {
    uint64_t serial; /* of the segment */
    size_t seen;     /* rows that were looked at */
    struct bitmap *rows;
};

struct index_selection {
    atomic_size_t references;
    size_t count;
    int64_t *ids;    /* (count), ascending, positive, each once */
    uint64_t *range; /* bit i: id ids[0] + i is in; NULL where the ids lie too far apart */

    pthread_mutex_t lock; /* of what follows */
    struct found *found;  /* (found_count) */
    size_t found_count;
};

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Sorts them, and leaves out repeats and what is not positive. */
static size_t put_in_order(int64_t *ids, size_t count)
{
    size_t kept = 0;
    bool is_sorted = true;
    for (size_t i = 1; i < count && is_sorted; i++)
        is_sorted = ids[i - 1] < ids[i];
    if (!is_sorted)
        qsort(ids, count, sizeof *ids, compare_ids);
    for (size_t i = 0; i < count; i++)
        if (ids[i] > 0 && (!kept || ids[kept - 1] != ids[i]))
            ids[kept++] = ids[i];
    return kept;
}

static int make_range(struct index_selection *selection)
{
    if (!selection->count)
        return 0;
    uint64_t width = (uint64_t)(selection->ids[selection->count - 1] - selection->ids[0]) + 1;
    if (width / RANGE_BITS > selection->count)
        return 0;
    selection->range = calloc(bitmap_words((size_t)width), sizeof *selection->range);
    if (!selection->range)
        return ERR_MEMORY;
    for (size_t i = 0; i < selection->count; i++) {
        uint64_t bit = (uint64_t)(selection->ids[i] - selection->ids[0]);
        selection->range[bit / 64] |= (uint64_t)1 << bit % 64;
    }
    return 0;
}

int index_selection_new(struct index_selection **ret_selection, const int64_t *ids, size_t count,
                        struct err *err)
{
    struct index_selection *selection = calloc(1, sizeof *selection);
    int64_t *copy = calloc(count + 1, sizeof *copy);
    if (!selection || !copy) {
        free(selection);
        free(copy);
        return err_memory(err, "a selection");
    }
    if (count)
        memcpy(copy, ids, count * sizeof *copy);
    atomic_init(&selection->references, 1);
    pthread_mutex_init(&selection->lock, NULL);
    selection->ids = copy;
    selection->count = put_in_order(copy, count);
    if (make_range(selection) < 0) {
        index_selection_free(selection);
        return err_memory(err, "a selection");
    }
    *ret_selection = selection;
    return 0;
}

struct index_selection *index_selection_ref(struct index_selection *selection)
{
    atomic_fetch_add_explicit(&selection->references, 1, memory_order_relaxed);
    return selection;
}

void index_selection_free(struct index_selection *selection)
{
    if (!selection ||
        atomic_fetch_sub_explicit(&selection->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < selection->found_count; i++)
        bitmap_unref(selection->found[i].rows);
    pthread_mutex_destroy(&selection->lock);
    free(selection->found);
    free(selection->range);
    free(selection->ids);
    free(selection);
}

size_t index_selection_count(const struct index_selection *selection)
{
    return selection->count;
}

size_t index_selection_bytes(struct index_selection *selection)
{
    size_t bytes = sizeof *selection + selection->count * sizeof *selection->ids;
    if (selection->range)
        bytes += (size_t)(selection->ids[selection->count - 1] - selection->ids[0]) / 8 + 1;
    pthread_mutex_lock(&selection->lock);
    for (size_t i = 0; i < selection->found_count; i++)
        bytes += sizeof *selection->found + bitmap_bytes(selection->found[i].rows);
    pthread_mutex_unlock(&selection->lock);
    return bytes;
}

static bool has_id(const struct index_selection *selection, int64_t id)
{
    if (!selection->count || id < selection->ids[0] || id > selection->ids[selection->count - 1])
        return false;
    if (selection->range) {
        uint64_t bit = (uint64_t)(id - selection->ids[0]);
        return selection->range[bit / 64] >> bit % 64 & 1;
    }
    return bsearch(&id, selection->ids, selection->count, sizeof id, compare_ids) != NULL;
}

static struct found *look_up(struct index_selection *selection, uint64_t serial)
{
    for (size_t i = 0; i < selection->found_count; i++)
        if (selection->found[i].serial == serial)
            return &selection->found[i];
    return NULL;
}

/* The bitmap for the first `count` rows of a segment, in place of the one that knew fewer. */
static int look_at_rows(const struct index_selection *selection, const struct view_part *part,
                        struct found *found)
{
    if (found->seen >= part->count)
        return 0;
    /* A search may still be reading the old one; then this makes a copy. */
    if (bitmap_own(&found->rows, part->segment->capacity) < 0)
        return ERR_MEMORY;
    for (size_t i = found->seen; i < part->count; i++)
        if (has_id(selection, part->segment->ids[i]))
            bitmap_set(found->rows, i);
    found->seen = part->count;
    return 0;
}

static bool is_in_view(const struct view *view, uint64_t serial)
{
    for (size_t i = 0; i < view->count; i++)
        if (view->parts[i].segment->serial == serial)
            return true;
    return false;
}

/* Makes room for what the view has and is not known yet. Where that is needed, segments have come,
 * and others have mostly gone: those are forgotten. */
static int make_room(struct index_selection *selection, const struct view *view)
{
    size_t unknown = 0, kept = 0;
    for (size_t i = 0; i < view->count; i++)
        unknown += !look_up(selection, view->parts[i].segment->serial);
    if (!unknown)
        return 0;
    struct found *larger = calloc(selection->found_count + unknown, sizeof *larger);
    if (!larger)
        return ERR_MEMORY;
    for (size_t i = 0; i < selection->found_count; i++) {
        if (is_in_view(view, selection->found[i].serial))
            larger[kept++] = selection->found[i];
        else
            bitmap_unref(selection->found[i].rows);
    }
    free(selection->found);
    selection->found = larger;
    selection->found_count = kept;
    return 0;
}

/* With `lock` held. */
static int find_rows(struct index_selection *selection, const struct view *view,
                     struct bitmap **ret_rows)
{
    if (make_room(selection, view) < 0)
        return ERR_MEMORY;
    for (size_t i = 0; i < view->count; i++) {
        const struct view_part *part = &view->parts[i];
        struct found *found = look_up(selection, part->segment->serial);
        if (!found) {
            found = &selection->found[selection->found_count++];
            *found = (struct found){.serial = part->segment->serial};
        }
        if (look_at_rows(selection, part, found) < 0)
            return ERR_MEMORY;
        ret_rows[i] = bitmap_ref(found->rows);
    }
    return 0;
}

int selection_find(struct index_selection *selection, const struct view *view,
                   struct bitmap **ret_rows)
{
    memset(ret_rows, 0, view->count * sizeof *ret_rows);
    pthread_mutex_lock(&selection->lock);
    int r = find_rows(selection, view, ret_rows);
    pthread_mutex_unlock(&selection->lock);
    for (size_t i = 0; r < 0 && i < view->count; i++) {
        bitmap_unref(ret_rows[i]);
        ret_rows[i] = NULL;
    }
    return r;
}
