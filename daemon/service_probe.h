/* Asking a running daemon, from another process. */
#ifndef SBERT_DAEMON_SERVICE_PROBE_H
#define SBERT_DAEMON_SERVICE_PROBE_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* GET of a path: the status and, in `body` (replaced), what came. ERR_NOT_FOUND where nobody
 * answers. `ret_pid` may be NULL. */
int service_probe(const char *socket, const char *path, int *ret_status, struct buf *body,
                  pid_t *ret_pid, struct err *err);

/* The process that runs with this socket or, where that is silent, holds this data folder's lock.
 * ERR_NOT_FOUND where there is none. */
int service_find(const char *socket, const char *data_folder, pid_t *ret_pid, struct err *err);

#endif
