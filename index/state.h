/* What a vector_index is inside; for the files of this room alone.
 *
 * Locks: `writing` is held by whoever makes the next view (an apply, or maintain for its swap), and
 * while the id map is read or written. A view is taken and published under the cell's own lock,
 * inside `writing` or without it.
 */
#ifndef SBERT_INDEX_STATE_H
#define SBERT_INDEX_STATE_H

#include <pthread.h>

#include "index/id_map.h"
#include "index/index.h"
#include "index/view.h"

struct vector_index {
    struct index_options options; /* with the defaults filled in */
    struct view_cell *published;
    pthread_mutex_t writing;
    struct id_map map;    /* the live ids */
    uint32_t next_number; /* of the next segment */
};

/* Copies vectors (count, dimension) into rows as the metric keeps them and returns the largest
 * Euclidean norm of what was written. Under METRIC_COSINE each gets length 1; a zero vector stays
 * zero. */
float index_prepare_vectors(enum index_metric metric, size_t dimension, const float *vectors,
                            size_t count, float *ret_rows);

/* ERR_INVALID where a value is NaN or infinite; `what` names the vectors. */
int index_check_finite(const float *vectors, size_t count, size_t dimension, const char *what,
                       struct err *err);

/* Makes `view` current, from under `writing`; takes the reference over. */
void index_publish(struct vector_index *index, struct view *view);

#endif
