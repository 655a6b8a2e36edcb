/* Fuzzing of what a client sends: the first byte picks the reader, the rest is the body (or, for
 * the last kind, method and request target). Whatever is accepted is written back and must parse.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/routes.h"
#include "daemon/wire.h"
#include "daemon/wire_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum kind { DOCUMENTS, DOCUMENT, DELETE_MANY, SEARCH, EMBEDDINGS, SIMILARITY, COLLECTION, KINDS };

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
    default:
        return wire_read_collection(json, arena, &ret.collection, fault);
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
    int kind = data[0] % (KINDS + 1);
    if (kind == KINDS)
        try_target(text);
    else
        try_body((enum kind)kind, text, size - 1);
    free(text);
    return 0;
}
