/* The table of routes, and how a request finds its own.
 *
 * A request target is cut at its slashes before it is percent-decoded, so that an id may hold a
 * slash as %2F.
 */
#include "daemon/routes.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "daemon/wire_limits.h"

static const struct route table[] = {
    {"GET", "/health", ROUTE_AT_ONCE, BODY_NONE, answer_health, {NULL}},
    {"GET", "/openapi.json", ROUTE_AT_ONCE, BODY_NONE, answer_openapi, {NULL}},
    {"GET", "/v1/status", ROUTE_INTERACTIVE, BODY_NONE, answer_status, {NULL}},
    {"POST", "/v1/backup", ROUTE_BULK, BODY_JSON, answer_backup, {NULL}},
    {"POST", "/v1/check", ROUTE_BULK, BODY_JSON, answer_check, {NULL}},
    {"POST", "/v1/embeddings", ROUTE_BY_SIZE, BODY_JSON, answer_embeddings, {NULL}},
    {"POST", "/v1/similarity", ROUTE_BY_SIZE, BODY_JSON, answer_similarity, {NULL}},
    {"POST", "/rerank", ROUTE_INTERACTIVE, BODY_JSON, answer_rerank, {NULL}},
    {"GET", "/v1/collections", ROUTE_INTERACTIVE, BODY_NONE, answer_collections, {NULL}},
    {"PUT", "/v1/collections/{name}", ROUTE_INTERACTIVE, BODY_JSON, answer_collection_put, {NULL}},
    {"GET", "/v1/collections/{name}", ROUTE_INTERACTIVE, BODY_NONE, answer_collection_get, {NULL}},
    {"DELETE",
     "/v1/collections/{name}",
     ROUTE_INTERACTIVE,
     BODY_NONE,
     answer_collection_drop,
     {NULL}},
    {"POST",
     "/v1/collections/{name}/documents",
     ROUTE_BY_SIZE,
     BODY_JSON_OR_LINES,
     answer_add,
     {NULL}},
    {"GET",
     "/v1/collections/{name}/documents",
     ROUTE_INTERACTIVE,
     BODY_NONE,
     answer_list,
     {"limit", "after", "source", "filter", NULL}},
    {"GET",
     "/v1/collections/{name}/export",
     ROUTE_BULK,
     BODY_NONE,
     answer_export,
     {"limit", "after", NULL}},
    {"POST",
     "/v1/collections/{name}/documents/count",
     ROUTE_INTERACTIVE,
     BODY_JSON,
     answer_count,
     {NULL}},
    {"POST", "/v1/collections/{name}/fields", ROUTE_INTERACTIVE, BODY_JSON, answer_fields, {NULL}},
    {"POST",
     "/v1/collections/{name}/documents/delete",
     ROUTE_INTERACTIVE,
     BODY_JSON,
     answer_delete_many,
     {NULL}},
    {"GET",
     "/v1/collections/{name}/documents/{id}",
     ROUTE_INTERACTIVE,
     BODY_NONE,
     answer_get,
     {NULL}},
    {"DELETE",
     "/v1/collections/{name}/documents/{id}",
     ROUTE_INTERACTIVE,
     BODY_NONE,
     answer_delete,
     {NULL}},
    {"POST", "/v1/collections/{name}/search", ROUTE_INTERACTIVE, BODY_JSON, answer_search, {NULL}},
    {"POST", "/v1/collections/{name}/jobs", ROUTE_INTERACTIVE, BODY_JSON, answer_job_start, {NULL}},
    {"GET", "/v1/jobs", ROUTE_INTERACTIVE, BODY_NONE, answer_job_list, {NULL}},
    {"GET", "/v1/jobs/{id}", ROUTE_INTERACTIVE, BODY_NONE, answer_job_get, {NULL}},
    {"DELETE", "/v1/jobs/{id}", ROUTE_INTERACTIVE, BODY_NONE, answer_job_delete, {NULL}},
    {"GET",
     "/v1/jobs/{id}/result",
     ROUTE_INTERACTIVE,
     BODY_NONE,
     answer_job_result,
     {"limit", "after", NULL}},
};

const struct route *routes_table(size_t *ret_count)
{
    *ret_count = sizeof table / sizeof *table;
    return table;
}

/* --- matching --- */

/* A stretch of the request target. */
struct piece {
    const char *text;
    size_t size;
};

/* The stretch up to `end` of characters, which is taken off the front of `rest` with its end. */
static struct piece next_piece(const char **rest, char end)
{
    size_t size = strcspn(*rest, (const char[]){end, '\0'});
    struct piece piece = {*rest, size};
    *rest += size;
    if (**rest)
        ++*rest;
    return piece;
}

/* True where `path` has this shape, as routes give it; `ret_name` and `ret_id` get what stands for
 * them.
 */
static bool matches(const char *shape, const char *path, struct piece *ret_name,
                    struct piece *ret_id)
{
    if (*path != '/')
        return false;
    shape++;
    path++;
    while (*shape && *path) {
        bool more = strchr(path, '/') != NULL;
        struct piece want = next_piece(&shape, '/'), have = next_piece(&path, '/');
        if (more && !*path)
            return false; /* a slash at the end */
        if (*want.text == '{') {
            if (have.size == 0)
                return false;
            *(want.text[1] == 'n' ? ret_name : ret_id) = have;
        } else if (want.size != have.size || memcmp(want.text, have.text, want.size) != 0) {
            return false;
        }
    }
    return !*shape && !*path;
}

static int hex_value(char digit)
{
    if (!isxdigit((unsigned char)digit))
        return -1;
    return isdigit((unsigned char)digit) ? digit - '0' : tolower((unsigned char)digit) - 'a' + 10;
}

/* Percent-decoding (RFC 3986); the result must be UTF-8 without NUL. */
static int decode(struct call *call, const char *param, struct piece piece, const char **ret)
{
    char *text = arena_alloc(&call->arena, piece.size + 1, 1);
    size_t size = 0;

    if (!text)
        return wire_fail(&call->fault, ERR_MEMORY, "", "out of memory for the request");
    for (size_t i = 0; i < piece.size; i++) {
        char c = piece.text[i];
        if (c == '%') {
            int high = i + 2 < piece.size ? hex_value(piece.text[i + 1]) : -1;
            int low = high >= 0 ? hex_value(piece.text[i + 2]) : -1;
            if (low < 0)
                return wire_fail(&call->fault, ERR_INVALID, param, "is not percent-encoded right");
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0')
            return wire_fail(&call->fault, ERR_INVALID, param, "must not hold %%00");
        text[size++] = c;
    }
    if (!utf8_valid(text, size, NULL))
        return wire_fail(&call->fault, ERR_INVALID, param, "is not UTF-8");
    *ret = text;
    return 0;
}

static int read_parameters(struct call *call, const char *query)
{
    while (*query) {
        struct piece pair = next_piece(&query, '&');
        if (pair.size == 0)
            continue;
        const char *equals = memchr(pair.text, '=', pair.size);
        size_t name_size = equals ? (size_t)(equals - pair.text) : pair.size;
        struct piece name = {pair.text, name_size};
        struct piece value = {pair.text + pair.size, 0};
        if (equals)
            value = (struct piece){equals + 1, pair.size - name_size - 1};
        const char *const *known = call->route->parameters;
        while (*known && (strlen(*known) != name.size || memcmp(*known, name.text, name.size) != 0))
            known++;
        if (!*known) {
            char shown[64];
            snprintf(shown, sizeof shown, "%.*s", (int)(name.size < 60 ? name.size : 60),
                     name.text);
            return wire_fail(&call->fault, ERR_INVALID, shown, "unknown query parameter");
        }
        if (call_parameter(call, *known))
            return wire_fail(&call->fault, ERR_INVALID, *known, "is given twice");
        const char *decoded;
        int r = decode(call, *known, value, &decoded);
        if (r < 0)
            return r;
        size_t i = call->parameter_count++;
        call->parameters[i].name = *known;
        call->parameters[i].value = decoded;
    }
    return 0;
}

const char *call_parameter(const struct call *call, const char *name)
{
    for (size_t i = 0; i < call->parameter_count; i++)
        if (strcmp(call->parameters[i].name, name) == 0)
            return call->parameters[i].value;
    return NULL;
}

static int read_path(struct call *call, struct piece name, struct piece id)
{
    int r;

    if (name.text) {
        if ((r = decode(call, "name", name, &call->name)) < 0)
            return r;
        if (!store_name_valid(call->name))
            return wire_fail(&call->fault, ERR_INVALID, "name",
                             "a collection's name is 1 to %d of A-Z a-z 0-9 . _ -, not \"%.80s\"",
                             STORE_NAME_MAX, call->name);
    }
    if (id.text) {
        if ((r = decode(call, "id", id, &call->id)) < 0)
            return r;
        if (strlen(call->id) > LIMIT_ID)
            return wire_fail(&call->fault, ERR_INVALID, "id", "must have at most %d bytes",
                             LIMIT_ID);
    }
    return 0;
}

/* 404, or 405 with the methods that the path has. */
static int refuse_route(struct call *call, const char *method, const char *path)
{
    struct buf text = {0};
    struct piece ignored;
    int r = 0;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (matches(table[i].path, path, &ignored, &ignored))
            r |= buf_printf(&text, "%s%s%s", text.size ? ", " : "", table[i].method,
                            strcmp(table[i].method, "GET") == 0 ? ", HEAD" : "");
    char message[256];
    if (text.size && r == 0 && (call->allow = arena_copy(&call->arena, text.data, text.size))) {
        snprintf(message, sizeof message, "%.100s takes %s, not %.20s", path, call->allow, method);
        call_refuse(call, 405, "method_not_allowed", "", message);
    } else {
        snprintf(message, sizeof message, "there is no route %.20s %.180s", method, path);
        call_refuse(call, 404, "not_found", "", message);
    }
    buf_release(&text);
    return ERR_NOT_FOUND;
}

/* A target may be a whole URL (RFC 9112, 3.2.2). */
static const char *skip_host(const char *target)
{
    if (strncmp(target, "http://", 7) != 0)
        return target;
    const char *path = strchr(target + 7, '/');
    return path ? path : "/";
}

int call_route(struct call *call, const char *method, const char *target)
{
    target = skip_host(target);
    size_t size = strcspn(target, "?");
    const char *path = arena_copy(&call->arena, target, size);
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    struct piece name = {NULL, 0}, id = {NULL, 0};

    if (!path) {
        int r = wire_fail(&call->fault, ERR_MEMORY, "", "out of memory for the request");
        call_fail(call);
        return r;
    }
    for (size_t i = 0; !call->route && i < sizeof table / sizeof *table; i++) {
        struct piece this_name = {NULL, 0}, this_id = {NULL, 0};
        if (strcmp(table[i].method, wanted) == 0 &&
            matches(table[i].path, path, &this_name, &this_id)) {
            call->route = &table[i];
            name = this_name;
            id = this_id;
        }
    }
    if (!call->route)
        return refuse_route(call, method, path);
    int r = read_path(call, name, id);
    if (r == 0)
        r = read_parameters(call, target[size] ? target + size + 1 : "");
    if (r < 0)
        call_fail(call);
    return r;
}
