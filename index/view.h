/* What an index holds at one moment: an immutable list of segments with their tombstones.
 *
 * A search takes the view that is current and works on it to the end, whatever is published
 * meanwhile; what only old views hold is freed with the last of them. Reference counts are atomic;
 * a view is written only before it is published.
 */
#ifndef SBERT_INDEX_VIEW_H
#define SBERT_INDEX_VIEW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/bitmap.h"
#include "index/segment.h"

struct view_part {
    struct segment *segment;
    size_t count;        /* rows in use, the dead ones counted */
    struct bitmap *dead; /* positions of the removed ones, or NULL */
};

struct view {
    atomic_size_t references;
    bool has_tail; /* the last part takes adds */
    size_t live, tombstones;
    size_t map_bytes;
    int64_t sequence;
    size_t count, capacity;
    struct view_part parts[];
};

/* An empty view with room for `capacity` parts and one reference; NULL when memory runs out. */
struct view *view_new(size_t capacity);

/* A copy, for changing, with room for `extra` more parts; NULL when memory runs out. */
struct view *view_copy(const struct view *view, size_t extra);

/* Gives a reference up; with the last one the view goes. Accepts NULL. */
void view_unref(struct view *view);

/* Appends a part (there must be room) that takes over the caller's references. */
void view_append(struct view *view, struct view_part part);

/* Appends a part of another view, taking references of its own. */
void view_append_shared(struct view *view, const struct view_part *part);

/* Takes the last part (there must be one) off again. */
void view_drop_last(struct view *view);

/* The part that holds the segment of this number, or NULL. */
struct view_part *view_find(struct view *view, uint32_t number);

size_t view_part_live(const struct view_part *part);

/* The place where the current view is published. */
struct view_cell;
struct view_cell *view_cell_new(struct view *view); /* takes the reference over; NULL: no memory */
void view_cell_free(struct view_cell *cell);        /* accepts NULL */

/* A reference to the current view. */
struct view *view_cell_get(struct view_cell *cell);

/* Counts the live rows and the dead ones, and makes the view the current one, taking the reference
 * over. */
void view_cell_publish(struct view_cell *cell, struct view *view);

#endif
