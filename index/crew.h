/* The process's threads for searches over many rows: as many as it has processors.
 *
 * They are started by the first search that is large enough, and serve one at a time; who finds
 * them busy works alone.
 */
#ifndef SBERT_INDEX_CREW_H
#define SBERT_INDEX_CREW_H

#include <stdbool.h>
#include <stddef.h>

/* The number of threads, the caller counted: 1 where none can be started. */
size_t crew_size(void);

/* Runs task(argument, i, thread) for i in [0, count), `thread` below crew_size(); false where the
 * crew is busy, and then nothing was done. */
bool crew_run(size_t count, void (*task)(void *argument, size_t i, int thread), void *argument);

#endif
