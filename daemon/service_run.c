/* The service's life in the foreground: open the socket, load the engine beside it, serve, stop.
 *
 * Threads: the main thread waits for signals and events and does the steps below; the loader opens
 * the engine and ends; the HTTP loop and the queues' threads serve.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/priority.h"
#include "daemon/http.h"
#include "daemon/service.h"
#include "daemon/service_log.h"
#include "daemon/service_socket.h"
#include "daemon/wire_limits.h"

/* How long a stop waits for requests that are still being sent to us. */
#define UPLOAD_GRACE_SECONDS 5.0

/* The threads of bulk requests read, hash and store, and leave the encoding to threads of the
 * lowest scheduling class. They themselves hold locks that a small add waits for, and so must get
 * on. */
enum { BULK_THREADS = 2, BULK_NICENESS = 10 };

/* Interactive requests mostly wait for the encoder, which takes those that wait together: as many
 * of them can be under way as it takes at once. */
enum { INTERACTIVE_THREADS = 4, INTERACTIVE_THREADS_MAX = 64 };

struct run {
    const struct settings *settings;
    const char *const *given;
    struct service service;
    struct service_socket socket;
    struct http *http;
    int signals; /* the end of a pipe that signals arrive on, a byte each */
    pthread_t loader;
    bool loader_started, loader_joined;
    _Atomic bool loader_done;
    int loaded;            /* the loader's result */
    struct err loader_err; /* and why */
    volatile int cancel;   /* for the loader */
    bool stopping;
    double stopped; /* when that began */
};

/* Tells a supervisor how it goes: sd_notify(3)'s protocol, a datagram to $NOTIFY_SOCKET. */
static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = path ? strlen(path) : 0;

    if (size < 2 || size >= sizeof address.sun_path || (*path != '/' && *path != '@'))
        return;
    memcpy(address.sun_path, path, size);
    if (*path == '@')
        address.sun_path[0] = '\0';
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return;
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    if (sendto(descriptor, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
               length) < 0)
        service_log(LOG_WARNING, "cannot notify the supervisor: %s", strerror(errno));
    close(descriptor);
}

/* --- loading --- */

static void *load(void *argument)
{
    struct run *run = argument;
    const struct engine_options options = {
        .data_folder = run->settings->data_folder,
        .model = run->settings->model,
        .rerank_model = run->settings->rerank_model,
        .precision = run->settings->precision,
        .index_precision = run->settings->index_precision,
        .threads = run->settings->threads,
        .load_later = true,
        .log = service_log_callback,
    };
    struct service *service = &run->service;
    int loading = SERVICE_LOADING;

    run->loaded = engine_open(&service->engine, &options, &run->cancel, &run->loader_err);
    if (run->loaded == 0) {
        atomic_compare_exchange_strong(&service->state, &loading, SERVICE_OPEN);
        run->loaded = engine_load(service->engine, &run->cancel, &run->loader_err);
    }
    atomic_store(&run->loader_done, true);
    eventfd_write(run->service.event, 1);
    return NULL;
}

/* --- the end's beginning --- */

static void stop(struct run *run)
{
    run->stopping = true;
    run->stopped = clock_now();
    notify("STOPPING=1");
    atomic_store(&run->service.state, SERVICE_STOPPING);
    cancel_raise(&run->cancel);
    http_quiesce(run->http);
    service_socket_remove(&run->socket);
}

/* The loader has ended: from here the service is ready, or it has failed and ends when what it has
 * been asked meanwhile is done. */
static void finish_loading(struct run *run)
{
    int open = SERVICE_OPEN;

    pthread_join(run->loader, NULL);
    run->loader_joined = true;
    if (run->loaded < 0) {
        if (!run->stopping)
            stop(run);
        else if (run->loaded == ERR_CANCELLED)
            run->loaded = 0;
        return;
    }
    if (!atomic_compare_exchange_strong(&run->service.state, &open, SERVICE_READY))
        return; /* told to stop meanwhile */
    const struct encoder_info *model = engine_model(run->service.engine);
    service_log(LOG_INFO, "ready: %s, %zu dimensions, in %s (%s), on %s, after %.2f s",
                engine_model_name(run->service.engine), model->dimension, model->precision,
                model->precision_reason, run->settings->socket, clock_now() - run->service.started);
    notify("READY=1");
}

/* --- signals --- */

static void begin_stop(struct run *run, const char *signal_name)
{
    if (run->stopping) {
        service_log(LOG_WARNING, "%s again: giving up what is under way", signal_name);
        if (run->loader_joined && run->service.engine)
            engine_cancel(run->service.engine);
        return;
    }
    service_log(LOG_INFO, "%s: stopping", signal_name);
    stop(run);
}

static void reload(struct run *run)
{
    struct err err = {0};
    int level;

    if (settings_reload_level(run->settings, run->given, &level, &err) == 0)
        service_log_set_level(level);
    else
        service_log(LOG_ERR, "not reloaded: %s", err.message);
    if (run->settings->log_file && service_log_open(run->settings->log_file, &err) < 0)
        service_log(LOG_ERR, "the log stays as it was: %s", err.message);
    service_log(LOG_INFO, "SIGHUP: log level and log file are as the settings have them now");
}

static void take_signal(struct run *run)
{
    unsigned char number;

    if (read(run->signals, &number, 1) != 1)
        return;
    if (number == SIGHUP)
        reload(run);
    else
        begin_stop(run, number == SIGINT ? "SIGINT" : "SIGTERM");
}

/* The other end. The process has one set of signals, so one pipe. Not a signalfd: libraries start
 * threads before main, which cannot be told to block signals. */
static int signal_pipe = -1;

static void on_signal(int number)
{
    int saved = errno;
    unsigned char byte = (unsigned char)number;
    ssize_t written = write(signal_pipe, &byte, 1);
    (void)written; /* a full pipe has enough of them */
    errno = saved;
}

static int open_signals(struct run *run, struct err *err)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return err_set_errno(err, errno, "cannot make a pipe");
    run->signals = ends[0];
    signal_pipe = ends[1];
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

/* --- serving --- */

/* True when nothing is under way any more, or only uploads that take too long; from then on no call
 * is handed to a queue. */
static bool drained(struct run *run)
{
    struct service *service = &run->service;
    bool patient = clock_now() - run->stopped <= UPLOAD_GRACE_SECONDS;

    pthread_mutex_lock(&service->lock);
    bool done = service->working == 0 && (service->in_flight == 0 || !patient);
    service->closing = service->closing || done;
    pthread_mutex_unlock(&service->lock);
    return done;
}

/* Waits for signals and events until all is done. */
static int serve(struct run *run, struct err *err)
{
    for (;;) {
        struct pollfd sources[] = {{.fd = run->signals, .events = POLLIN},
                                   {.fd = run->service.event, .events = POLLIN}};
        int patience = run->stopping ? (int)(UPLOAD_GRACE_SECONDS * 1000) + 1 : -1;
        if (poll(sources, 2, patience) < 0 && errno != EINTR)
            return err_set_errno(err, errno, "cannot wait for signals");
        eventfd_t events;
        if (sources[1].revents && eventfd_read(run->service.event, &events) != 0)
            return err_set_errno(err, errno, "cannot read an event");
        if (sources[0].revents)
            take_signal(run);
        if (atomic_load(&run->loader_done) && !run->loader_joined)
            finish_loading(run);
        if (run->stopping && run->loader_joined && drained(run))
            break;
    }
    if (run->loaded < 0)
        *err = run->loader_err;
    return run->loaded;
}

static int open_all(struct run *run, struct err *err)
{
    static const struct service_queue_options interactive = {.name = "interactive",
                                                             .least = INTERACTIVE_THREADS,
                                                             .most = INTERACTIVE_THREADS_MAX,
                                                             .capacity = LIMIT_WAITING_INTERACTIVE};
    static const struct service_queue_options bulk = {.name = "bulk",
                                                      .least = BULK_THREADS,
                                                      .most = BULK_THREADS,
                                                      .niceness = BULK_NICENESS,
                                                      .capacity = LIMIT_WAITING_BULK};
    const struct settings *settings = run->settings;
    struct service *service = &run->service;
    int r;

    if ((r = open_signals(run, err)) < 0)
        return r;
    if ((service->event = eventfd(0, EFD_CLOEXEC)) < 0)
        return err_set_errno(err, errno, "cannot make an event");
    if ((r = service_socket_open(&run->socket, settings->socket, settings->socket_mode,
                                 settings->socket_group, err)) < 0)
        return r;
    if ((r = service_queue_open(&service->interactive, &interactive, err)) < 0)
        return r;
    if ((r = service_queue_open(&service->bulk, &bulk, err)) < 0)
        return r;
    if ((r = http_open(&run->http, service, run->socket.descriptor, err)) < 0)
        return r;
    int error = pthread_create(&run->loader, NULL, load, run);
    if (error)
        return err_set_errno(err, error, "cannot start a thread");
    run->loader_started = true;
    return 0;
}

static void close_all(struct run *run)
{
    struct service *service = &run->service;

    atomic_store(&service->state, SERVICE_STOPPING); /* where loading failed, nothing has worked */
    if (run->loader_started && !run->loader_joined) {
        cancel_raise(&run->cancel);
        pthread_join(run->loader, NULL);
    }
    service_socket_remove(&run->socket);
    http_close(run->http);
    service_queue_close(service->interactive);
    service_queue_close(service->bulk);
    engine_close(service->engine);
    if (service->event >= 0)
        close(service->event);
    /* The pipe stays: a signal may still arrive. The process ends with this call's caller. */
    pthread_mutex_destroy(&service->lock);
}

/* The C library would make up to eight heaps a processor for the threads here, each of which keeps
 * what its threads once needed: under mixed load that grew for hours. As many as can be busy at a
 * time are as fast. */
static void limit_heaps(void)
{
    enum { LEAST = 2 };
    int count = cpu_count();
    if (!getenv("MALLOC_ARENA_MAX"))
        mallopt(M_ARENA_MAX, count < LEAST ? LEAST : count);
}

int service_run(const struct settings *settings, const char *const given[SETTING_COUNT],
                struct err *err)
{
    struct run run = {.settings = settings, .given = given, .signals = -1};
    struct service *service = &run.service;

    umask(077);
    limit_heaps();
    priority_prompt(); /* and all threads that follow, but those that say otherwise */
    run.socket.descriptor = -1;
    service->event = -1;
    service->socket = settings->socket;
    service->data_folder = settings->data_folder;
    service->started = clock_now();
    pthread_mutex_init(&service->lock, NULL);
    int r = open_all(&run, err);
    if (r == 0)
        r = serve(&run, err);
    close_all(&run);
    if (r == 0)
        service_log(LOG_INFO, "stopped");
    return r;
}
