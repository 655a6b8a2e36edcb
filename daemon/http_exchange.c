/* The life of a request: see http_exchange.h.
 *
 *     head -> body -> working -> done -> sent
 *              |  ^- an NDJSON batch -^
 *              +-> discarding (refused; the rest of the body is read and dropped) -> sent
 *
 * Threads: the loop owns an exchange, except between suspending its connection and resuming it,
 * when a worker does. A connection is suspended before its work is queued, so that a quick worker
 * cannot resume it too early.
 */
#include "daemon/http_exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "daemon/routes.h"
#include "daemon/routes_lines.h"
#include "daemon/service_log.h"
#include "daemon/wire_limits.h"

enum phase {
    PHASE_HEAD,
    PHASE_BODY,
    PHASE_DISCARD,
    PHASE_WORKING,
    PHASE_DONE,
};

struct exchange {
    struct service_work work;
    struct call call;
    struct service *service;
    struct MHD_Connection *connection;
    char *target, *method;
    enum phase phase;
    bool working; /* counted as such in the service */
    bool is_lines;
    bool ended; /* the upload */
    struct buf body;
    struct lines_upload lines;
    size_t counted;   /* bytes in the service's count of bodies */
    size_t discarded; /* bytes */
    double started;
    double
        piece_started; /* when the body, or this batch of its lines, could have begun to arrive */
};

/* --- begin and end --- */

void *http_exchange_begin(void *argument, const char *target, struct MHD_Connection *connection)
{
    struct service *service = argument;
    struct exchange *exchange = calloc(1, sizeof *exchange);

    if (!exchange)
        return NULL;
    exchange->service = exchange->call.service = service;
    exchange->connection = connection;
    exchange->started = exchange->piece_started = clock_now();
    exchange->target = strdup(target);
    if (!exchange->target) {
        free(exchange);
        return NULL;
    }
    pthread_mutex_lock(&service->lock);
    service->in_flight++;
    pthread_mutex_unlock(&service->lock);
    return exchange;
}

/* Keeps the service's count of body bytes at what this exchange holds now. */
static void count_body(struct exchange *exchange)
{
    size_t now = exchange->body.size + exchange->lines.pending.size;

    if (now > exchange->counted)
        atomic_fetch_add(&exchange->service->body_bytes, now - exchange->counted);
    else
        atomic_fetch_sub(&exchange->service->body_bytes, exchange->counted - now);
    exchange->counted = now;
}

static void release_body(struct exchange *exchange)
{
    buf_release(&exchange->body);
    lines_release(&exchange->lines);
    count_body(exchange);
}

void http_exchange_end(void *argument, struct MHD_Connection *connection, void **slot,
                       enum MHD_RequestTerminationCode code)
{
    struct service *service = argument;
    struct exchange *exchange = *slot;

    (void)connection;
    if (!exchange)
        return;
    if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
        service_log(LOG_DEBUG, "%.20s %.300s: the connection ended early",
                    exchange->method ? exchange->method : "?", exchange->target);
    release_body(exchange);
    call_release(&exchange->call);
    pthread_mutex_lock(&service->lock);
    service->in_flight--;
    service->working -= exchange->working;
    pthread_mutex_unlock(&service->lock);
    if (atomic_load(&service->state) == SERVICE_STOPPING)
        eventfd_write(service->event, 1);
    free(exchange->target);
    free(exchange->method);
    free(exchange);
    *slot = NULL;
}

/* --- the answer --- */

static void log_answer(const struct exchange *exchange)
{
    const struct call *call = &exchange->call;
    double milliseconds = (clock_now() - exchange->started) * 1e3;

    if (call->status >= 500 && call->status != 503)
        service_log(LOG_ERR, "%s %.300s: %d: %s", exchange->method, exchange->target, call->status,
                    call->fault.err.message);
    else
        service_log(LOG_DEBUG, "%s %.300s: %d, %zu bytes, %.1f ms", exchange->method,
                    exchange->target, call->status, call->answer.size, milliseconds);
}

static enum MHD_Result send_answer(struct exchange *exchange)
{
    struct call *call = &exchange->call;
    struct service *service = exchange->service;

    atomic_fetch_add(&service->served, 1);
    if (call->status >= 400)
        atomic_fetch_add(&service->failed, 1);
    log_answer(exchange);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        call->answer.size, call->answer.data,
        call->answer.data ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    call->answer = (struct buf){0};
    MHD_add_response_header(response, "Content-Type",
                            call->lines ? "application/x-ndjson" : "application/json");
    if (call->allow)
        MHD_add_response_header(response, "Allow", call->allow);
    if (call->status == 503)
        MHD_add_response_header(response, "Retry-After", "1");
    if (atomic_load(&service->state) == SERVICE_STOPPING)
        MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result result =
        MHD_queue_response(exchange->connection, (unsigned)call->status, response);
    MHD_destroy_response(response);
    exchange->phase = PHASE_DONE;
    return result;
}

/* --- work --- */

static void run_call(struct service_work *work)
{
    struct exchange *exchange = (struct exchange *)work;
    struct MHD_Connection *connection = exchange->connection;

    exchange->call.body = exchange->body.data;
    exchange->call.body_size = exchange->body.size;
    call_answer(&exchange->call);
    exchange->phase = PHASE_DONE;
    MHD_resume_connection(connection); /* the exchange is the loop's again */
}

static void run_lines(struct service_work *work)
{
    struct exchange *exchange = (struct exchange *)work;
    struct MHD_Connection *connection = exchange->connection;

    lines_process(&exchange->lines, &exchange->call, exchange->ended);
    if (exchange->ended)
        exchange->phase = PHASE_DONE;
    else
        exchange->phase = exchange->lines.failed ? PHASE_DISCARD : PHASE_BODY;
    count_body(exchange);
    exchange->piece_started = clock_now();
    MHD_resume_connection(connection);
}

/* What an answer without an engine is to a call of each kind. */
static void refuse_busy(struct exchange *exchange, const char *message)
{
    if (exchange->is_lines)
        lines_refuse(&exchange->lines, &exchange->call, "busy", 503, message);
    else
        call_refuse(&exchange->call, 503, "busy", "", message);
}

/* Counts the exchange as working; false where the service closes, having waited long enough. */
static bool begin_work(struct exchange *exchange)
{
    struct service *service = exchange->service;

    pthread_mutex_lock(&service->lock);
    if (!exchange->working && !service->closing) {
        exchange->working = true;
        service->working++;
    }
    pthread_mutex_unlock(&service->lock);
    return exchange->working;
}

static enum MHD_Result hand_to_worker(struct exchange *exchange)
{
    struct service *service = exchange->service;
    const struct route *route = exchange->call.route;
    bool bulk = exchange->is_lines || route->kind == ROUTE_BULK ||
                (route->kind == ROUTE_BY_SIZE && exchange->body.size > LIMIT_INTERACTIVE);
    struct MHD_Connection *connection = exchange->connection;
    struct err err = {0};

    if (!begin_work(exchange))
        return MHD_NO;
    exchange->work.run = exchange->is_lines ? run_lines : run_call;
    exchange->phase = PHASE_WORKING;
    MHD_suspend_connection(connection);
    if (service_queue_submit(bulk ? service->bulk : service->interactive, &exchange->work, &err) <
        0) {
        refuse_busy(exchange, err.message);
        exchange->phase = exchange->ended ? PHASE_DONE : PHASE_DISCARD;
        MHD_resume_connection(connection);
    }
    return MHD_YES;
}

/* --- the head --- */

/* True where a header's value is `type`, whatever parameters it has. */
static bool is_type(const char *value, const char *type)
{
    size_t size = strlen(type);
    return strncasecmp(value, type, size) == 0 && strchr("; \t", value[size]) != NULL;
}

static const char *header(const struct exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

/* The length that the head gives, 0 for none, SIZE_MAX for what comes in chunks. */
static size_t announced_length(const struct exchange *exchange)
{
    const char *length = header(exchange, "Content-Length");

    if (header(exchange, "Transfer-Encoding"))
        return SIZE_MAX;
    return length ? strtoull(length, NULL, 10) : 0;
}

static bool refuse_type(struct exchange *exchange)
{
    const char *type = header(exchange, "Content-Type");
    const char *encoding = header(exchange, "Content-Encoding");
    enum route_body body = exchange->call.route->body;

    if (encoding && strcasecmp(encoding, "identity") != 0) {
        call_refuse(&exchange->call, 415, "unsupported_media_type", "Content-Encoding",
                    "bodies are taken as they are, not compressed");
        return true;
    }
    if (type && body == BODY_JSON_OR_LINES && is_type(type, "application/x-ndjson")) {
        exchange->is_lines = true;
        return false;
    }
    if (!type || is_type(type, "application/json") ||
        is_type(type, "application/x-www-form-urlencoded"))
        return false;
    call_refuse(&exchange->call, 415, "unsupported_media_type", "Content-Type",
                body == BODY_JSON_OR_LINES
                    ? "the body must be application/json or application/x-ndjson"
                    : "the body must be application/json");
    return true;
}

static void refuse_long_body(struct exchange *exchange)
{
    char message[80];

    snprintf(message, sizeof message, "the body is larger than the limit of %d bytes", LIMIT_BODY);
    call_refuse(&exchange->call, 413, "limit", "", message);
}

/* True where the head alone is reason to refuse; the answer is written then. */
static bool refuse_head(struct exchange *exchange, const char *method, size_t length)
{
    struct call *call = &exchange->call;

    if (call_route(call, method, exchange->target) < 0)
        return true;
    if (call->route->kind != ROUTE_AT_ONCE && call_refuse_unready(call))
        return true;
    if (call->route->body == BODY_NONE) {
        if (length > 0)
            call_refuse(call, 400, "invalid", "", "this route takes no body");
        return length > 0;
    }
    if (refuse_type(exchange))
        return true;
    if (exchange->is_lines || length == SIZE_MAX || length <= LIMIT_BODY)
        return false;
    refuse_long_body(exchange);
    return true;
}

static enum MHD_Result take_head(struct exchange *exchange, const char *method)
{
    size_t length = announced_length(exchange);

    if (!(exchange->method = strdup(method)))
        return MHD_NO;
    exchange->phase = PHASE_BODY;
    if (!refuse_head(exchange, method, length))
        return MHD_YES;
    exchange->phase = PHASE_DISCARD;
    /* A client that waits for "100 Continue" is told at once; so is one whose body would take long
     * to drop. Others first get to send theirs, since many look for no answer before. */
    bool at_once = header(exchange, "Expect") || (length != SIZE_MAX && length > LIMIT_DISCARD);
    return at_once ? send_answer(exchange) : MHD_YES;
}

/* --- the body --- */

static void refuse_body(struct exchange *exchange)
{
    exchange->phase = PHASE_DISCARD;
    release_body(exchange);
}

static void take_body(struct exchange *exchange, const char *data, size_t size)
{
    struct call *call = &exchange->call;

    if (exchange->is_lines) {
        lines_append(&exchange->lines, call, data, size);
    } else if (exchange->body.size + size > LIMIT_BODY) {
        refuse_long_body(exchange);
        refuse_body(exchange);
        return;
    } else if (buf_append(&exchange->body, data, size) < 0) {
        call_refuse(call, 503, "memory", "", "out of memory for the request");
        refuse_body(exchange);
        return;
    }
    count_body(exchange);
    if (atomic_load(&exchange->service->body_bytes) > LIMIT_BODIES)
        refuse_busy(exchange, "too much is being uploaded at once; try again later");
    if (exchange->lines.failed || call->status)
        refuse_body(exchange);
}

static enum MHD_Result end_body(struct exchange *exchange)
{
    struct call *call = &exchange->call;

    exchange->ended = true;
    if (call->route->kind == ROUTE_AT_ONCE) {
        call_answer(call);
        return send_answer(exchange);
    }
    /* Not refused where the service has been told to stop since: this one was in flight. */
    return hand_to_worker(exchange);
}

/* True where a body dribbles in, never idle for long and never whole. Asked whenever some of it
 * comes; the library looks after those that send nothing. */
static bool is_overdue(const struct exchange *exchange)
{
    if (clock_now() - exchange->piece_started <= LIMIT_BODY_SECONDS)
        return false;
    service_log(LOG_WARNING, "%s %.300s: closed, since its body has not arrived in %d s",
                exchange->method, exchange->target, LIMIT_BODY_SECONDS);
    return true;
}

static enum MHD_Result drop_body(struct exchange *exchange, size_t *data_size)
{
    if (*data_size == 0)
        return send_answer(exchange);
    exchange->discarded += *data_size;
    *data_size = 0;
    return exchange->discarded > LIMIT_DISCARD ? MHD_NO : MHD_YES;
}

enum MHD_Result http_exchange_handle(void *argument, struct MHD_Connection *connection,
                                     const char *url, const char *method, const char *version,
                                     const char *data, size_t *data_size, void **slot)
{
    struct exchange *exchange = *slot;

    (void)argument;
    (void)connection;
    (void)url;
    (void)version;
    if (!exchange)
        return MHD_NO;
    switch (exchange->phase) {
    case PHASE_HEAD:
        return take_head(exchange, method);
    case PHASE_BODY:
        if (*data_size == 0)
            return end_body(exchange);
        if (is_overdue(exchange))
            return MHD_NO;
        /* Before taking more, not after: the library goes on with data that it has already, also
         * on a suspended connection, unless some was left to it. */
        if (exchange->is_lines && lines_ready(&exchange->lines))
            return hand_to_worker(exchange);
        take_body(exchange, data, *data_size);
        *data_size = 0;
        return MHD_YES;
    case PHASE_DISCARD:
        if (*data_size > 0 && is_overdue(exchange))
            return MHD_NO;
        return drop_body(exchange, data_size);
    case PHASE_DONE:
        return send_answer(exchange);
    case PHASE_WORKING:
        break;
    }
    return MHD_NO; /* the library called for a suspended connection: cannot be */
}
