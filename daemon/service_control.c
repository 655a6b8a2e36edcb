/* `sbertd stop` and `sbertd status`: see service_control.h. They print; they are part of the
 * program. */
#include "daemon/service_control.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "daemon/service_probe.h"

enum { STOP_SECONDS = 90 };

static int fail(const struct err *err)
{
    fprintf(stderr, "sbertd: %s\n", err->message);
    return CONTROL_FAILED;
}

/* Ends the process behind a pidfd, which stays the same process whatever becomes of its number. */
static int end_process(int process_fd, pid_t process, struct err *err)
{
    struct pollfd end = {.fd = process_fd, .events = POLLIN};

    if (pidfd_send_signal(process_fd, SIGTERM, NULL, 0) != 0)
        return errno == ESRCH ? 0
                              : err_set_errno(err, errno, "cannot stop process %d", (int)process);
    int ready = poll(&end, 1, STOP_SECONDS * 1000);
    if (ready < 0)
        return err_set_errno(err, errno, "cannot wait for process %d", (int)process);
    if (ready == 0)
        return err_set(err, ERR_BUSY,
                       "process %d is still finishing what is under way after %d s; `sbertd stop` "
                       "again gives that up",
                       (int)process, STOP_SECONDS);
    return 0;
}

int control_stop(const struct settings *settings)
{
    struct err err = {0};
    pid_t process, again;
    int r = service_find(settings->socket, settings->data_folder, &process, &err);

    if (r == ERR_NOT_FOUND) {
        printf("sbertd is not running on %s\n", settings->socket);
        return CONTROL_DONE;
    }
    if (r < 0)
        return fail(&err);
    int process_fd = pidfd_open(process, 0);
    if (process_fd < 0 && errno != ESRCH) {
        err_set_errno(&err, errno, "cannot watch process %d", (int)process);
        return fail(&err);
    }
    /* Asked again with the pidfd in hand, the number cannot have passed to another process. */
    if (process_fd >= 0 &&
        service_find(settings->socket, settings->data_folder, &again, &err) == 0 &&
        again == process)
        r = end_process(process_fd, process, &err);
    if (process_fd >= 0)
        close(process_fd);
    if (r < 0)
        return fail(&err);
    printf("sbertd has stopped (process %d)\n", (int)process);
    return CONTROL_DONE;
}

/* --- status --- */

static const char *text_of(const json_t *status, const char *key)
{
    const char *text = json_string_value(json_object_get(status, key));
    return text ? text : "?";
}

static long long number_of(const json_t *status, const char *key)
{
    return (long long)json_integer_value(json_object_get(status, key));
}

static void print_uptime(double seconds)
{
    long long whole = (long long)seconds;

    if (whole >= 86400)
        printf("%lld d %lld h", whole / 86400, whole % 86400 / 3600);
    else if (whole >= 3600)
        printf("%lld h %lld min", whole / 3600, whole % 3600 / 60);
    else if (whole >= 60)
        printf("%lld min %lld s", whole / 60, whole % 60);
    else
        printf("%lld s", whole);
}

static void print_status(const json_t *status)
{
    printf("sbertd %s is running (process %lld, for ", text_of(status, "version"),
           number_of(status, "pid"));
    print_uptime(json_number_value(json_object_get(status, "uptime_s")));
    printf(")\n");
    printf("model        %s, %lld dimensions, up to %lld tokens\n", text_of(status, "model"),
           number_of(status, "dimension"), number_of(status, "max_seq_length"));
    printf("computes in  %s (%s) by %s on %s\n", text_of(status, "precision"),
           text_of(status, "precision_reason"), text_of(status, "backend"), text_of(status, "isa"));
    printf("holds        %lld documents (%lld passages) in %lld collections\n",
           number_of(status, "documents"), number_of(status, "passages"),
           number_of(status, "collections"));
    const json_t *loading = json_object_get(status, "loading");
    if (loading)
        printf("loading      %s: %lld of %lld vectors; %lld of %lld collections are ready\n",
               text_of(loading, "collection"), number_of(loading, "vectors"),
               number_of(loading, "total"), number_of(loading, "ready"),
               number_of(loading, "collections"));
    printf("memory       %.0f MB\n", (double)number_of(status, "memory_bytes") / 1e6);
    printf("socket       %s\n", text_of(status, "socket"));
    printf("data         %s\n", text_of(status, "data_folder"));
}

/* While it loads or stops there is no status yet, only the reason. */
static void print_unready(const json_t *answer, pid_t process)
{
    const json_t *error = json_object_get(answer, "error");
    printf("sbertd is running (process %d) and not ready: %s\n", (int)process,
           text_of(error, "message"));
}

int control_status(const struct settings *settings, bool json)
{
    struct buf body = {0};
    struct err err = {0};
    json_t *answer = NULL;
    pid_t process = 0;
    int code = CONTROL_DONE, status;
    int r = service_probe(settings->socket, "/v1/status", &status, &body, &process, &err);

    if (r == ERR_NOT_FOUND) {
        if (json)
            printf("{\"running\":false}\n");
        else
            printf("sbertd is not running on %s\n", settings->socket);
        code = CONTROL_NOT_RUNNING;
    } else if (r < 0 || json_parse(&answer, body.data, body.size, "the status", &err) < 0) {
        code = fail(&err);
    } else if (json) {
        printf("%s", body.data);
    } else if (status == 200) {
        print_status(answer);
    } else {
        print_unready(answer, process);
    }
    json_decref(answer);
    buf_release(&body);
    return code;
}
