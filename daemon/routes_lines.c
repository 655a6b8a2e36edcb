/* NDJSON adds, a batch at a time: see routes_lines.h.
 *
 * Every line before the one that fails is committed, so that a client can mend that line and go on
 * from there.
 */
#include "daemon/routes_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/wire_limits.h"

/* Documents that are committed together. */
struct batch {
    struct arena arena;
    json_t *parsed; /* a list that keeps the documents' strings alive */
    struct engine_document documents[LIMIT_BATCH_LINES];
    size_t numbers[LIMIT_BATCH_LINES]; /* of their lines */
    size_t count, bytes;
    size_t first_line, last_line;
};

void lines_append(struct lines_upload *upload, struct call *call, const char *data, size_t size)
{
    if (buf_append(&upload->pending, data, size) < 0) {
        lines_refuse(upload, call, "memory", 503, "out of memory for the upload");
        return;
    }
    for (const char *end = data + size, *at = data; (at = memchr(at, '\n', (size_t)(end - at)));
         at++)
        upload->newlines++;
}

bool lines_ready(const struct lines_upload *upload)
{
    return upload->newlines >= LIMIT_BATCH_LINES ||
           (upload->newlines > 0 && upload->pending.size >= LIMIT_BATCH_BYTES) ||
           upload->pending.size > LIMIT_LINE;
}

void lines_release(struct lines_upload *upload)
{
    buf_release(&upload->pending);
}

/* --- the answer --- */

/* The error's own line; `line` 0 where no line is to blame. */
static void put_error(struct lines_upload *upload, struct call *call, const char *code,
                      const char *message, const char *param, size_t line)
{
    struct json_writer writer = {.buf = &call->answer};

    upload->failed = true;
    call->lines = true;
    json_open(&writer, '{');
    json_key(&writer, "error");
    json_open(&writer, '{');
    json_member_string(&writer, "code", code);
    json_member_string(&writer, "message", message);
    if (*param)
        json_member_string(&writer, "param", param);
    if (line)
        json_member_integer(&writer, "line", (int64_t)line);
    json_close(&writer, '}');
    json_close(&writer, '}');
    json_line_end(&writer);
}

void lines_refuse(struct lines_upload *upload, struct call *call, const char *code, int status,
                  const char *message)
{
    call->status = status;
    put_error(upload, call, code, message, "", upload->lines + 1);
}

/* The fault in call->fault, blamed on a line. */
static int fail_at(struct lines_upload *upload, struct call *call, size_t line)
{
    err_prefix(&call->fault.err, "line %zu", line);
    call->status = call_error_status(call->fault.err.code);
    put_error(upload, call, err_code_name(call->fault.err.code), call->fault.err.message,
              call->fault.param, line);
    return call->fault.err.code;
}

static void put_counts(struct json_writer *writer, size_t added, size_t replaced, size_t unchanged,
                       size_t truncated)
{
    json_member_integer(writer, "added", (int64_t)added);
    json_member_integer(writer, "replaced", (int64_t)replaced);
    json_member_integer(writer, "unchanged", (int64_t)unchanged);
    json_member_integer(writer, "truncated", (int64_t)truncated);
}

static void put_batch(struct lines_upload *upload, struct call *call, const struct batch *batch,
                      const struct engine_add_result *result, size_t count)
{
    struct json_writer writer = {.buf = &call->answer};
    size_t before = call->answer.size;

    json_open(&writer, '{');
    json_member_integer(&writer, "batch", (int64_t)++upload->batches);
    json_key(&writer, "lines");
    json_open(&writer, '[');
    json_put_integer(&writer, (int64_t)batch->first_line);
    json_put_integer(
        &writer, (int64_t)(count < batch->count ? batch->numbers[count - 1] : batch->last_line));
    json_close(&writer, ']');
    put_counts(&writer, result->added, result->replaced, result->unchanged, result->truncated);
    if (call->answer.size < LIMIT_ANSWER_IDS) {
        json_key(&writer, "ids");
        json_open(&writer, '[');
        for (size_t i = 0; i < count; i++)
            json_put_string(&writer, result->ids[i]);
        json_close(&writer, ']');
    }
    json_close(&writer, '}');
    json_line_end(&writer);
    if (writer.failed) {
        call->answer.size = before;
        lines_refuse(upload, call, "memory", 503, "out of memory for the answer");
    }
}

static void put_totals(struct lines_upload *upload, struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};

    json_open(&writer, '{');
    json_key(&writer, "done");
    json_put_bool(&writer, true);
    json_member_integer(&writer, "lines", (int64_t)upload->lines);
    put_counts(&writer, upload->added, upload->replaced, upload->unchanged, upload->truncated);
    json_close(&writer, '}');
    json_line_end(&writer);
    call->status = 200;
}

/* --- committing --- */

static int commit(struct lines_upload *upload, struct call *call, struct batch *batch, size_t count)
{
    struct engine_add_result result;

    if (count == 0)
        return 0;
    call->fault.param[0] = '\0';
    int r = engine_add(call->service->engine, call->name, batch->documents, count, true,
                       &batch->arena, &result, &call->fault.err);
    if (r < 0)
        return r;
    put_batch(upload, call, batch, &result, count);
    upload->added += result.added;
    upload->replaced += result.replaced;
    upload->unchanged += result.unchanged;
    upload->truncated += result.truncated;
    return 0;
}

/* Commits a batch; where the engine blames one document, all before it. */
static int commit_batch(struct lines_upload *upload, struct call *call, struct batch *batch)
{
    size_t bad = 0;
    int r = commit(upload, call, batch, batch->count);

    if (r == 0)
        return 0;
    if (sscanf(call->fault.err.message, "documents[%zu]", &bad) != 1 || bad >= batch->count)
        return fail_at(upload, call, batch->first_line);
    const struct wire_fault fault = call->fault;
    r = commit(upload, call, batch, bad);
    if (r < 0)
        return fail_at(upload, call, batch->first_line);
    call->fault = fault;
    const char *reason = strstr(fault.err.message, ": ");
    if (reason)
        err_set(&call->fault.err, fault.err.code, "%s", reason + 2);
    return fail_at(upload, call, batch->numbers[bad]);
}

/* Adds a line to the batch; blank ones only count. */
static int read_line(struct call *call, struct batch *batch, const char *line, size_t size)
{
    json_t *json;

    if (size > LIMIT_LINE)
        return wire_fail(&call->fault, ERR_LIMIT, "", "is longer than %d bytes", LIMIT_LINE);
    if (strspn(line, " \t\r") >= size)
        return 0;
    int r = wire_parse(&json, line, size, "the document", &call->fault);
    if (r < 0)
        return r;
    if (json_array_append_new(batch->parsed, json) != 0)
        return wire_fail(&call->fault, ERR_MEMORY, "", "out of memory for the upload");
    r = wire_read_document(json, "", &batch->arena, &batch->documents[batch->count], &call->fault);
    if (r == 0)
        batch->count++;
    return r;
}

/* Fills a batch from the lines at *at and commits it; *at moves behind them. */
static int take_batch(struct lines_upload *upload, struct call *call, const char **at,
                      const char *end, struct batch *batch)
{
    int r = 0;

    batch->count = batch->bytes = 0;
    batch->first_line = upload->lines + 1;
    if (!(batch->parsed = json_array())) {
        wire_fail(&call->fault, ERR_MEMORY, "", "out of memory for the upload");
        return fail_at(upload, call, batch->first_line);
    }
    while (*at < end && batch->count < LIMIT_BATCH_LINES && batch->bytes < LIMIT_BATCH_BYTES) {
        const char *newline = memchr(*at, '\n', (size_t)(end - *at));
        size_t size = (size_t)((newline ? newline : end) - *at);
        batch->numbers[batch->count] = upload->lines + 1;
        if ((r = read_line(call, batch, *at, size)) < 0)
            break;
        *at += size + (newline != NULL);
        batch->bytes += size;
        batch->last_line = ++upload->lines;
    }
    const struct wire_fault fault = call->fault;
    size_t bad_line = upload->lines + 1;
    int committed = commit_batch(upload, call, batch);
    if (committed == 0 && r < 0) {
        call->fault = fault;
        fail_at(upload, call, bad_line);
    }
    json_decref(batch->parsed);
    arena_release(&batch->arena);
    return committed < 0 ? committed : r;
}

/* The pending bytes that may be taken now: whole lines, or all at the end. */
static size_t takable(const struct lines_upload *upload, bool last)
{
    const struct buf *pending = &upload->pending;
    const char *newline;

    if (last || pending->size == 0 || (upload->newlines == 0 && pending->size > LIMIT_LINE))
        return pending->size;
    newline = memrchr(pending->data, '\n', pending->size);
    return newline ? (size_t)(newline - pending->data) + 1 : 0;
}

void lines_process(struct lines_upload *upload, struct call *call, bool last)
{
    size_t size = takable(upload, last);
    const char *at = upload->pending.data, *end = size ? at + size : at;
    struct batch *batch = calloc(1, sizeof *batch);
    int r = 0;

    call->lines = true;
    if (!batch) {
        lines_refuse(upload, call, "memory", 503, "out of memory for the upload");
        return;
    }
    while (r == 0 && !upload->failed && at < end) {
        if (!last && atomic_load(&call->service->state) == SERVICE_STOPPING) {
            lines_refuse(upload, call, "stopping", 503, "the service is stopping");
            break;
        }
        r = take_batch(upload, call, &at, end, batch);
    }
    free(batch);
    if (upload->failed)
        return;
    if (size) {
        upload->pending.size -= size;
        memmove(upload->pending.data, end, upload->pending.size + 1);
        upload->newlines = 0;
    }
    if (last)
        put_totals(upload, call);
}
