/* What a vector_index is inside; for the files of this room alone.
 *
 * Locks: `writing` is held by whoever makes the next view (an apply, or maintain for its swap), and
 * while the id map is read or written. A view is taken and published under the cell's own lock,
 * inside `writing` or without it.
 */
#ifndef SBERT_INDEX_STATE_H
#define SBERT_INDEX_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "index/id_map.h"
#include "index/index.h"
#include "index/view.h"

enum { INDEX_LARGEST_M = 1024 };

struct vector_index {
    struct index_options options; /* with the defaults filled in */
    struct row_format format;     /* of all its rows */
    struct view_cell *published;
    pthread_mutex_t writing;
    struct id_map map;    /* the live ids */
    uint32_t next_number; /* of the next segment */
    /* What maintain is at: rows of the new segment, and those that are done. */
    atomic_size_t work_rows, work_done;
};

/* Rows at which the tail is closed: the work in the background comes in pieces of that size. */
size_t index_tail_size(const struct vector_index *index);

/* ERR_INVALID where a value is NaN or infinite; `what` names the vectors. */
int index_check_finite(const float *vectors, size_t count, size_t dimension, const char *what,
                       struct err *err);

/* Makes `view` current, from under `writing`; takes the reference over. */
void index_publish(struct vector_index *index, struct view *view);

#endif
