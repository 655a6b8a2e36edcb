/* The HTTP client of the programs. It keeps no more of HTTP than one connection to one daemon
 * needs; libcurl would cost sbert-query more time at start than everything else it does. */
#include "cli/client.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/http.h"
#include "daemon/paths.h"

enum { ANSWER_LIMIT = 1 << 30, RECEIVE_SIZE = 64 * 1024 };

/* Before a busy daemon is asked again, where it doesn't say, and where it says "at once". */
static const double default_retry_seconds = 1, least_retry_seconds = 0.05;

/* How often a wait looks whether it was cancelled: a signal can come just before the wait. */
static const int cancel_check_ms = 100;

struct client {
    struct client_options options;
    char *path;
    bool path_given;
    int fd;          /* -1: not connected */
    bool used;       /* this connection carried an answer before */
    bool cut;        /* the answer came before the whole request was sent */
    struct buf head; /* the request under way */
    const char *body;
    size_t body_size;
    struct http_answer answer;
    json_t *error;  /* the error object of the last answer, or NULL */
    char *received; /* RECEIVE_SIZE bytes */
};

int client_open(struct client **ret_client, const struct client_options *options, struct err *err)
{
    struct client *client = calloc(1, sizeof *client);
    int r = client ? 0 : err_memory(err, "the connection");
    if (r < 0)
        goto out;
    client->options = *options;
    client->path_given = options->socket != NULL;
    client->fd = -1;
    client->received = malloc(RECEIVE_SIZE);
    if (!client->received) {
        r = err_memory(err, "the connection");
        goto out;
    }
    r = paths_client_socket(&client->path, options->socket, err);
    if (r < 0)
        goto out;
    *ret_client = client;
    client = NULL;
out:
    client_close(client);
    return r;
}

static void disconnect(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->used = false;
}

void client_close(struct client *client)
{
    if (!client)
        return;
    disconnect(client);
    json_decref(client->error);
    http_answer_release(&client->answer);
    buf_release(&client->head);
    free(client->received);
    free(client->path);
    free(client);
}

static bool cancelled(const struct client *client)
{
    return client->options.cancel && *client->options.cancel;
}

static int not_running(const struct client *client, struct err *err)
{
    const char *option = client->path_given ? " --socket " : "";
    const char *path = client->path_given ? client->path : "";
    struct stat status;
    if (stat(client->path, &status) == 0 && !S_ISSOCK(status.st_mode))
        return err_set(err, ERR_INVALID, "%s is not a socket; give the socket of a daemon",
                       client->path);
    if (stat(client->path, &status) == 0)
        return err_set(
            err, ERR_NOT_FOUND,
            "sbertd is not running (nobody answers at %s); start it with: sbertd start%s%s",
            client->path, option, path);
    return err_set(err, ERR_NOT_FOUND,
                   "sbertd is not running (no socket at %s); start it with: sbertd start%s%s",
                   client->path, option, path);
}

static int connect_socket(struct client *client, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(client->path) >= sizeof address.sun_path)
        return err_set(err, ERR_INVALID, "the socket's path is longer than %d bytes: %s",
                       SOCKET_PATH_MAX, client->path);
    memcpy(address.sun_path, client->path, strlen(client->path) + 1);

    /* Connecting blocks (the daemon may be slow to accept); the rest doesn't. */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot make a socket");
    struct timeval limit = {.tv_sec = (time_t)client->options.timeout_seconds};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        client->fd = fd;
        client->used = false;
        return 0;
    }
    int reason = errno;
    close(fd);
    if (reason == EINTR && cancelled(client))
        return err_set(err, ERR_CANCELLED, "interrupted");
    if (reason == ENOENT || reason == ECONNREFUSED || reason == ENOTDIR)
        return not_running(client, err);
    if (reason == EACCES || reason == EPERM)
        return err_set(err, ERR_IO,
                       "may not use the socket %s: %s; its owner can open it to others with "
                       "sbertd's --socket-mode and --socket-group",
                       client->path, strerror(reason));
    if (reason == EAGAIN)
        return err_set(err, ERR_BUSY, "sbertd at %s takes no connection", client->path);
    return err_set_errno(err, reason, "cannot connect to %s", client->path);
}

/* Waits until the socket is ready for one of `events`: 0, or ERR_BUSY, ERR_CANCELLED. */
static int wait_ready(struct client *client, short events, short *ret_ready, struct err *err)
{
    double deadline = clock_now() + client->options.timeout_seconds;
    for (;;) {
        if (cancelled(client))
            return err_set(err, ERR_CANCELLED, "interrupted");
        struct pollfd wait = {.fd = client->fd, .events = events};
        int ready = poll(&wait, 1, cancel_check_ms);
        if (ready > 0) {
            *ret_ready = wait.revents;
            return 0;
        }
        if (ready < 0 && errno != EINTR)
            return err_set_errno(err, errno, "waiting for the daemon");
        if (clock_now() >= deadline)
            return err_set(err, ERR_BUSY, "no answer from sbertd at %s for %.0f seconds",
                           client->path, client->options.timeout_seconds);
    }
}

/* Writes bytes. Where the daemon answers before it has them all, or closes, the rest is left:
 * reading its answer tells why, and the connection ends with it. */
static int write_bytes(struct client *client, const char *bytes, size_t size, struct err *err)
{
    for (size_t at = 0; at < size && !client->cut;) {
        ssize_t sent = send(client->fd, bytes + at, size - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            at += (size_t)sent;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN) {
            client->cut = true;
            continue;
        }
        short ready = 0;
        int r = wait_ready(client, POLLIN | POLLOUT, &ready, err);
        if (r < 0)
            return r;
        if (ready & POLLIN)
            client->cut = true;
    }
    return 0;
}

/* Sends the request that the client holds, on a connection that is there or new. */
static int transmit(struct client *client, struct err *err)
{
    http_answer_start(&client->answer, ANSWER_LIMIT);
    int r = client->fd < 0 ? connect_socket(client, err) : 0;
    client->cut = false;
    if (r == 0)
        r = write_bytes(client, client->head.data, client->head.size, err);
    if (r == 0)
        r = write_bytes(client, client->body, client->body_size, err);
    return r;
}

int client_send(struct client *client, const char *method, const char *target, const char *body,
                size_t size, struct err *err)
{
    json_decref(client->error);
    client->error = NULL;
    buf_clear(&client->head);
    int r = buf_printf(&client->head, "%s %s HTTP/1.1\r\nHost: localhost\r\n", method, target);
    if (r == 0 && body)
        r = buf_printf(&client->head, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                       size);
    if (r == 0)
        r = buf_append_string(&client->head, "\r\n");
    if (r < 0)
        return err_memory(err, "the request");
    client->body = body;
    client->body_size = body ? size : 0;
    r = transmit(client, err);
    if (r < 0)
        disconnect(client);
    return r;
}

/* To an answer that no sbertd gives, whose it is. */
static int name_stranger(const struct client *client, int r, struct err *err)
{
    return r == ERR_CORRUPT ? err_prefix(err, "what answers at %s may not be sbertd", client->path)
                            : r;
}

/* Reads one answer. *ret_stale: the daemon had closed this kept connection before it saw the
 * request. */
static int read_answer(struct client *client, bool *ret_stale, struct err *err)
{
    bool any = false;
    *ret_stale = false;
    for (;;) {
        short ready = 0;
        int r = wait_ready(client, POLLIN, &ready, err);
        if (r < 0)
            return r;
        ssize_t got = recv(client->fd, client->received, RECEIVE_SIZE, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0 && !any) {
            *ret_stale = client->used;
            return err_set(err, ERR_IO, "sbertd at %s closed the connection without an answer",
                           client->path);
        }
        if (got <= 0) {
            client->answer.keep_alive = false;
            return name_stranger(client, http_answer_end(&client->answer, err), err);
        }
        any = true;
        size_t used = 0;
        r = http_answer_feed(&client->answer, client->received, (size_t)got, &used, err);
        if (r == 0)
            continue;
        if (r > 0 && used < (size_t)got)
            return err_set(err, ERR_CORRUPT, "sbertd at %s sent more than its answer",
                           client->path);
        return r < 0 ? name_stranger(client, r, err) : 0;
    }
}

/* Sleeps, looking out for being cancelled. */
static int pause_for(const struct client *client, double seconds, struct err *err)
{
    for (double end = clock_now() + seconds; clock_now() < end;) {
        if (cancelled(client))
            return err_set(err, ERR_CANCELLED, "interrupted");
        double rest = end - clock_now();
        if (rest > cancel_check_ms / 1e3)
            rest = cancel_check_ms / 1e3;
        struct timespec time = {.tv_nsec = rest > 0 ? (long)(rest * 1e9) : 0};
        nanosleep(&time, NULL);
    }
    return 0;
}

/* Reads the answer, asking again where the protocol says so. */
static int exchange(struct client *client, struct err *err)
{
    double give_up = clock_now() + client->options.retry_seconds;
    for (bool again = false;; again = true) {
        bool stale;
        int r = again ? transmit(client, err) : 0;
        if (r == 0)
            r = read_answer(client, &stale, err);
        else
            stale = false;
        if (r < 0 || !client->answer.keep_alive || client->cut)
            disconnect(client);
        if (r < 0 && !stale)
            return r;
        if (stale)
            continue; /* at most once: the new connection carried no answer before */
        client->used = client->fd >= 0;
        double wait = client->answer.retry_after > 0    ? client->answer.retry_after
                      : client->answer.retry_after == 0 ? least_retry_seconds
                                                        : default_retry_seconds;
        if (client->answer.status != 503 || clock_now() + wait > give_up)
            return 0;
        r = pause_for(client, wait, err);
        if (r < 0)
            return r;
    }
}

static int code_of_error(const json_t *error, int status)
{
    const char *name = json_string_value(json_object_get(error, "code"));
    for (int code = ERR_INVALID; name && code >= ERR_INTERNAL; code--)
        if (strcmp(name, err_code_name(code)) == 0)
            return code;
    return status == 503   ? ERR_BUSY
           : status == 404 ? ERR_NOT_FOUND
           : status == 409 ? ERR_CONFLICT
           : status == 413 ? ERR_LIMIT
           : status >= 500 ? ERR_INTERNAL
                           : ERR_INVALID;
}

int client_receive(struct client *client, json_t **ret_json, struct err *err)
{
    int r = exchange(client, err);
    if (r < 0) {
        client->answer.status = 0;
        return r;
    }
    json_t *json = NULL;
    int status = client->answer.status;
    struct err parse_err = {0};
    r = json_parse(&json, client->answer.body.data ? client->answer.body.data : "",
                   client->answer.body.size, "the daemon's answer", &parse_err);
    if (status >= 200 && status < 300) {
        if (r < 0)
            return name_stranger(client, err_set(err, ERR_CORRUPT, "%s", parse_err.message), err);
        *ret_json = json;
        return 0;
    }
    json_t *error = json_object_get(json, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    int code = code_of_error(error, status);
    if (message)
        err_set(err, code, "%s", message);
    else
        err_set(err, code, "sbertd answered with HTTP status %d", status);
    client->error = json_incref(error);
    json_decref(json);
    return code;
}

int client_call(struct client *client, const char *method, const char *target, const json_t *body,
                json_t **ret_json, struct err *err)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    if (body && !text)
        return err_memory(err, "the request");
    int r = client_send(client, method, target, text, text ? strlen(text) : 0, err);
    if (r == 0)
        r = client_receive(client, ret_json, err);
    client->body = NULL;
    client->body_size = 0;
    free(text);
    return r;
}

const char *client_error_param(const struct client *client)
{
    return json_string_value(json_object_get(client->error, "param"));
}

int client_status(const struct client *client)
{
    return client->answer.status;
}

int client_encode(struct buf *target, const char *text)
{
    int r = 0;
    for (; *text && r == 0; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x80 && (isalnum(byte) || strchr("-._~", byte)))
            r = buf_append_byte(target, (char)byte);
        else
            r = buf_printf(target, "%%%02X", byte);
    }
    return r;
}
