/* One request on a connection, from its first line to the last byte of its answer: the callbacks
 * that http.c gives to libmicrohttpd. `argument` is the service. */
#ifndef SBERT_DAEMON_HTTP_EXCHANGE_H
#define SBERT_DAEMON_HTTP_EXCHANGE_H

#include <microhttpd.h>
#include <stddef.h>

/* The request line has come; what it returns is the exchange, NULL without memory. */
void *http_exchange_begin(void *argument, const char *target, struct MHD_Connection *connection);

/* Head, pieces of the body, its end, and a resumed connection all arrive here. */
enum MHD_Result http_exchange_handle(void *argument, struct MHD_Connection *connection,
                                     const char *url, const char *method, const char *version,
                                     const char *data, size_t *data_size, void **exchange);

/* The answer is sent, or the connection is gone. */
void http_exchange_end(void *argument, struct MHD_Connection *connection, void **exchange,
                       enum MHD_RequestTerminationCode code);

#endif
