/* A connection to the daemon: JSON requests over its Unix socket, one under way at a time.
 *
 * It connects at the first request and again where the daemon closed an idle connection. An answer
 * of 503 is asked again after the time its Retry-After names, for `retry_seconds` at most. All
 * requests of the protocol can be repeated without harm, and so they are. Between client_send and
 * client_receive the caller can do other work. One owner at a time; two clients are independent.
 */
#ifndef SBERT_CLI_CLIENT_H
#define SBERT_CLI_CLIENT_H

#include <jansson.h>
#include <signal.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct client;

struct client_options {
    const char *socket;     /* as the command line gave it, or NULL: see paths_client_socket */
    double timeout_seconds; /* how long the daemon may be silent */
    double retry_seconds;   /* how long 503 is taken for "try again" */
    const volatile sig_atomic_t *cancel; /* may be NULL; not 0 ends a wait with ERR_CANCELLED */
};

/* Finds the socket; connects to nothing yet. */
int client_open(struct client **ret_client, const struct client_options *options, struct err *err);
void client_close(struct client *client); /* accepts NULL */

/* Sends a request. `target` is path and query, percent-encoded; `body` (NULL: none) is JSON text,
 * which stays as it is until the answer was received. ERR_NOT_FOUND, saying how to start it, where
 * no daemon listens. */
int client_send(struct client *client, const char *method, const char *target, const char *body,
                size_t size, struct err *err);

/* Waits for the answer to what was sent and gives its JSON, or the daemon's error: ERR_NOT_FOUND
 * for 404, ERR_BUSY for 503 and so on, with its message. ERR_IO where the connection broke. */
int client_receive(struct client *client, json_t **ret_json, struct err *err);

/* Both in one, for a body that may be NULL and is not taken over. */
int client_call(struct client *client, const char *method, const char *target, const json_t *body,
                json_t **ret_json, struct err *err);

/* After client_receive gave an error: the field the daemon named as "param", or NULL; and the
 * status, 0 where no answer came. Both stand until the next request. */
const char *client_error_param(const struct client *client);
int client_status(const struct client *client);

/* Appends text percent-encoded for a path segment or a query parameter. 0 or ERR_MEMORY. */
int client_encode(struct buf *target, const char *text);

#endif
