/* Answers about jobs: started, shown, cancelled, and their results by pages. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/routes.h"
#include "daemon/wire_limits.h"

/* --- writing --- */

/* As it was written, if it was with few digits. */
static void put_float(struct json_writer *writer, float value)
{
    char text[32];
    int digits = 1;
    do
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
    while (strtof(text, NULL) != value && ++digits <= 9);
    json_put_real(writer, strtod(text, NULL));
}

static void put_options(struct json_writer *writer, const struct engine_job_options *options)
{
    json_key(writer, "options");
    json_open(writer, '{');
    if (isfinite(options->threshold) && !options->k) {
        json_key(writer, "threshold");
        put_float(writer, options->threshold);
    }
    if (options->kind == ENGINE_JOB_PAIRS && options->each)
        json_member_integer(writer, "each", (int64_t)options->each);
    else if (options->kind == ENGINE_JOB_PAIRS)
        json_member_integer(writer, "top", (int64_t)options->top);
    if (options->approximate) {
        json_key(writer, "approximate");
        json_put_bool(writer, true);
    }
    if (options->kind == ENGINE_JOB_CLUSTERS && options->k) {
        json_member_integer(writer, "k_means", (int64_t)options->k);
        json_member_integer(writer, "seed", options->seed);
    } else if (options->kind == ENGINE_JOB_CLUSTERS) {
        json_member_integer(writer, "min_size", (int64_t)options->least_size);
    }
    json_close(writer, '}');
}

static void put_progress(struct json_writer *writer, const struct engine_job *job)
{
    json_key(writer, "progress");
    json_open(writer, '{');
    json_member_string(writer, "phase", job->phase);
    json_member_integer(writer, "done", (int64_t)job->done);
    json_key(writer, "total");
    if (job->total)
        json_put_integer(writer, (int64_t)job->total);
    else
        json_put_null(writer);
    json_key(writer, "per_second");
    json_put_score(writer, job->seconds > 0 ? (double)job->done / job->seconds : 0);
    json_close(writer, '}');
}

static void put_time(struct json_writer *writer, const char *key, int64_t time)
{
    if (time)
        json_member_integer(writer, key, time);
}

static void put_job(struct json_writer *writer, const struct engine_job *job)
{
    json_open(writer, '{');
    json_member_string(writer, "id", job->id);
    json_member_string(writer, "kind", engine_job_kind_name(job->options.kind));
    json_member_string(writer, "collection", job->collection);
    put_options(writer, &job->options);
    json_member_string(writer, "state", engine_job_state_name(job->state));
    if (job->phase)
        put_progress(writer, job);
    if (job->state == ENGINE_JOB_DONE) {
        json_member_integer(writer, "documents", (int64_t)job->documents);
        json_member_integer(writer, "results", (int64_t)job->results);
        if (job->options.kind != ENGINE_JOB_PAIRS)
            json_member_integer(writer, "groups", (int64_t)job->groups);
        if (job->recall > 0) {
            json_key(writer, "recall");
            json_put_score(writer, job->recall);
        }
    }
    if (job->err.code) {
        json_key(writer, "error");
        json_open(writer, '{');
        json_member_string(writer, "code", err_code_name(job->err.code));
        json_member_string(writer, "message", job->err.message);
        json_close(writer, '}');
    }
    put_time(writer, "created_at", job->created_at);
    put_time(writer, "started_at", job->started_at);
    put_time(writer, "finished_at", job->finished_at);
    json_close(writer, '}');
}

static int put_one(struct call *call, const struct engine_job *job)
{
    struct json_writer writer = {.buf = &call->answer};
    put_job(&writer, job);
    json_line_end(&writer);
    return answer_done(call, &writer);
}

/* --- answers --- */

int answer_job_start(struct call *call)
{
    struct engine_job_options options;
    struct engine_job job;
    bool created;
    json_t *body;
    int r = wire_parse(&body, call->body, call->body_size, "the request", &call->fault);

    if (r < 0)
        return r;
    r = wire_read_job(body, &options, &call->fault);
    json_decref(body);
    if (r == 0)
        r = engine_job_start(call->service->engine, call->name, &options, &job, &created,
                             &call->fault.err);
    if (r < 0)
        return r;
    if (created)
        call->status = 201;
    return put_one(call, &job);
}

int answer_job_list(struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};
    struct engine_job *jobs;
    size_t count;
    int r = engine_job_list(call->service->engine, &call->arena, &jobs, &count, &call->fault.err);

    if (r < 0)
        return r;
    json_open(&writer, '{');
    json_key(&writer, "jobs");
    json_open(&writer, '[');
    for (size_t i = 0; i < count; i++)
        put_job(&writer, &jobs[i]);
    json_close(&writer, ']');
    json_close(&writer, '}');
    json_line_end(&writer);
    return answer_done(call, &writer);
}

int answer_job_get(struct call *call)
{
    struct engine_job job;
    int r = engine_job_get(call->service->engine, call->id, &job, &call->fault.err);
    return r < 0 ? r : put_one(call, &job);
}

int answer_job_delete(struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};
    bool forgotten;
    int r = engine_job_delete(call->service->engine, call->id, &forgotten, &call->fault.err);

    if (r < 0)
        return r;
    json_open(&writer, '{');
    json_key(&writer, forgotten ? "forgotten" : "cancelled");
    json_put_bool(&writer, true);
    json_close(&writer, '}');
    json_line_end(&writer);
    return answer_done(call, &writer);
}

/* --- results --- */

static void put_document(struct json_writer *writer, const char *key, const struct store_row *row)
{
    json_key(writer, key);
    json_open(writer, '{');
    answer_write_row(writer, row);
    json_close(writer, '}');
}

static void put_entry(struct json_writer *writer, enum engine_job_kind kind,
                      const struct engine_job_entry *entry)
{
    json_open(writer, '{');
    if (kind == ENGINE_JOB_PAIRS) {
        json_key(writer, "score");
        json_put_score(writer, entry->score);
        put_document(writer, "a", &entry->a);
        put_document(writer, "b", &entry->b);
    } else {
        json_member_integer(writer, "group", (int64_t)entry->group);
        json_member_integer(writer, "size", (int64_t)entry->size);
        put_document(writer, "document", &entry->a);
    }
    json_close(writer, '}');
}

static int read_number(struct call *call, const char *name, unsigned long least, unsigned long most,
                       size_t *number)
{
    const char *text = call_parameter(call, name);
    char *end;
    if (!text)
        return 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value < least || value > most)
        return wire_fail(&call->fault, ERR_INVALID, name, "must be a whole number from %lu to %lu",
                         least, most);
    *number = value;
    return 0;
}

int answer_job_result(struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};
    struct engine *engine = call->service->engine;
    struct engine_job_entry *entries;
    struct engine_job job;
    size_t first = 0, limit = DEFAULT_LIST, count, next;
    int r = read_number(call, "limit", 1, LIMIT_LIST, &limit);

    if (r == 0)
        r = read_number(call, "after", 0, SIZE_MAX / 2, &first);
    if (r == 0)
        r = engine_job_get(engine, call->id, &job, &call->fault.err);
    if (r == 0)
        r = engine_job_result(engine, call->id, first, limit, &call->arena, &entries, &count, &next,
                              &call->fault.err);
    if (r < 0)
        return r;
    json_open(&writer, '{');
    json_key(&writer, "results");
    json_open(&writer, '[');
    for (size_t i = 0; i < count; i++)
        put_entry(&writer, job.options.kind, &entries[i]);
    json_close(&writer, ']');
    json_key(&writer, "next");
    if (next != SIZE_MAX)
        json_put_integer(&writer, (int64_t)next);
    else
        json_put_null(&writer);
    json_close(&writer, '}');
    json_line_end(&writer);
    return answer_done(call, &writer);
}
