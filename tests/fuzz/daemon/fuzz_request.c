/* Fuzzing of what a client sends: the first byte picks the reader ('0' for the first), the rest is
 * the body (or, for the last kind, method and request target). Whatever is accepted is written back
 * and must parse; what is refused says why.
 */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/routes.h"
#include "daemon/wire.h"
#include "daemon/wire_json.h"
#include "daemon/wire_limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum kind {
    DOCUMENTS,
    DOCUMENT,
    DELETE_MANY,
    SEARCH,
    EMBEDDINGS,
    SIMILARITY,
    COLLECTION,
    RERANK,
    JOB,
    COUNT,
    TARGET,
    KINDS
};

/* Canonical JSON is valid JSON, and its own canonical form. */
static void check_canonical(const json_t *json)
{
    struct buf once = {0}, twice = {0};
    struct json_writer writer = {.buf = &once};
    struct err err;
    json_t *again;

    json_put_value(&writer, json);
    if (json_parse(&again, once.data, once.size, "the canonical form", &err) < 0)
        abort();
    writer = (struct json_writer){.buf = &twice};
    json_put_value(&writer, again);
    if (once.size != twice.size || memcmp(once.data, twice.data, once.size) != 0)
        abort();
    json_decref(again);
    buf_release(&once);
    buf_release(&twice);
}

/* A request that was read scores at least one pair, each with both its texts. */
static int check_rerank(const struct wire_rerank *rerank, int r)
{
    for (size_t i = 0; r == 0 && i < rerank->count; i++)
        if (!rerank->pairs[i].text || !rerank->pairs[i].pair)
            abort();
    if (r == 0 && (!rerank->model || rerank->count > LIMIT_INPUTS))
        abort();
    return r;
}

/* A job that was read can be worked on: its numbers are in range. */
static int check_job(const struct engine_job_options *job, int r)
{
    if (r == 0 && (job->top > ENGINE_JOB_PAIRS_MAX || job->each > ENGINE_JOB_EACH_MAX ||
                   isnan(job->threshold) || job->threshold > 1 || job->seed < 0 ||
                   (job->kind == ENGINE_JOB_PAIRS && job->top == 0 && job->each == 0)))
        abort();
    return r;
}

static int read_body(enum kind kind, const json_t *json, struct arena *arena,
                     struct wire_fault *fault)
{
    union {
        struct wire_documents documents;
        struct engine_document document;
        struct wire_delete delete;
        struct wire_search search;
        struct wire_embeddings embeddings;
        struct wire_similarity similarity;
        struct engine_collection_options collection;
        struct wire_rerank rerank;
        struct engine_job_options job;
        const struct engine_filter *filter;
    } ret;

    switch (kind) {
    case DOCUMENTS:
        return wire_read_documents(json, arena, &ret.documents, fault);
    case DOCUMENT:
        return wire_read_document(json, "", arena, &ret.document, fault);
    case DELETE_MANY:
        return wire_read_delete(json, arena, &ret.delete, fault);
    case SEARCH:
        return wire_read_search(json, arena, &ret.search, fault);
    case EMBEDDINGS:
        return wire_read_embeddings(json, arena, &ret.embeddings, fault);
    case SIMILARITY:
        return wire_read_similarity(json, arena, &ret.similarity, fault);
    case COLLECTION:
        return wire_read_collection(json, arena, &ret.collection, fault);
    case RERANK:
        return check_rerank(&ret.rerank, wire_read_rerank(json, arena, &ret.rerank, fault));
    case JOB:
        return check_job(&ret.job, wire_read_job(json, &ret.job, fault));
    default:
        return wire_read_count(json, arena, &ret.filter, fault);
    }
}

static void try_body(enum kind kind, const char *body, size_t size)
{
    struct wire_fault fault = {0};
    struct arena arena = {0};
    json_t *json;

    if (wire_parse(&json, body, size, "the request", &fault) < 0)
        return;
    if (read_body(kind, json, &arena, &fault) < 0 && !*fault.err.message)
        abort();
    check_canonical(json);
    json_decref(json);
    arena_release(&arena);
}

/* A line "METHOD TARGET". */
static void try_target(const char *line)
{
    static struct service service;
    struct call call = {.service = &service};
    char *copy = strdup(line), *target = copy;
    const char *method = copy ? strsep(&target, " ") : NULL;

    if (copy && target && call_route(&call, method, target) < 0) {
        struct err err;
        json_t *answer;
        if (call.status < 400 ||
            json_parse(&answer, call.answer.data, call.answer.size, "the answer", &err) < 0)
            abort();
        json_decref(answer);
    }
    call_release(&call);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *text = malloc(size); /* exactly as long, so that reading over the end is seen */
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    int kind = (uint8_t)(data[0] - '0') % KINDS;
    if (kind == TARGET)
        try_target(text);
    else
        try_body((enum kind)kind, text, size - 1);
    free(text);
    return 0;
}
