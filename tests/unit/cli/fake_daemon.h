/* A daemon for tests: listens on a socket in a folder of its own and answers each request with
 * whatever bytes the test's function makes of it. One thread serves all connections. */
#ifndef SBERT_TESTS_UNIT_CLI_FAKE_DAEMON_H
#define SBERT_TESTS_UNIT_CLI_FAKE_DAEMON_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "tests/test.h"

enum { FAKE_CONNECTIONS = 8 };

struct fake_request {
    int number;     /* of all requests, from 1 */
    char line[512]; /* "POST /v1/... HTTP/1.1" */
    const char *body;
    size_t size;
};

/* Appends the whole answer, head included. *ret_close: the connection is to be closed after it. */
typedef void (*fake_serve)(void *argument, const struct fake_request *request, struct buf *answer,
                           bool *ret_close);

struct fake_daemon {
    char folder[64], path[96];
    int listener, stop[2], requests;
    bool early; /* answers a request as soon as its head is there, and reads no more of it */
    int fds[FAKE_CONNECTIONS];
    bool deaf[FAKE_CONNECTIONS];
    struct buf received[FAKE_CONNECTIONS];
    fake_serve serve;
    void *argument;
    pthread_t thread;
};

/* An answer with a Content-Length. */
static inline void fake_answer(struct buf *answer, int status, const char *headers,
                               const char *body)
{
    buf_printf(answer, "HTTP/1.1 %d x\r\nContent-Length: %zu\r\n%s\r\n%s", status, strlen(body),
               headers, body);
}

static inline void fake_close(struct fake_daemon *fake, int i)
{
    close(fake->fds[i]);
    fake->fds[i] = -1;
    buf_release(&fake->received[i]);
}

/* Answers the requests that are whole. */
static inline void fake_answer_all(struct fake_daemon *fake, int i)
{
    struct buf *in = &fake->received[i];
    const char *head_end;
    while (fake->fds[i] >= 0 && in->size > 0 && (head_end = strstr(in->data, "\r\n\r\n"))) {
        const char *length = strstr(in->data, "Content-Length: ");
        size_t head = (size_t)(head_end + 4 - in->data);
        size_t size = length && length < head_end ? strtoul(length + 16, NULL, 10) : 0;
        if (in->size < head + size && !fake->early)
            return;
        if (in->size < head + size) {
            fake->deaf[i] = true;
            size = in->size - head;
        }
        struct fake_request request = {
            .number = ++fake->requests, .body = in->data + head, .size = size};
        snprintf(request.line, sizeof request.line, "%.*s", (int)strcspn(in->data, "\r"), in->data);
        struct buf answer = {0};
        bool closes = false;
        fake->serve(fake->argument, &request, &answer, &closes);
        for (size_t at = 0; at < answer.size;) {
            ssize_t sent = send(fake->fds[i], answer.data + at, answer.size - at, MSG_NOSIGNAL);
            if (sent <= 0)
                break;
            at += (size_t)sent;
        }
        buf_release(&answer);
        struct buf rest = {0};
        buf_append(&rest, in->data + head + size, in->size - head - size);
        buf_release(in);
        *in = rest;
        if (closes)
            fake_close(fake, i);
    }
}

static inline void fake_receive(struct fake_daemon *fake, int i)
{
    char bytes[65536];
    ssize_t got = recv(fake->fds[i], bytes, sizeof bytes, 0);
    if (got <= 0) {
        fake_close(fake, i);
        return;
    }
    buf_append(&fake->received[i], bytes, (size_t)got);
    fake_answer_all(fake, i);
}

static inline void *fake_run(void *argument)
{
    struct fake_daemon *fake = argument;
    for (;;) {
        struct pollfd polls[FAKE_CONNECTIONS + 2] = {{.fd = fake->listener, .events = POLLIN},
                                                     {.fd = fake->stop[0], .events = POLLIN}};
        for (int i = 0; i < FAKE_CONNECTIONS; i++)
            polls[i + 2] =
                (struct pollfd){.fd = fake->deaf[i] ? -1 : fake->fds[i], .events = POLLIN};
        poll(polls, FAKE_CONNECTIONS + 2, -1);
        if (polls[1].revents)
            break;
        for (int i = 0; i < FAKE_CONNECTIONS; i++)
            if (polls[i + 2].revents)
                fake_receive(fake, i);
        for (int i = 0; i < FAKE_CONNECTIONS && polls[0].revents; i++)
            if (fake->fds[i] < 0) {
                fake->fds[i] = accept(fake->listener, NULL, NULL);
                polls[0].revents = 0;
            }
    }
    for (int i = 0; i < FAKE_CONNECTIONS; i++)
        if (fake->fds[i] >= 0)
            fake_close(fake, i);
    return NULL;
}

static inline void fake_start_as(struct fake_daemon *fake, fake_serve serve, void *argument,
                                 bool early)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *fake = (struct fake_daemon){.serve = serve, .argument = argument, .early = early};
    for (int i = 0; i < FAKE_CONNECTIONS; i++)
        fake->fds[i] = -1;
    snprintf(fake->folder, sizeof fake->folder, "/tmp/sbertd-fake-XXXXXX");
    assert_non_null(mkdtemp(fake->folder));
    snprintf(fake->path, sizeof fake->path, "%s/sock", fake->folder);
    memcpy(address.sun_path, fake->path, strlen(fake->path) + 1);
    fake->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fake->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fake->listener, 16), 0);
    assert_int_equal(pipe(fake->stop), 0);
    assert_int_equal(pthread_create(&fake->thread, NULL, fake_run, fake), 0);
}

static inline void fake_start(struct fake_daemon *fake, fake_serve serve, void *argument)
{
    fake_start_as(fake, serve, argument, false);
}

static inline void fake_stop(struct fake_daemon *fake)
{
    assert_int_equal(write(fake->stop[1], "x", 1), 1);
    pthread_join(fake->thread, NULL);
    close(fake->listener);
    close(fake->stop[0]);
    close(fake->stop[1]);
    unlink(fake->path);
    rmdir(fake->folder);
}

#endif
