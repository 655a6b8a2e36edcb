/* Handing out the parts of a step by compare-and-swap. */
#include "encoder/transformer/team.h"

#include <sched.h>

enum {
    PARTS_PER_THREAD = 4, /* so that a thread that came late leaves little to wait for */
    SPINS_BEFORE_YIELD = 4096,
};

void team_begin(struct team *team, size_t threads)
{
    team->threads = threads;
    atomic_init(&team->offer, 0);
    atomic_init(&team->completed, 0);
    atomic_init(&team->finished, false);
}

/* Lets the other hardware thread of the core work, or, after long waiting, any other thread. */
static void pause_a_little(unsigned *spins)
{
    if (++*spins % SPINS_BEFORE_YIELD == 0)
        sched_yield();
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

/* Does one part of the step on offer; false where there is none to take. */
static bool take_part(struct team *team)
{
    uint64_t offer = atomic_load_explicit(&team->offer, memory_order_acquire);
    size_t next = offer & 0xffff, parts = offer >> 16 & 0xffff;

    if (next >= parts)
        return false;
    /* Fails when another took it; the caller looks again. */
    if (!atomic_compare_exchange_strong_explicit(&team->offer, &offer, offer + 1,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return true;
    team->task(team->argument, next, parts);
    atomic_fetch_add_explicit(&team->completed, 1, memory_order_release);
    return true;
}

void team_help(struct team *team)
{
    unsigned spins = 0;
    while (!atomic_load_explicit(&team->finished, memory_order_acquire))
        if (!take_part(team))
            pause_a_little(&spins);
}

void team_run(struct team *team, void (*task)(void *argument, size_t part, size_t parts),
              void *argument)
{
    if (!team) {
        task(argument, 0, 1);
        return;
    }
    const uint64_t most = 0xffff;
    uint64_t parts =
        team->threads * PARTS_PER_THREAD < most ? team->threads * PARTS_PER_THREAD : most;
    uint64_t step = (atomic_load_explicit(&team->offer, memory_order_relaxed) >> 32) + 1;
    unsigned spins = 0;

    /* No helper reads these now: all parts of the step before are done. */
    team->task = task;
    team->argument = argument;
    atomic_store_explicit(&team->completed, 0, memory_order_relaxed);
    atomic_store_explicit(&team->offer, step << 32 | parts << 16, memory_order_release);
    while (take_part(team))
        continue;
    while (atomic_load_explicit(&team->completed, memory_order_acquire) < parts)
        pause_a_little(&spins);
}

void team_finish(struct team *team)
{
    atomic_store_explicit(&team->finished, true, memory_order_release);
}
