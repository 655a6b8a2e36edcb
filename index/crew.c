/* The process's threads for searches over many rows. */
#include "index/crew.h"

#include <pthread.h>

#include "base/cpu.h"
#include "base/pool.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER;
static struct pool *pool; /* NULL: it could not be made, or there is one processor */

static void start(void)
{
    struct err ignored; /* then everybody works alone */
    int threads = cpu_count();
    if (threads > 1 && pool_open(&pool, threads, false, &ignored) < 0)
        pool = NULL;
}

size_t crew_size(void)
{
    pthread_once(&once, start);
    return pool ? (size_t)pool_threads(pool) : 1;
}

bool crew_run(size_t count, void (*task)(void *argument, size_t i, int thread), void *argument)
{
    if (crew_size() == 1 || pthread_mutex_trylock(&busy) != 0)
        return false;
    pool_run(pool, count, task, argument);
    pthread_mutex_unlock(&busy);
    return true;
}
