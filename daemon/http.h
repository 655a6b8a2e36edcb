/* HTTP/1.1 on the socket, by libmicrohttpd.
 *
 * One thread, the loop, owns all connections. It reads a request's head, finds its route, collects
 * its body within the limits, suspends the connection and hands the call to a queue; a worker
 * answers it and resumes the connection; the loop sends the answer. What takes no time the loop
 * answers itself.
 */
#ifndef SBERT_DAEMON_HTTP_H
#define SBERT_DAEMON_HTTP_H

#include "daemon/service.h"

struct http;

/* Serves `service` on a listening socket, which it takes over. */
int http_open(struct http **ret_http, struct service *service, int listening, struct err *err);

/* No new connections from now on; those that are there go on. */
void http_quiesce(struct http *http);

/* Ends all connections and frees; accepts NULL. No call may be with a worker. */
void http_close(struct http *http);

#endif
