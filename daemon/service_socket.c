/* The Unix socket's life: see service_socket.h. */
#include "daemon/service_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "daemon/paths.h"

enum { LOCK_SECONDS = 5, PATIENCE_SECONDS = 10 };

static int fill_address(struct sockaddr_un *ret, const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);

    if (size > SOCKET_PATH_MAX)
        return err_set(err, ERR_INVALID, "the socket's path is longer than %d bytes: %s",
                       SOCKET_PATH_MAX, path);
    memcpy(address.sun_path, path, size);
    *ret = address;
    return 0;
}

int service_socket_connect(int *ret_descriptor, pid_t *ret_pid, const char *path, struct err *err)
{
    struct sockaddr_un address;
    struct ucred peer = {0};
    const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    socklen_t size = sizeof peer;
    int r = fill_address(&address, path, err);

    if (r < 0)
        return r;
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return err_set_errno(err, errno, "cannot make a socket");
    /* A daemon that hangs must not hang those who ask. */
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) {
        if (errno == ECONNREFUSED || errno == ENOENT)
            r = err_set(err, ERR_NOT_FOUND, "no daemon answers on %s", path);
        else
            r = err_set_errno(err, errno, "cannot connect to %s", path);
        close(descriptor);
        return r;
    }
    /* The kernel notes who called listen, so this is the daemon itself. */
    if (ret_pid && getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
        *ret_pid = peer.pid;
    *ret_descriptor = descriptor;
    return 0;
}

/* The folder of a path, made where it is missing, locked for the time it stays open. */
static int lock_folder(int *ret_descriptor, const char *path, struct err *err)
{
    char *copy = strdup(path);
    if (!copy)
        return err_memory(err, "the socket");
    const char *folder = dirname(copy);
    int descriptor = -1;
    int r = file_make_folder(folder, 0700, err);
    if (r == 0 && (descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        r = err_set_errno(err, errno, "cannot open the socket's folder %s", folder);
    for (int tries = 0; r == 0 && flock(descriptor, LOCK_EX | LOCK_NB) != 0; tries++) {
        const struct timespec pause = {.tv_nsec = 10 * 1000000};
        if (errno != EWOULDBLOCK)
            r = err_set_errno(err, errno, "cannot lock the socket's folder %s", folder);
        else if (tries == LOCK_SECONDS * 100)
            r = err_set(err, ERR_BUSY, "another process holds the lock on the socket's folder %s",
                        folder);
        else
            nanosleep(&pause, NULL);
    }
    if (r == 0)
        *ret_descriptor = descriptor;
    else if (descriptor >= 0)
        close(descriptor);
    free(copy);
    return r;
}

/* Removes the socket of a daemon that is gone; refuses anything else of that name. */
static int clear_stale(const char *path, struct err *err)
{
    struct stat status;
    pid_t pid = 0;
    int other;

    if (lstat(path, &status) != 0)
        return errno == ENOENT ? 0 : err_set_errno(err, errno, "cannot look at %s", path);
    if (!S_ISSOCK(status.st_mode))
        return err_set(err, ERR_CONFLICT, "%s is there and is not a socket; give another --socket",
                       path);
    int r = service_socket_connect(&other, &pid, path, err);
    if (r == 0) {
        close(other);
        return err_set(err, ERR_BUSY, "another daemon (process %d) answers on %s", (int)pid, path);
    }
    if (r != ERR_NOT_FOUND)
        return r;
    if (unlink(path) != 0 && errno != ENOENT)
        return err_set_errno(err, errno, "cannot remove the stale socket %s", path);
    return 0;
}

/* The number of a group given by name or number. */
static int find_group(gid_t *ret_group, const char *name, struct err *err)
{
    char *end;
    gid_t group = (gid_t)strtoul(name, &end, 10);

    if (*end) {
        const struct group *entry = getgrnam(name);
        if (!entry)
            return err_set(err, ERR_NOT_FOUND, "there is no group named %s for the socket", name);
        group = entry->gr_gid;
    }
    *ret_group = group;
    return 0;
}

/* Whoever the socket is open to must get through to it. Only a folder of ours, named for nothing
 * else, is opened, and only for passing through. */
static int open_folder(int folder, const char *path, mode_t mode, const gid_t *group,
                       struct err *err)
{
    struct stat status;
    mode_t pass = ((mode & S_IRWXG) ? S_IXGRP : 0) | ((mode & S_IRWXO) ? S_IXOTH : 0);
    const char *end = strrchr(path, '/');

    if (!pass || !end || end - path < 7 || strncmp(end - 7, "/sbertd", 7) != 0)
        return 0;
    if (fstat(folder, &status) != 0 || status.st_uid != geteuid())
        return 0;
    if ((group && fchown(folder, (uid_t)-1, *group) != 0) ||
        fchmod(folder, (status.st_mode & 07777) | pass) != 0)
        return err_set_errno(err, errno, "cannot open the socket's folder of %s to others", path);
    return 0;
}

/* Nobody can connect before listen(), so mode and group are in force from the first connection. */
static int bind_and_listen(struct service_socket *socket, const struct sockaddr_un *address,
                           mode_t mode, const gid_t *group, struct err *err)
{
    struct stat status;

    if (bind(socket->descriptor, (const struct sockaddr *)address, sizeof *address) != 0)
        return err_set_errno(err, errno, "cannot make the socket %s", socket->path);
    if (lstat(socket->path, &status) == 0) {
        socket->device = status.st_dev;
        socket->inode = status.st_ino;
    }
    if (group && chown(socket->path, (uid_t)-1, *group) != 0)
        return err_set_errno(err, errno, "cannot give the socket %s to its group", socket->path);
    if (chmod(socket->path, mode) != 0)
        return err_set_errno(err, errno, "cannot set the mode of the socket %s", socket->path);
    if (listen(socket->descriptor, SOMAXCONN) != 0)
        return err_set_errno(err, errno, "cannot listen on %s", socket->path);
    return 0;
}

int service_socket_open(struct service_socket *ret_socket, const char *path, mode_t mode,
                        const char *group, struct err *err)
{
    struct service_socket result = {.descriptor = -1};
    struct sockaddr_un address;
    int folder = -1;
    gid_t number;
    int r = fill_address(&address, path, err);

    if (r == 0 && group)
        r = find_group(&number, group, err);
    if (r < 0)
        return r;
    if (!(result.path = strdup(path)))
        return err_memory(err, "the socket");
    if ((r = lock_folder(&folder, path, err)) < 0)
        goto out;
    if ((r = clear_stale(path, err)) < 0)
        goto out;
    result.descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (result.descriptor < 0) {
        r = err_set_errno(err, errno, "cannot make a socket");
        goto out;
    }
    r = bind_and_listen(&result, &address, mode, group ? &number : NULL, err);
    if (r == 0)
        r = open_folder(folder, path, mode, group ? &number : NULL, err);
out:
    if (folder >= 0)
        close(folder);
    if (r == 0) {
        *ret_socket = result;
        return 0;
    }
    if (result.descriptor >= 0)
        close(result.descriptor);
    service_socket_remove(&result);
    return r;
}

void service_socket_remove(struct service_socket *socket)
{
    struct stat status;

    if (socket->path && socket->inode && lstat(socket->path, &status) == 0 &&
        status.st_dev == socket->device && status.st_ino == socket->inode)
        unlink(socket->path);
    free(socket->path);
    *socket = (struct service_socket){.descriptor = -1};
}
