/* A bounded queue with threads: one lock, one condition, a list. */
#include "daemon/service_queue.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/priority.h"

struct service_queue {
    struct service_queue_options options;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t change;
    struct service_work *first, **last;
    size_t waiting, idle; /* works, threads */
    bool closing;
    int thread_count;
    pthread_t threads[]; /* (options.most) */
};

static void *serve(void *argument)
{
    struct service_queue *queue = argument;

    pthread_setname_np(pthread_self(), queue->options.name);
    if (queue->options.niceness)
        priority_behind(queue->options.niceness);
    pthread_mutex_lock(&queue->lock);
    for (;;) {
        queue->idle++;
        while (!queue->first && !queue->closing)
            pthread_cond_wait(&queue->change, &queue->lock);
        queue->idle--;
        struct service_work *work = queue->first;
        if (!work)
            break;
        queue->first = work->next;
        if (!queue->first)
            queue->last = &queue->first;
        queue->waiting--;
        pthread_mutex_unlock(&queue->lock);
        work->run(work);
        pthread_mutex_lock(&queue->lock);
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

/* One more thread. Under the lock, or before there is anybody to share it with. */
static int add_thread(struct service_queue *queue)
{
    int error = pthread_create(&queue->threads[queue->thread_count], NULL, serve, queue);
    if (!error)
        queue->thread_count++;
    return error;
}

int service_queue_open(struct service_queue **ret_queue,
                       const struct service_queue_options *options, struct err *err)
{
    struct service_queue *queue =
        calloc(1, sizeof *queue + (size_t)options->most * sizeof *queue->threads);

    if (!queue)
        return err_memory(err, "a queue");
    queue->options = *options;
    queue->last = &queue->first;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->change, NULL);
    pthread_mutex_lock(&queue->lock);
    int error = 0;
    while (!error && queue->thread_count < options->least)
        error = add_thread(queue);
    pthread_mutex_unlock(&queue->lock);
    if (error) {
        service_queue_close(queue);
        return err_set_errno(err, error, "cannot start a thread");
    }
    *ret_queue = queue;
    return 0;
}

void service_queue_close(struct service_queue *queue)
{
    if (!queue)
        return;
    pthread_mutex_lock(&queue->lock);
    queue->closing = true;
    pthread_cond_broadcast(&queue->change);
    pthread_mutex_unlock(&queue->lock);
    for (int i = 0; i < queue->thread_count; i++)
        pthread_join(queue->threads[i], NULL);
    pthread_cond_destroy(&queue->change);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

int service_queue_submit(struct service_queue *queue, struct service_work *work, struct err *err)
{
    int r = 0;

    work->next = NULL;
    pthread_mutex_lock(&queue->lock);
    if (queue->waiting >= queue->options.capacity) {
        r = err_set(err, ERR_BUSY, "%zu requests are waiting already; try again later",
                    queue->waiting);
    } else {
        *queue->last = work;
        queue->last = &work->next;
        queue->waiting++;
        /* Where no more threads can be had, those that are there get to it. */
        if (queue->waiting > queue->idle && queue->thread_count < queue->options.most)
            (void)add_thread(queue);
    }
    pthread_mutex_unlock(&queue->lock);
    /* Without the lock, which the thread that wakes takes at once. */
    if (!r)
        pthread_cond_signal(&queue->change);
    return r;
}

size_t service_queue_waiting(struct service_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    size_t waiting = queue->waiting;
    pthread_mutex_unlock(&queue->lock);
    return waiting;
}
