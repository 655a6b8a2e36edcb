/* The service around the engine: its state, its queues, and what is under way.
 *
 * The socket opens first and the engine second, in a thread of its own, so that whoever asks in the
 * meantime is told so. Stopping goes the other way: no new connections, what is under way is
 * finished, the engine saves and closes.
 *
 * Threads: `state` and the counters are atomic; `engine` is set once, before the state becomes
 * SERVICE_OPEN, and is used by nobody who hasn't seen that state or a later one. Lock order: none;
 * `lock` is always taken alone.
 */
#ifndef SBERT_DAEMON_SERVICE_H
#define SBERT_DAEMON_SERVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/engine.h"
#include "daemon/service_queue.h"
#include "daemon/settings.h"

enum service_state {
    SERVICE_LOADING, /* no engine yet */
    SERVICE_OPEN,    /* the engine answers; some collections are still being loaded */
    SERVICE_READY,
    SERVICE_STOPPING,
};

struct service {
    const char *socket, *data_folder;
    struct engine *engine;
    _Atomic int state; /* enum service_state */
    double started;    /* clock_now() */
    struct service_queue *interactive, *bulk;
    _Atomic uint64_t served, failed; /* answers, and those of status 400 and above */
    _Atomic size_t body_bytes;       /* of request bodies in memory */
    int event;                       /* an eventfd that wakes the main thread */
    pthread_mutex_t lock;            /* of all below */
    size_t in_flight;                /* requests begun and not yet ended */
    size_t working; /* of which have been handed to a queue or are being answered */
    bool closing;   /* no more are handed to a queue */
};

/* Runs the service in this process until SIGTERM or SIGINT. `given` is the command line, for
 * reloading. 0 after an orderly end. */
int service_run(const struct settings *settings, const char *const given[SETTING_COUNT],
                struct err *err);

#endif
