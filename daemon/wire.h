/* The bodies of requests, read: JSON in, the engine's structures out.
 *
 * Readers check everything: types, limits, unknown fields by name, reserved fields. What they give
 * points into the parsed JSON and the arena, and lives as long as both. A failure is a `struct
 * wire_fault`: the usual error, and the path of the field at fault ("documents[3].text").
 *
 * It knows neither sockets nor the engine at work. Thread-safe with values of one's own.
 */
#ifndef SBERT_DAEMON_WIRE_H
#define SBERT_DAEMON_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "daemon/engine.h"
#include "daemon/engine_jobs.h"
#include "daemon/engine_rerank.h"

struct wire_fault {
    struct err err;
    char param[160]; /* "" where no field is to blame */
};

/* Fills the fault in and returns `code`; "param: " is put before the message where there is a
 * param. */
int wire_fail(struct wire_fault *fault, int code, const char *param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Parses a body; an empty one is an empty object. The top must be an object. `name` says what it is
 * in errors. The caller ends the result with json_decref. */
int wire_parse(json_t **ret_json, const char *body, size_t size, const char *name,
               struct wire_fault *fault);

/* --- documents --- */

struct wire_documents {
    struct engine_document *documents;
    size_t count;
};
int wire_read_documents(const json_t *body, struct arena *arena, struct wire_documents *ret,
                        struct wire_fault *fault);

/* One document, as in the list above or on an NDJSON line. `where` is its path, "" for a line. */
int wire_read_document(const json_t *value, const char *where, struct arena *arena,
                       struct engine_document *ret, struct wire_fault *fault);

struct wire_delete {
    const char **ids;
    size_t count;
    const char *source;                 /* or NULL */
    const struct engine_filter *filter; /* in the place of ids, or NULL */
};
int wire_read_delete(const json_t *body, struct arena *arena, struct wire_delete *ret,
                     struct wire_fault *fault);

/* {} or {"filter": ...}; NULL where there is none. */
int wire_read_count(const json_t *body, struct arena *arena, const struct engine_filter **ret,
                    struct wire_fault *fault);

/* A filter: {"must", "should", "must_not"} of conditions, or one condition. `where` is its path. */
int wire_read_filter(const json_t *value, const char *where, struct arena *arena,
                     struct engine_filter *ret, struct wire_fault *fault);

/* Fields as {"NAME": "TYPE"}. */
int wire_read_fields(const json_t *value, const char *where, struct arena *arena,
                     struct store_field **ret_fields, size_t *ret_count, struct wire_fault *fault);

/* --- search and encoding --- */

struct wire_search {
    struct engine_query *queries;
    size_t count;
    bool list; /* asked with "queries": the answer is a list of lists */
    struct engine_search_options options;
    bool reranked;                       /* in a second stage: */
    struct engine_rerank_options rerank; /* its model is NULL: the service's */
};
int wire_read_search(const json_t *body, struct arena *arena, struct wire_search *ret,
                     struct wire_fault *fault);

struct wire_embeddings {
    struct encoder_text *texts;
    size_t count;
    const char *model, *prompt_name; /* or NULL */
    bool base64;
    size_t dimensions; /* 0: not said */
};
int wire_read_embeddings(const json_t *body, struct arena *arena, struct wire_embeddings *ret,
                         struct wire_fault *fault);

struct wire_similarity {
    struct encoder_text *texts;      /* the source, then the others */
    size_t count;                    /* with the source */
    const char *model, *prompt_name; /* or NULL */
};
int wire_read_similarity(const json_t *body, struct arena *arena, struct wire_similarity *ret,
                         struct wire_fault *fault);

/* text-embeddings-inference's: one query, and texts to put in order. */
struct wire_rerank {
    struct encoder_text *pairs; /* the query with each text */
    size_t count;
    const char *model; /* NULL: the service's, the one that text-embeddings-inference has */
    bool raw_scores, return_text;
};
int wire_read_rerank(const json_t *body, struct arena *arena, struct wire_rerank *ret,
                     struct wire_fault *fault);

/* --- jobs --- */

int wire_read_job(const json_t *body, struct engine_job_options *ret, struct wire_fault *fault);

/* --- collections --- */

int wire_read_collection(const json_t *body, struct arena *arena,
                         struct engine_collection_options *ret, struct wire_fault *fault);

#endif
