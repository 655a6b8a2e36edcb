/* Answers about collections: all, one, a new one, and the end of one. */
#include "daemon/routes.h"
#include "daemon/wire_field.h"

/* Null where the clients bring the vectors. */
static void put_of_model(struct json_writer *writer, const struct store_collection *stored,
                         const char *key, const char *value)
{
    json_key(writer, key);
    json_put_string(writer, stored->model[0] ? value : NULL);
}

static int put_fields(struct call *call, struct json_writer *writer,
                      const struct store_collection *stored)
{
    struct store_field *fields;
    size_t count;
    int r = engine_fields_list(call->service->engine, stored, &call->arena, &fields, &count,
                               &call->fault.err);
    if (r < 0)
        return r;
    json_key(writer, "fields");
    json_open(writer, '{');
    for (size_t i = 0; i < count; i++) {
        json_key(writer, fields[i].name);
        json_open(writer, '{');
        json_member_string(writer, "type", field_type_name(fields[i].type));
        json_key(writer, "ready");
        json_put_bool(writer, fields[i].ready);
        json_close(writer, '}');
    }
    json_close(writer, '}');
    return 0;
}

static int put_collection(struct call *call, struct json_writer *writer,
                          const struct engine_collection *collection)
{
    const struct store_collection *stored = &collection->stored;

    json_open(writer, '{');
    json_member_string(writer, "name", stored->name);
    put_of_model(writer, stored, "model", stored->model);
    put_of_model(writer, stored, "fingerprint", stored->fingerprint);
    put_of_model(writer, stored, "precision", stored->precision);
    json_member_integer(writer, "dimension", (int64_t)stored->dimension);
    json_member_string(writer, "metric", stored->metric);
    json_member_integer(writer, "documents", stored->documents);
    json_member_integer(writer, "passages", stored->passages);
    json_member_integer(writer, "sequence", stored->sequence);
    json_member_integer(writer, "created_at", stored->created_at);
    json_key(writer, "ready");
    json_put_bool(writer, collection->ready);
    int r = put_fields(call, writer, stored);
    json_key(writer, "index");
    json_open(writer, '{');
    json_member_string(writer, "setting", stored->index);
    json_member_string(writer, "kind", collection->index_kind);
    json_member_integer(writer, "vectors", (int64_t)collection->index_live);
    json_member_integer(writer, "tombstones", (int64_t)collection->index_tombstones);
    json_member_integer(writer, "segments", (int64_t)collection->index_segments);
    json_member_integer(writer, "tail", (int64_t)collection->index_tail);
    json_member_integer(writer, "unlinked", (int64_t)collection->index_unlinked);
    json_member_integer(writer, "building", (int64_t)collection->index_work_rows);
    json_member_integer(writer, "built", (int64_t)collection->index_work_done);
    json_member_string(writer, "precision", collection->index_precision);
    json_member_integer(writer, "bytes", (int64_t)collection->index_bytes);
    json_member_integer(writer, "sequence", collection->index_sequence);
    json_close(writer, '}');
    json_close(writer, '}');
    return r;
}

int answer_collections(struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};
    struct engine_collection *collections;
    size_t count;
    int r = engine_collection_list(call->service->engine, &call->arena, &collections, &count,
                                   &call->fault.err);
    if (r < 0)
        return r;
    json_open(&writer, '{');
    json_key(&writer, "collections");
    json_open(&writer, '[');
    for (size_t i = 0; i < count && r == 0; i++)
        r = put_collection(call, &writer, &collections[i]);
    if (r < 0)
        return r;
    json_close(&writer, ']');
    json_close(&writer, '}');
    json_line_end(&writer);
    return answer_done(call, &writer);
}

int answer_collection_get(struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};
    struct engine_collection collection;
    int r = engine_collection_get(call->service->engine, call->name, &collection, &call->fault.err);

    if (r == 0)
        r = put_collection(call, &writer, &collection);
    if (r < 0)
        return r;
    json_line_end(&writer);
    return answer_done(call, &writer);
}

int answer_collection_put(struct call *call)
{
    struct engine_collection_options options;
    bool created = false;
    json_t *body;
    int r = wire_parse(&body, call->body, call->body_size, "the request", &call->fault);

    if (r < 0)
        return r;
    r = wire_read_collection(body, &call->arena, &options, &call->fault);
    if (r == 0)
        r = engine_collection_put(call->service->engine, call->name, &options, &created,
                                  &call->fault.err);
    json_decref(body);
    if (r == 0)
        r = answer_collection_get(call);
    if (r == 0 && created)
        call->status = 201;
    return r;
}

int answer_fields(struct call *call)
{
    static const char *const known[] = {"fields", NULL};
    struct store_field *fields = NULL;
    size_t count = 0;
    json_t *body;
    int r = wire_parse(&body, call->body, call->body_size, "the request", &call->fault);

    if (r < 0)
        return r;
    r = wire_check_fields(body, "", known, &call->fault);
    if (r == 0)
        r = wire_read_fields(json_object_get(body, "fields"), "fields", &call->arena, &fields,
                             &count, &call->fault);
    if (r == 0)
        r = engine_fields_declare(call->service->engine, call->name, fields, count,
                                  &call->fault.err);
    json_decref(body);
    return r == 0 ? answer_collection_get(call) : r;
}

int answer_collection_drop(struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};
    int r = engine_collection_drop(call->service->engine, call->name, &call->fault.err);

    if (r < 0)
        return r;
    json_put_raw(&writer, "{\"deleted\":true}\n");
    return answer_done(call, &writer);
}
