/* The Unix socket: listening on it alone, leaving it clean, and asking who is at the other end.
 *
 * A socket whose daemon died is a file that nobody answers on; it is removed. A socket that
 * somebody answers on is never touched. Two daemons that start at the same time are kept apart by a
 * lock on the socket's folder, held only for the check.
 */
#ifndef SBERT_DAEMON_SERVICE_SOCKET_H
#define SBERT_DAEMON_SERVICE_SOCKET_H

#include <sys/types.h>

#include "base/err.h"

struct service_socket {
    int descriptor; /* listening */
    char *path;
    dev_t device; /* of the file we made, so that we remove no other */
    ino_t inode;
};

/* Makes the folder (0700) where it is missing, and listens. `group` (a name or a number) may be
 * NULL. Where `mode` lets others in, a folder of this user's that is named "sbertd" lets them pass
 * through, too. ERR_BUSY where another daemon answers; the message has its process id. */
int service_socket_open(struct service_socket *ret_socket, const char *path, mode_t mode,
                        const char *group, struct err *err);

/* Removes the file, if it is still ours, and frees the rest; the descriptor is the caller's to
 * close (the HTTP server takes it over). */
void service_socket_remove(struct service_socket *socket);

/* Connects; *ret_pid (may be NULL) is the process that listens. ERR_NOT_FOUND where there is no
 * socket or nobody answers. */
int service_socket_connect(int *ret_descriptor, pid_t *ret_pid, const char *path, struct err *err);

#endif
