/* Documents with their vectors, as an add takes them again. */
#include <string.h>

#include "daemon/routes.h"
#include "daemon/wire_field.h"
#include "daemon/wire_limits.h"

/* Writes "vector": its base64, straight into the answer. */
static void put_vector(struct call *call, struct json_writer *writer, const float *vector,
                       size_t dimension)
{
    const char *text = wire_base64(vector, dimension, &call->arena);
    writer->failed |= !text;
    if (text)
        json_member_string(writer, "vector", text);
}

static void put_passages(struct call *call, struct json_writer *writer,
                         const struct store_whole *whole, size_t dimension)
{
    json_key(writer, "passages");
    json_open(writer, '[');
    for (size_t i = 0; i < whole->passage_count; i++) {
        const struct store_passage *passage = &whole->passages[i];
        json_open(writer, '{');
        json_member_integer(writer, "start", (int64_t)passage->start);
        json_member_integer(writer, "end", (int64_t)passage->end);
        put_vector(call, writer, passage->vector, dimension);
        json_close(writer, '}');
    }
    json_close(writer, ']');
}

/* A document, as one of its sources brought it. */
static void put_whole(struct call *call, struct json_writer *writer,
                      const struct store_whole *whole, const struct store_source *source,
                      size_t dimension)
{
    json_open(writer, '{');
    json_member_string(writer, "id", whole->id);
    json_key(writer, "text");
    json_text(writer, whole->text, whole->text_size);
    if (whole->metadata) {
        json_key(writer, "metadata");
        json_put_raw(writer, whole->metadata);
    }
    if (source->path)
        answer_write_source(writer, source);
    if (whole->own_vector && whole->passage_count == 1)
        put_vector(call, writer, whole->passages[0].vector, dimension);
    else
        put_passages(call, writer, whole, dimension);
    json_close(writer, '}');
}

int answer_export(struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};
    struct engine_export_options options = {.after = call_parameter(call, "after"),
                                            .bytes = LIMIT_EXPORT};
    struct store_whole *wholes;
    size_t count, dimension;
    bool more;
    int r = answer_read_limit(call, &options.limit);

    if (r == 0)
        r = engine_export(call->service->engine, call->name, &options, &call->arena, &wholes,
                          &count, &dimension, &more, &call->fault.err);
    if (r < 0)
        return r;
    json_open(&writer, '{');
    json_key(&writer, "documents");
    json_open(&writer, '[');
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < wholes[i].source_count; j++)
            put_whole(call, &writer, &wholes[i], &wholes[i].sources[j], dimension);
    json_close(&writer, ']');
    json_member_string(&writer, "next", more ? wholes[count - 1].id : NULL);
    json_close(&writer, '}');
    json_line_end(&writer);
    return answer_done(call, &writer);
}
