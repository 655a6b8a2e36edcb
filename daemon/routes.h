/* The routes of the protocol: which path and method is which, and the answer to each.
 *
 * A call is one request with its answer, without any of HTTP's mechanics. It is owned by one thread
 * at a time: the loop routes it, a worker answers it.
 */
#ifndef SBERT_DAEMON_ROUTES_H
#define SBERT_DAEMON_ROUTES_H

#include "base/arena.h"
#include "base/buf.h"
#include "daemon/service.h"
#include "daemon/wire.h"
#include "daemon/wire_json.h"

struct call;

enum route_kind {
    ROUTE_AT_ONCE,     /* answered by the loop itself: takes no time and needs no engine */
    ROUTE_INTERACTIVE, /* short */
    ROUTE_BULK,        /* long: waits for its turn among the bulk ones */
    ROUTE_BY_SIZE,     /* interactive where the body is small, else bulk */
};

enum route_body { BODY_NONE, BODY_JSON, BODY_JSON_OR_LINES };

struct route {
    const char *method;
    const char *path; /* "/v1/collections/{name}" */
    enum route_kind kind;
    enum route_body body;
    /* Writes the answer, or fills call->fault and returns a negative code. */
    int (*answer)(struct call *call);
    const char *parameters[5]; /* query parameters it takes, ends with NULL */
};

/* All of them, for the table's test; *ret_count entries. */
const struct route *routes_table(size_t *ret_count);

enum { CALL_PARAMETERS_MAX = 8 };

struct call {
    struct service *service;
    const struct route *route;
    struct arena arena;
    const char *name, *id; /* from the path, decoded */
    struct {
        const char *name, *value;
    } parameters[CALL_PARAMETERS_MAX];
    size_t parameter_count;
    const char *body; /* the owner's */
    size_t body_size;

    int status;
    struct buf answer;
    bool lines;        /* the answer is NDJSON */
    const char *allow; /* for the header Allow, or NULL */
    struct wire_fault fault;
};

/* Finds the route of a method and a raw request target (path and query, percent-encoded), and takes
 * both apart. On failure the answer is the error. */
int call_route(struct call *call, const char *method, const char *target);

/* The value of a query parameter, or NULL. */
const char *call_parameter(const struct call *call, const char *name);

/* Does the work and writes the answer, be it an error. Routes other than ROUTE_AT_ONCE want the
 * service ready: see call_refuse_unready. */
void call_answer(struct call *call);

/* Writes the error in call->fault as the answer, with the status that belongs to its code. */
void call_fail(struct call *call);

/* Writes an error of HTTP's own as the answer. */
void call_refuse(struct call *call, int status, const char *code, const char *param,
                 const char *message);

/* Where the service is not ready, writes why as the answer and returns true. */
bool call_refuse_unready(struct call *call);

/* Puts the service's own cross-encoder in the place of a model that is NULL; the fault names
 * `where` there should be one. */
int call_rerank_model(struct call *call, const char *where, const char **model);

/* The HTTP status that belongs to an enum err_code. */
int call_error_status(int code);

void call_release(struct call *call);

/* --- the answers, by file --- */

int answer_health(struct call *call);
int answer_openapi(struct call *call);
int answer_status(struct call *call);
int answer_backup(struct call *call);
int answer_check(struct call *call);

int answer_embeddings(struct call *call);
int answer_similarity(struct call *call);
int answer_search(struct call *call);
int answer_rerank(struct call *call);

int answer_collections(struct call *call);
int answer_collection_put(struct call *call);
int answer_collection_get(struct call *call);
int answer_collection_drop(struct call *call);
int answer_fields(struct call *call);

int answer_add(struct call *call);
int answer_list(struct call *call);
int answer_export(struct call *call);
int answer_delete_many(struct call *call);
int answer_count(struct call *call);
int answer_get(struct call *call);
int answer_delete(struct call *call);

int answer_job_start(struct call *call);
int answer_job_list(struct call *call);
int answer_job_get(struct call *call);
int answer_job_delete(struct call *call);
int answer_job_result(struct call *call);

/* A document's members "id", "text", "metadata", "source". */
void answer_write_row(struct json_writer *writer, const struct store_row *row);

/* The key "source" with a place in a file. */
void answer_write_source(struct json_writer *writer, const struct store_source *source);

/* The query parameter `limit`, or its default. */
int answer_read_limit(struct call *call, size_t *ret);

/* 0, or ERR_MEMORY in the fault where the writer found none. */
int answer_done(struct call *call, const struct json_writer *writer);

#endif
