/* The curves of the learning rate. */
#include "encoder/train/schedule.h"

#include <math.h>

double schedule_share(enum schedule schedule, size_t step, size_t warmup, size_t total)
{
    if (step < warmup)
        return (double)step / (double)warmup;
    if (schedule == SCHEDULE_CONSTANT)
        return 1;
    size_t falling = total > warmup ? total - warmup : 1;
    double done = step < total ? (double)(step - warmup) / (double)falling : 1;
    return schedule == SCHEDULE_COSINE ? 0.5 * (1 + cos(acos(-1) * done)) : 1 - done;
}
