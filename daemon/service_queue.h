/* A bounded queue of work with threads of its own.
 *
 * The item is part of the caller's structure, so queuing allocates nothing and can only fail by
 * being full. Thread-safe.
 */
#ifndef SBERT_DAEMON_SERVICE_QUEUE_H
#define SBERT_DAEMON_SERVICE_QUEUE_H

#include <stddef.h>

#include "base/err.h"

struct service_work {
    void (*run)(struct service_work *work); /* on one of the queue's threads */
    struct service_work *next;              /* the queue's */
};

struct service_queue;

/* Starts `least` threads, and more, up to `most`, whenever work comes and all are busy: for work
 * that mostly waits, such as for a crew of the encoder that takes what waits for it in one go. */
struct service_queue_options {
    const char *name;
    int least, most; /* threads */
    int niceness;    /* added to theirs */
    size_t capacity;
};
int service_queue_open(struct service_queue **ret_queue,
                       const struct service_queue_options *options, struct err *err);

/* Does all that waits, ends the threads, and frees; accepts NULL. */
void service_queue_close(struct service_queue *queue);

/* ERR_BUSY where `capacity` items wait already. Once submitted the item may run, and be gone, at
 * any moment. */
int service_queue_submit(struct service_queue *queue, struct service_work *work, struct err *err);

/* How many wait now. */
size_t service_queue_waiting(struct service_queue *queue);

#endif
