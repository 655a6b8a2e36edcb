/* Threads that share one forward pass: for a single short text, whose products last microseconds,
 * so that a lock and a wake-up for each would cost more than they gain.
 *
 * One thread, the leader, walks through the pass and offers the parts of each step; the others,
 * helpers, look for parts in a loop until the leader has finished. The leader takes parts too and
 * waits only for those that a helper has begun, so a pass goes on, more slowly, when a helper comes
 * late or never.
 */
#ifndef SBERT_ENCODER_TRANSFORMER_TEAM_H
#define SBERT_ENCODER_TRANSFORMER_TEAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct team {
    size_t threads;

    /* The step on offer: its number, its parts, and the next part to take, in one word (32, 16 and
     * 16 bits), so that nobody takes a part of a step that is over. */
    _Atomic uint64_t offer;
    atomic_size_t completed; /* parts of it that are done */
    void (*task)(void *argument, size_t part, size_t parts);
    void *argument;

    atomic_bool finished;
};

/* Prepares for one pass by `threads` threads, before any of them enters. */
void team_begin(struct team *team, size_t threads);

/* A helper's part: works until the leader calls team_finish. */
void team_help(struct team *team);

/* The leader's: runs task(argument, part, parts) for each part in [0, parts), shared with the
 * helpers, and returns when all are done. `team` may be NULL: then in one part. */
void team_run(struct team *team, void (*task)(void *argument, size_t part, size_t parts),
              void *argument);
void team_finish(struct team *team);

#endif
