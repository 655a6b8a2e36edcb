/* A fixed crew of threads that shares out numbered tasks.
 *
 * `pool_run` is called by one thread at a time per pool; the tasks of one run are taken in order
 * by whichever thread is free. The caller works too, as thread 0, so a pool of one starts none.
 */
#ifndef SBERT_BASE_POOL_H
#define SBERT_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct pool;

/* A pool of `threads` (>= 1), the caller of pool_run counted. With `background` its own threads run
 * in the scheduler's lowest class (SCHED_IDLE), and the caller is left as it is. */
int pool_open(struct pool **ret_pool, int threads, bool background, struct err *err);

/* Ends the threads and frees the pool; accepts NULL. No run may be under way. */
void pool_close(struct pool *pool);

/* The number of threads, the caller's included. */
int pool_threads(const struct pool *pool);

/* Runs task(argument, i, thread) for i in [0, count), `thread` in [0, threads) telling which thread
 * does it, and returns when all are done. What the tasks wrote is visible to the caller then. */
void pool_run(struct pool *pool, size_t count, void (*task)(void *argument, size_t i, int thread),
              void *argument);

#endif
