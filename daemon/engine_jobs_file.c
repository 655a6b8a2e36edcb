/* The jobs that are not done, in a file of the data folder: what a later life can tell of those
 * that it does not go on with. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "daemon/engine_jobs_internal.h"

enum { FILE_MAX = 1 << 20 };

/* --- writing --- */

static json_t *to_json(const struct job *job)
{
    const struct engine_job_options *options = &job->options;
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:i}", "id", job->id, "collection",
                  job->collection, "kind", engine_job_kind_name(options->kind), "created_at",
                  (json_int_t)job->created_at, "top", (json_int_t)options->top, "each",
                  (json_int_t)options->each, "min_size", (json_int_t)options->least_size, "k_means",
                  (json_int_t)options->k, "seed", options->seed);
    if (json && isfinite(options->threshold))
        json_object_set_new(json, "threshold", json_real((double)options->threshold));
    if (json && options->approximate)
        json_object_set_new(json, "approximate", json_true());
    return json;
}

void job_file_write(struct engine *engine, const struct job_table *table)
{
    struct err err = {0};
    struct buf text = {0};
    json_t *list = json_array();
    bool complete = list != NULL;
    for (size_t i = 0; complete && i < table->count; i++) {
        enum engine_job_state state = table->jobs[i]->state;
        if (state == ENGINE_JOB_WAITING || state == ENGINE_JOB_RUNNING ||
            state == ENGINE_JOB_INTERRUPTED)
            complete = json_array_append_new(list, to_json(table->jobs[i])) == 0;
    }
    json_t *json = complete ? json_pack("{s:O}", "jobs", list) : NULL;
    int r = json ? json_append(&text, json, JSON_COMPACT) : ERR_MEMORY;
    if (r)
        err_memory(&err, "the list of jobs");
    else
        r = file_write(table->path, text.data, text.size, 0600, &err);
    if (r)
        engine_log(engine, LOG_WARNING, "the list of jobs is not saved: %s", err.message);
    json_decref(json);
    json_decref(list);
    buf_release(&text);
}

/* --- reading --- */

static size_t to_size(const json_t *json, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(json, name));
    return value > 0 ? (size_t)value : 0;
}

/* False where it is not one of ours. */
static bool from_json(const json_t *json, struct job *job)
{
    const char *id = json_string_value(json_object_get(json, "id"));
    const char *collection = json_string_value(json_object_get(json, "collection"));
    const char *kind = json_string_value(json_object_get(json, "kind"));
    const json_t *threshold = json_object_get(json, "threshold");
    int k = ENGINE_JOB_PAIRS;
    if (!id || strlen(id) != ENGINE_JOB_ID_SIZE - 1 || !collection ||
        !store_name_valid(collection) || !kind)
        return false;
    while (k <= ENGINE_JOB_CLUSTERS && strcmp(engine_job_kind_name((enum engine_job_kind)k), kind))
        k++;
    if (k > ENGINE_JOB_CLUSTERS)
        return false;
    snprintf(job->id, sizeof job->id, "%s", id);
    snprintf(job->collection, sizeof job->collection, "%s", collection);
    job->created_at = json_integer_value(json_object_get(json, "created_at"));
    job->options = (struct engine_job_options){
        .kind = (enum engine_job_kind)k,
        .top = to_size(json, "top"),
        .each = to_size(json, "each"),
        .approximate = json_is_true(json_object_get(json, "approximate")),
        .threshold = threshold ? (float)json_number_value(threshold) : -INFINITY,
        .least_size = to_size(json, "min_size"),
        .k = to_size(json, "k_means"),
        .seed = (int)json_integer_value(json_object_get(json, "seed")),
    };
    return true;
}

static int take_all(struct engine *engine, struct job_table *table, const json_t *list,
                    struct err *err)
{
    size_t i;
    json_t *item;
    int r = 0;
    json_array_foreach(list, i, item)
    {
        struct job *job = calloc(1, sizeof *job);
        if (!job)
            return err_memory(err, "the list of jobs");
        if (!from_json(item, job)) {
            engine_log(engine, LOG_WARNING, "%s: entry %zu is no job", table->path, i);
            free(job);
            continue;
        }
        job->state = ENGINE_JOB_INTERRUPTED;
        err_set(&job->err, ERR_CANCELLED,
                "the service stopped before the job was done: start it again");
        r = job_table_append(table, job, err);
        if (r) {
            free(job);
            return r;
        }
        engine_log(engine, LOG_INFO, "job %s (%s of %s) was interrupted", job->id,
                   engine_job_kind_name(job->options.kind), job->collection);
    }
    return 0;
}

int job_file_read(struct engine *engine, struct job_table *table, struct err *err)
{
    struct err why = {0};
    json_t *json = NULL;
    if (!file_exists(table->path))
        return 0;
    if (json_read_object(&json, table->path, FILE_MAX, &why) != 0) {
        engine_log(engine, LOG_WARNING, "the list of jobs cannot be read: %s", why.message);
        return 0;
    }
    int r = take_all(engine, table, json_object_get(json, "jobs"), err);
    json_decref(json);
    return r;
}
