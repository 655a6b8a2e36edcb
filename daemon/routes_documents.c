/* Answers about documents: adding, listing, fetching, deleting. NDJSON adds are in routes_lines.c.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/routes.h"
#include "daemon/wire_limits.h"

void answer_write_source(struct json_writer *writer, const struct store_source *source)
{
    json_key(writer, "source");
    json_open(writer, '{');
    json_member_string(writer, "path", source->path);
    if (source->line)
        json_member_integer(writer, "line", source->line);
    if (source->byte_end) {
        json_member_integer(writer, "byte_start", source->byte_start);
        json_member_integer(writer, "byte_end", source->byte_end);
    }
    json_close(writer, '}');
}

void answer_write_row(struct json_writer *writer, const struct store_row *row)
{
    json_member_string(writer, "id", row->id);
    json_key(writer, "text");
    json_text(writer, row->text, row->text_size);
    json_key(writer, "metadata");
    if (row->metadata)
        json_put_raw(writer, row->metadata);
    else
        json_put_null(writer);
    if (row->source.path)
        answer_write_source(writer, &row->source);
}

static void put_document(struct json_writer *writer, const struct store_row *row)
{
    json_open(writer, '{');
    answer_write_row(writer, row);
    json_member_integer(writer, "passages", (int64_t)row->passages);
    json_member_integer(writer, "created_at", row->created_at);
    json_member_integer(writer, "updated_at", row->updated_at);
    json_close(writer, '}');
}

int answer_add(struct call *call)
{
    bool bulk = call->body_size > LIMIT_INTERACTIVE;
    struct json_writer writer = {.buf = &call->answer};
    struct engine_add_result result;
    struct wire_documents request;
    json_t *body;
    int r = wire_parse(&body, call->body, call->body_size, "the request", &call->fault);

    if (r < 0)
        return r;
    r = wire_read_documents(body, &call->arena, &request, &call->fault);
    if (r == 0)
        r = engine_add(call->service->engine, call->name, request.documents, request.count, bulk,
                       &call->arena, &result, &call->fault.err);
    if (r == 0) {
        json_open(&writer, '{');
        json_member_integer(&writer, "added", (int64_t)result.added);
        json_member_integer(&writer, "replaced", (int64_t)result.replaced);
        json_member_integer(&writer, "unchanged", (int64_t)result.unchanged);
        json_member_integer(&writer, "truncated", (int64_t)result.truncated);
        json_key(&writer, "ids");
        json_open(&writer, '[');
        for (size_t i = 0; i < request.count; i++)
            json_put_string(&writer, result.ids[i]);
        json_close(&writer, ']');
        json_close(&writer, '}');
        json_line_end(&writer);
        r = answer_done(call, &writer);
    }
    json_decref(body);
    return r;
}

int answer_read_limit(struct call *call, size_t *ret)
{
    const char *text = call_parameter(call, "limit");
    size_t limit = DEFAULT_LIST;

    if (text) {
        char *end;
        limit = strtoul(text, &end, 10);
        if (*text < '0' || *text > '9' || *end || limit < 1 || limit > LIMIT_LIST)
            return wire_fail(&call->fault, ERR_INVALID, "limit",
                             "must be a whole number from 1 to %d", LIMIT_LIST);
    }
    *ret = limit;
    return 0;
}

/* The rows to list; `filter` is the query parameter's JSON, or NULL. */
static int list_rows(struct call *call, const char *filter, size_t limit,
                     struct store_row **ret_rows, size_t *ret_count)
{
    struct engine_filter wanted;
    struct engine_list_options options = {.after = call_parameter(call, "after"),
                                          .source = call_parameter(call, "source"),
                                          .limit = limit};
    json_t *json = NULL;
    int r = 0;
    if (filter && options.source)
        return wire_fail(&call->fault, ERR_INVALID, "filter", "cannot stand beside source");
    if (filter) {
        r = wire_parse(&json, filter, strlen(filter), "filter", &call->fault);
        if (r == 0)
            r = wire_read_filter(json, "filter", &call->arena, &wanted, &call->fault);
        options.filter = &wanted;
    }
    if (r == 0)
        r = engine_list(call->service->engine, call->name, &options, &call->arena, ret_rows,
                        ret_count, &call->fault.err);
    json_decref(json);
    return r;
}

int answer_list(struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};
    struct store_row *rows;
    size_t limit = 0, count;
    int r = answer_read_limit(call, &limit);

    if (r < 0)
        return r;
    /* One more than asked for tells whether there are more. */
    r = list_rows(call, call_parameter(call, "filter"), limit + 1, &rows, &count);
    if (r < 0)
        return r;
    bool more = count > limit;
    json_open(&writer, '{');
    json_key(&writer, "documents");
    json_open(&writer, '[');
    for (size_t i = 0; i < count && i < limit; i++)
        put_document(&writer, &rows[i]);
    json_close(&writer, ']');
    json_member_string(&writer, "next", more ? rows[limit - 1].id : NULL);
    json_close(&writer, '}');
    json_line_end(&writer);
    return answer_done(call, &writer);
}

int answer_get(struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};
    struct store_row row;
    int r = engine_get(call->service->engine, call->name, call->id, &call->arena, &row,
                       &call->fault.err);

    if (r < 0)
        return r;
    put_document(&writer, &row);
    json_line_end(&writer);
    return answer_done(call, &writer);
}

int answer_delete(struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};
    size_t deleted;
    int r = engine_delete(call->service->engine, call->name, &call->id, 1, NULL, &deleted,
                          &call->fault.err);

    if (r < 0)
        return r;
    if (deleted == 0)
        return wire_fail(&call->fault, ERR_NOT_FOUND, "id",
                         "there is no document \"%.200s\" in the collection %s", call->id,
                         call->name);
    json_put_raw(&writer, "{\"deleted\":true}\n");
    return answer_done(call, &writer);
}

int answer_delete_many(struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};
    struct wire_delete request;
    size_t deleted = 0;
    json_t *body;
    int r = wire_parse(&body, call->body, call->body_size, "the request", &call->fault);

    if (r < 0)
        return r;
    r = wire_read_delete(body, &call->arena, &request, &call->fault);
    if (r == 0 && request.filter)
        r = engine_delete_selected(call->service->engine, call->name, request.filter, &deleted,
                                   &call->fault.err);
    else if (r == 0)
        r = engine_delete(call->service->engine, call->name, request.ids, request.count,
                          request.source, &deleted, &call->fault.err);
    if (r == 0) {
        json_open(&writer, '{');
        json_member_integer(&writer, "deleted", (int64_t)deleted);
        json_close(&writer, '}');
        json_line_end(&writer);
        r = answer_done(call, &writer);
    }
    json_decref(body);
    return r;
}

int answer_count(struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};
    const struct engine_filter *filter = NULL;
    size_t count = 0;
    json_t *body;
    int r = wire_parse(&body, call->body, call->body_size, "the request", &call->fault);

    if (r < 0)
        return r;
    r = wire_read_count(body, &call->arena, &filter, &call->fault);
    if (r == 0)
        r = engine_count(call->service->engine, call->name, filter, &count, &call->fault.err);
    if (r == 0) {
        json_open(&writer, '{');
        json_member_integer(&writer, "count", (int64_t)count);
        json_close(&writer, '}');
        json_line_end(&writer);
        r = answer_done(call, &writer);
    }
    json_decref(body);
    return r;
}
