/* The server: one loop thread that owns all connections: see http.h. What happens to a request on
 * one of them is in http_exchange.c. */
#include "daemon/http.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/http_exchange.h"
#include "daemon/service_log.h"
#include "daemon/wire_limits.h"

struct http {
    struct MHD_Daemon *daemon;
};

static void log_library(void *argument, const char *format, va_list args)
{
    char message[400];

    (void)argument;
    vsnprintf(message, sizeof message, format, args);
    service_log(LOG_DEBUG, "http: %s", message);
}

/* Nothing is decoded by the library: routes.c does it, after cutting at the slashes. */
static size_t leave_escaped(void *argument, struct MHD_Connection *connection, char *text)
{
    (void)argument;
    (void)connection;
    return strlen(text);
}

int http_open(struct http **ret_http, struct service *service, int listening, struct err *err)
{
    struct http *http = calloc(1, sizeof *http);

    if (!http)
        return err_memory(err, "the HTTP server");
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)log_library, NULL}, /* first: the others may log */
        {MHD_OPTION_LISTEN_SOCKET, listening, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)http_exchange_begin, service},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_exchange_end, service},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)leave_escaped, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, LIMIT_CONNECTION_MEMORY, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, LIMIT_CONNECTIONS, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, LIMIT_IDLE_SECONDS, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    http->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL |
                                        MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
                                    0, NULL, NULL, http_exchange_handle, service, MHD_OPTION_ARRAY,
                                    options, MHD_OPTION_END);
    if (!http->daemon) {
        free(http);
        return err_set(err, ERR_INTERNAL, "the HTTP server (libmicrohttpd %s) does not start",
                       MHD_get_version());
    }
    *ret_http = http;
    return 0;
}

void http_quiesce(struct http *http)
{
    MHD_socket listening = MHD_quiesce_daemon(http->daemon);
    if (listening != MHD_INVALID_SOCKET)
        close(listening);
}

void http_close(struct http *http)
{
    if (!http)
        return;
    MHD_stop_daemon(http->daemon);
    free(http);
}
