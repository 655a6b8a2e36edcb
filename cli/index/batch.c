/* Building the bodies of add requests. It sends nothing. */
#include "cli/index/batch.h"

#include <stdlib.h>

#include "base/json.h"

static json_t *source_json(const struct input_document *document, const char *path)
{
    json_t *source = json_pack("{s:s}", "path", path);
    int r = source ? 0 : -1;
    if (r == 0 && document->line > 0)
        r = json_object_set_new(source, "line", json_integer((json_int_t)document->line));
    if (r == 0 && document->byte_end > 0)
        r = json_object_set_new(source, "byte_start",
                                json_integer((json_int_t)document->byte_start));
    if (r == 0 && document->byte_end > 0)
        r = json_object_set_new(source, "byte_end", json_integer((json_int_t)document->byte_end));
    if (r == 0)
        return source;
    json_decref(source);
    return NULL;
}

static json_t *document_json(const struct input_document *document, const char *source)
{
    json_t *json = json_object();
    int r = json ? 0 : -1;
    if (r == 0 && document->id)
        r = json_object_set_new(json, "id", json_string(document->id));
    if (r == 0)
        r = json_object_set_new(json, "text", json_stringn(document->text, document->text_size));
    if (r == 0 && document->metadata)
        r = json_object_set(json, "metadata", document->metadata);
    if (r == 0 && document->vector)
        r = json_object_set(json, "vector", document->vector);
    if (r == 0 && source)
        r = json_object_set_new(json, "source", source_json(document, source));
    if (r == 0)
        return json;
    json_decref(json);
    return NULL;
}

static int make_room(struct batch *batch)
{
    if (batch->count < batch->capacity)
        return 0;
    size_t capacity = batch->capacity ? batch->capacity * 2 : 64;
    struct batch_document *documents = reallocarray(batch->documents, capacity, sizeof *documents);
    if (!documents)
        return ERR_MEMORY;
    batch->documents = documents;
    batch->capacity = capacity;
    return 0;
}

/* Notes the document whose JSON was appended, or takes it off again where that failed. */
static int finish_document(struct batch *batch, size_t start, int r, void *file, uint64_t line,
                           struct err *err)
{
    if (r == 0)
        r = make_room(batch);
    if (r < 0) {
        batch->json.size = start;
        return err_memory(err, "the documents");
    }
    batch->documents[batch->count++] = (struct batch_document){
        .start = start, .end = batch->json.size, .file = file, .line = line};
    return 0;
}

int batch_add(struct batch *batch, const struct input_document *document, const char *source,
              void *file, struct err *err)
{
    size_t start = batch->json.size;
    json_t *json = document_json(document, source);
    int r = json ? json_append(&batch->json, json, JSON_COMPACT) : ERR_MEMORY;
    json_decref(json);
    return finish_document(batch, start, r, file, document->line, err);
}

int batch_add_text(struct batch *batch, const char *json, size_t size, void *file, uint64_t line,
                   struct err *err)
{
    size_t start = batch->json.size;
    return finish_document(batch, start, buf_append(&batch->json, json, size), file, line, err);
}

void batch_clear(struct batch *batch)
{
    buf_clear(&batch->json);
    batch->count = 0;
}

void batch_release(struct batch *batch)
{
    buf_release(&batch->json);
    free(batch->documents);
    *batch = (struct batch){0};
}

int batch_body(const struct batch *batch, size_t first, size_t last, struct buf *body,
               size_t *ret_count, struct err *err)
{
    size_t count = 0;
    buf_clear(body);
    int r = buf_append_string(body, "{\"documents\":[");
    for (size_t i = first; i < last && r == 0; i++) {
        const struct batch_document *document = &batch->documents[i];
        if (document->refused)
            continue;
        if (count++ > 0)
            r = buf_append_byte(body, ',');
        if (r == 0)
            r = buf_append(body, batch->json.data + document->start,
                           document->end - document->start);
    }
    if (r == 0)
        r = buf_append_string(body, "]}");
    if (r < 0)
        return err_memory(err, "the documents");
    *ret_count = count;
    return 0;
}

size_t batch_find(const struct batch *batch, size_t first, size_t last, size_t index)
{
    for (size_t i = first; i < last; i++)
        if (!batch->documents[i].refused && index-- == 0)
            return i;
    return SIZE_MAX;
}
