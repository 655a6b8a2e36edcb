/* A client of one request, for start, stop and status: see service_probe.h. It closes the
 * connection after the answer, so that the answer ends where the bytes do. */
#include "daemon/service_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "daemon/service_socket.h"

static int send_request(int descriptor, const char *path, struct err *err)
{
    struct buf request = {0};
    int r = buf_printf(&request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                       path);

    if (r < 0)
        r = err_memory(err, "a request");
    else if (send(descriptor, request.data, request.size, MSG_NOSIGNAL) != (ssize_t)request.size)
        r = err_set_errno(err, errno, "cannot send to the daemon");
    buf_release(&request);
    return r;
}

static int receive_all(int descriptor, struct buf *answer, struct err *err)
{
    ssize_t size;

    do {
        if (buf_reserve(answer, 4096) < 0)
            return err_memory(err, "an answer");
        size = recv(descriptor, answer->data + answer->size, 4096, 0);
        if (size > 0)
            answer->size += (size_t)size;
    } while (size > 0 || (size < 0 && errno == EINTR));
    if (size < 0)
        return err_set_errno(err, errno, "the daemon does not answer");
    answer->data[answer->size] = '\0';
    return 0;
}

int service_probe(const char *socket, const char *path, int *ret_status, struct buf *body,
                  pid_t *ret_pid, struct err *err)
{
    struct buf answer = {0};
    pid_t pid = 0;
    int descriptor, status;
    int r = service_socket_connect(&descriptor, &pid, socket, err);

    if (r < 0)
        return r;
    if ((r = send_request(descriptor, path, err)) < 0)
        goto out;
    if ((r = receive_all(descriptor, &answer, err)) < 0)
        goto out;
    const char *text = strstr(answer.data, "\r\n\r\n");
    if (!text || sscanf(answer.data, "HTTP/1.1 %d", &status) != 1) {
        r = err_set(err, ERR_CORRUPT, "what answers on %s does not speak HTTP", socket);
        goto out;
    }
    buf_clear(body);
    if (buf_append_string(body, text + 4) < 0) {
        r = err_memory(err, "an answer");
        goto out;
    }
    *ret_status = status;
    if (ret_pid)
        *ret_pid = pid;
out:
    close(descriptor);
    buf_release(&answer);
    return r;
}

/* The engine holds <data>/lock by flock and writes its process id into it. */
static int find_by_lock(const char *data_folder, pid_t *ret_pid, struct err *err)
{
    char text[32] = "";
    char *path = file_join(data_folder, "lock");
    int r = err_set(err, ERR_NOT_FOUND, "no daemon holds the data folder %s", data_folder);

    if (!path)
        return err_memory(err, "a path");
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0 && flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK &&
        pread(descriptor, text, sizeof text - 1, 0) > 0) {
        pid_t pid = (pid_t)strtol(text, NULL, 10);
        if (pid > 1) {
            *ret_pid = pid;
            r = 0;
        }
    }
    if (descriptor >= 0)
        close(descriptor);
    free(path);
    return r;
}

int service_find(const char *socket, const char *data_folder, pid_t *ret_pid, struct err *err)
{
    pid_t pid = 0;
    int descriptor;
    int r = service_socket_connect(&descriptor, &pid, socket, err);

    if (r == ERR_NOT_FOUND)
        return find_by_lock(data_folder, ret_pid, err);
    if (r < 0)
        return r;
    close(descriptor);
    if (pid <= 1)
        return err_set(err, ERR_UNSUPPORTED,
                       "the daemon on %s runs where this process cannot see it (a container?)",
                       socket);
    *ret_pid = pid;
    return 0;
}
