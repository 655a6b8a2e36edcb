/* Time that never goes back, for measuring and waiting. Thread-safe. */
#ifndef SBERT_BASE_CLOCK_H
#define SBERT_BASE_CLOCK_H

#include <time.h>

/* Seconds of the monotonic clock. */
static inline double clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#endif
