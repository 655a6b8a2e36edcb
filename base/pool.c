/* A thread pool for one kind of work: a counted loop whose turns are independent. */
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/priority.h"

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t start;
    pthread_cond_t finish;
    unsigned long round; /* which run is current; a thread that sees a new number joins it */
    bool open;           /* the current run may still be joined */
    int running;         /* threads of ours inside it */
    bool stopping;
    bool background;
    int threads; /* the caller's included */
    int started;

    void (*task)(void *argument, size_t i, int thread);
    void *argument;
    size_t count;
    atomic_size_t next;

    struct member {
        struct pool *pool;
        pthread_t thread;
        int index;
    } members[];
};

static void take_tasks(struct pool *pool, int thread)
{
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (i >= pool->count)
            return;
        pool->task(pool->argument, i, thread);
    }
}

static void *member_main(void *argument)
{
    struct member *member = argument;
    struct pool *pool = member->pool;
    unsigned long seen = 0;

    if (pool->background)
        priority_lowest();
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while ((pool->round == seen || !pool->open) && !pool->stopping)
            pthread_cond_wait(&pool->start, &pool->lock);
        if (pool->stopping)
            break;
        seen = pool->round;
        pool->running++;
        pthread_mutex_unlock(&pool->lock);
        take_tasks(pool, member->index);
        pthread_mutex_lock(&pool->lock);
        if (--pool->running == 0)
            pthread_cond_signal(&pool->finish);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int pool_open(struct pool **ret_pool, int threads, bool background, struct err *err)
{
    if (threads < 1)
        return err_set(err, ERR_INVALID, "a thread pool needs at least one thread");
    struct pool *pool = calloc(1, sizeof *pool + (size_t)threads * sizeof pool->members[0]);
    if (!pool)
        return err_memory(err, "a thread pool");
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->start, NULL);
    pthread_cond_init(&pool->finish, NULL);
    pool->threads = threads;
    pool->background = background;

    /* Signals belong to the program's main loop, so none is delivered to these threads. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = 0;
    for (int i = 1; i < threads && !failure; i++) {
        struct member *member = &pool->members[i];
        *member = (struct member){.pool = pool, .index = i};
        failure = pthread_create(&member->thread, NULL, member_main, member);
        if (!failure)
            pool->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure) {
        pool_close(pool);
        return err_set_errno(err, failure, "cannot start %d threads", threads - 1);
    }
    *ret_pool = pool;
    return 0;
}

void pool_close(struct pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i <= pool->started; i++)
        pthread_join(pool->members[i].thread, NULL);
    pthread_cond_destroy(&pool->finish);
    pthread_cond_destroy(&pool->start);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

int pool_threads(const struct pool *pool)
{
    return pool->threads;
}

void pool_run(struct pool *pool, size_t count, void (*task)(void *argument, size_t i, int thread),
              void *argument)
{
    bool alone = pool->started == 0 || count <= 1;

    pthread_mutex_lock(&pool->lock);
    pool->task = task;
    pool->argument = argument;
    pool->count = count;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    if (!alone) {
        pool->open = true;
        pool->round++;
        pthread_cond_broadcast(&pool->start);
    }
    pthread_mutex_unlock(&pool->lock);

    take_tasks(pool, 0);

    /* Who has not woken up by now would find nothing to do, and is not waited for. */
    pthread_mutex_lock(&pool->lock);
    pool->open = false;
    while (pool->running > 0)
        pthread_cond_wait(&pool->finish, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
