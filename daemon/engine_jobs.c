/* The table of jobs, and the thread that takes one after the other.
 *
 * That thread is a nice one, not one of the lowest class: it takes locks that others wait for. What
 * takes long it leaves to threads of the lowest class (engine_jobs_run.c).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/priority.h"
#include "daemon/engine_jobs_internal.h"

const char *engine_job_kind_name(enum engine_job_kind kind)
{
    static const char *const names[] = {"pairs", "dedup", "clusters"};
    return names[kind];
}

const char *engine_job_state_name(enum engine_job_state state)
{
    static const char *const names[] = {"waiting", "running",   "done",
                                        "failed",  "cancelled", "interrupted"};
    return names[state];
}

/* --- the table; under its lock --- */

static bool is_finished(const struct job *job)
{
    return job->state != ENGINE_JOB_WAITING && job->state != ENGINE_JOB_RUNNING;
}

static void job_free(struct job *job)
{
    free(job->passages);
    free(job->pairs);
    pairs_partition_release(&job->groups);
    free(job);
}

static void job_release(struct job *job)
{
    if (--job->references == 0)
        job_free(job);
}

int job_table_append(struct job_table *table, struct job *job, struct err *err)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? 2 * table->capacity : 16;
        struct job **jobs = reallocarray(table->jobs, capacity, sizeof *jobs);
        if (!jobs)
            return err_memory(err, "the table of jobs");
        table->jobs = jobs;
        table->capacity = capacity;
    }
    job->references = 1;
    table->jobs[table->count++] = job;
    return 0;
}

static void forget(struct job_table *table, size_t i)
{
    job_release(table->jobs[i]);
    table->count--;
    memmove(table->jobs + i, table->jobs + i + 1, (table->count - i) * sizeof *table->jobs);
}

/* Forgets the oldest of the finished ones where there are too many. */
static void forget_old(struct job_table *table)
{
    size_t finished = 0;
    for (size_t i = 0; i < table->count; i++)
        finished += is_finished(table->jobs[i]);
    for (size_t i = 0; finished > ENGINE_JOBS_FINISHED && i < table->count;) {
        if (is_finished(table->jobs[i])) {
            forget(table, i);
            finished--;
        } else {
            i++;
        }
    }
}

static int find(const struct job_table *table, const char *id, size_t *ret_place, struct err *err)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->jobs[i]->id, id) == 0) {
            *ret_place = i;
            return 0;
        }
    return err_set(err, ERR_NOT_FOUND, "there is no job %.40s", id);
}

/* Entries of its result, once it is done. */
static size_t result_count(const struct job *job)
{
    if (job->options.kind == ENGINE_JOB_PAIRS)
        return job->pair_count;
    return job->groups.count ? job->groups.starts[job->groups.count] : 0;
}

static void describe(const struct job *job, struct engine_job *ret_job)
{
    bool done = job->state == ENGINE_JOB_DONE;
    *ret_job = (struct engine_job){
        .options = job->options,
        .state = job->state,
        .phase = job->phase,
        .done = atomic_load(&job->done),
        .total = atomic_load(&job->total),
        .seconds = job->phase ? clock_now() - job->phase_started : 0,
        .documents = done ? job->documents : 0,
        .created_at = job->created_at,
        .started_at = job->started_at,
        .finished_at = job->finished_at,
        .err = job->err,
    };
    memcpy(ret_job->id, job->id, sizeof job->id);
    memcpy(ret_job->collection, job->collection, sizeof job->collection);
    if (done) {
        ret_job->groups = job->groups.count;
        ret_job->results = result_count(job);
        ret_job->recall = job->recall;
    }
}

/* --- starting --- */

static bool is_same(const struct job *job, const char *collection,
                    const struct engine_job_options *options)
{
    const struct engine_job_options *its = &job->options;
    return !is_finished(job) && strcmp(job->collection, collection) == 0 &&
           its->kind == options->kind && its->top == options->top && its->each == options->each &&
           its->approximate == options->approximate && its->threshold == options->threshold &&
           its->least_size == options->least_size && its->k == options->k &&
           its->seed == options->seed;
}

static int make_job(struct job **ret_job, const char *collection,
                    const struct engine_job_options *options, struct err *err)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return err_set(err, ERR_IO, "no random numbers for a job's id");
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return err_memory(err, "a job");
    snprintf(job->id, sizeof job->id, "%016" PRIx64, number);
    snprintf(job->collection, sizeof job->collection, "%s", collection);
    job->options = *options;
    job->created_at = time(NULL);
    *ret_job = job;
    return 0;
}

static int append_new(struct engine *engine, const char *collection,
                      const struct engine_job_options *options, struct engine_job *ret_job,
                      struct err *err)
{
    struct job_table *table = engine->jobs;
    struct job *job = NULL;
    size_t waiting = 0;
    for (size_t i = 0; i < table->count; i++)
        waiting += table->jobs[i]->state == ENGINE_JOB_WAITING;
    if (waiting >= ENGINE_JOBS_WAITING)
        return err_set(err, ERR_BUSY, "%zu jobs are waiting already; try again later", waiting);
    int r = make_job(&job, collection, options, err);
    if (r)
        return r;
    r = job_table_append(table, job, err);
    if (r) {
        job_free(job);
        return r;
    }
    job_file_write(engine, table);
    describe(job, ret_job);
    pthread_cond_signal(&table->wake);
    return 0;
}

int engine_job_start(struct engine *engine, const char *collection,
                     const struct engine_job_options *options, struct engine_job *ret_job,
                     bool *ret_created, struct err *err)
{
    struct job_table *table = engine->jobs;
    struct collection *found = NULL;
    int r = engine_enter(engine, err);
    if (r)
        return r;
    r = collection_take_unready(engine, collection, &found, err);
    collection_release(engine, found);
    if (r) {
        engine_leave(engine);
        return r;
    }
    pthread_mutex_lock(&table->lock);
    size_t i = 0;
    while (i < table->count && !is_same(table->jobs[i], collection, options))
        i++;
    bool created = i == table->count;
    if (created)
        r = append_new(engine, collection, options, ret_job, err);
    else
        describe(table->jobs[i], ret_job);
    pthread_mutex_unlock(&table->lock);
    engine_leave(engine);
    if (!r)
        *ret_created = created;
    return r;
}

/* --- looking, cancelling, forgetting --- */

int engine_job_list(struct engine *engine, struct arena *arena, struct engine_job **ret_jobs,
                    size_t *ret_count, struct err *err)
{
    struct job_table *table = engine->jobs;
    pthread_mutex_lock(&table->lock);
    size_t count = table->count;
    struct engine_job *jobs = arena_alloc(arena, count, sizeof *jobs);
    for (size_t i = 0; jobs && i < count; i++)
        describe(table->jobs[i], &jobs[i]);
    pthread_mutex_unlock(&table->lock);
    if (!jobs)
        return err_memory(err, "a list of jobs");
    *ret_jobs = jobs;
    *ret_count = count;
    return 0;
}

int engine_job_get(struct engine *engine, const char *id, struct engine_job *ret_job,
                   struct err *err)
{
    struct job_table *table = engine->jobs;
    size_t place = 0;
    pthread_mutex_lock(&table->lock);
    int r = find(table, id, &place, err);
    if (!r)
        describe(table->jobs[place], ret_job);
    pthread_mutex_unlock(&table->lock);
    return r;
}

/* Ends a job's life as far as work goes; under the lock. */
static void finish(struct job *job, enum engine_job_state state, const struct err *err)
{
    job->state = state;
    job->phase = NULL;
    job->finished_at = time(NULL);
    if (err)
        job->err = *err;
}

int engine_job_delete(struct engine *engine, const char *id, bool *ret_forgotten, struct err *err)
{
    struct job_table *table = engine->jobs;
    size_t place = 0;
    pthread_mutex_lock(&table->lock);
    int r = find(table, id, &place, err);
    if (!r) {
        struct job *job = table->jobs[place];
        *ret_forgotten = is_finished(job);
        if (job->state == ENGINE_JOB_RUNNING)
            cancel_raise(&job->cancel);
        else if (job->state == ENGINE_JOB_WAITING)
            finish(job, ENGINE_JOB_CANCELLED, NULL);
        else
            forget(table, place);
        job_file_write(engine, table);
    }
    pthread_mutex_unlock(&table->lock);
    return r;
}

/* --- results --- */

/* The passages that entries [first, first + count) name: one each, or two for pairs. */
static void list_passages(const struct job *job, size_t first, size_t count, int64_t *ret_passages)
{
    for (size_t i = first; i < first + count; i++) {
        if (job->options.kind == ENGINE_JOB_PAIRS) {
            *ret_passages++ = job->passages[job->pairs[i].row];
            *ret_passages++ = job->passages[job->pairs[i].column];
        } else {
            *ret_passages++ = job->passages[job->groups.members[i]];
        }
    }
}

/* Makes the entries from the documents, and returns how many there are. */
static size_t list_entries(const struct job *job, size_t first, size_t count,
                           const struct store_hit *hits, struct engine_job_entry *ret_entries)
{
    bool pairs = job->options.kind == ENGINE_JOB_PAIRS;
    size_t made = 0, group = 0;
    for (size_t i = first; i < first + count; i++) {
        const struct store_hit *a = hits++, *b = pairs ? hits++ : a;
        if (!a->row.id || !b->row.id)
            continue;
        struct engine_job_entry entry = {.a = a->row};
        if (pairs) {
            entry.b = b->row;
            entry.score = (double)job->pairs[i].score;
        } else {
            while (job->groups.starts[group + 1] <= i)
                group++;
            entry.group = group;
            entry.size = job->groups.starts[group + 1] - job->groups.starts[group];
        }
        ret_entries[made++] = entry;
    }
    return made;
}

static int make_page(struct engine *engine, const struct job *job, size_t first, size_t limit,
                     struct arena *arena, struct engine_job_entry **ret_entries, size_t *ret_count,
                     size_t *ret_next, struct err *err)
{
    size_t all = result_count(job), start = first < all ? first : all;
    size_t count = all - start < limit ? all - start : limit;
    size_t wanted = job->options.kind == ENGINE_JOB_PAIRS ? 2 * count : count;
    int64_t *passages = arena_alloc(arena, wanted, sizeof *passages);
    struct store_hit *hits = arena_alloc(arena, wanted, sizeof *hits);
    struct engine_job_entry *entries = arena_alloc(arena, count, sizeof *entries);
    if (!passages || !hits || !entries)
        return err_memory(err, "a page of results");
    list_passages(job, start, count, passages);
    int r = store_fetch_passages(engine->store, job->collection_key, passages, wanted, arena, hits,
                                 err);
    if (r)
        return r;
    *ret_count = list_entries(job, start, count, hits, entries);
    *ret_entries = entries;
    *ret_next = start + count < all ? start + count : SIZE_MAX;
    return 0;
}

int engine_job_result(struct engine *engine, const char *id, size_t first, size_t limit,
                      struct arena *arena, struct engine_job_entry **ret_entries, size_t *ret_count,
                      size_t *ret_next, struct err *err)
{
    struct job_table *table = engine->jobs;
    struct job *job = NULL;
    size_t place = 0;
    int r = engine_enter(engine, err);
    if (r)
        return r;
    pthread_mutex_lock(&table->lock);
    r = find(table, id, &place, err);
    if (!r && table->jobs[place]->state != ENGINE_JOB_DONE)
        r = err_set(err, ERR_CONFLICT, "job %s is %s and has no result", id,
                    engine_job_state_name(table->jobs[place]->state));
    if (!r) {
        job = table->jobs[place];
        job->references++;
    }
    pthread_mutex_unlock(&table->lock);
    if (!r) {
        r = make_page(engine, job, first, limit, arena, ret_entries, ret_count, ret_next, err);
        pthread_mutex_lock(&table->lock);
        job_release(job);
        pthread_mutex_unlock(&table->lock);
    }
    engine_leave(engine);
    return r;
}

/* --- the thread --- */

void job_begin_phase(struct job_table *table, struct job *job, const char *phase, uint64_t total)
{
    pthread_mutex_lock(&table->lock);
    job->phase = phase;
    job->phase_started = clock_now();
    atomic_store(&job->done, 0);
    atomic_store(&job->total, total);
    pthread_mutex_unlock(&table->lock);
}

/* The next job to run, or NULL at the end; under the lock. */
static struct job *wait_for_job(struct job_table *table)
{
    while (!table->stopping) {
        for (size_t i = 0; i < table->count; i++)
            if (table->jobs[i]->state == ENGINE_JOB_WAITING)
                return table->jobs[i];
        pthread_cond_wait(&table->wake, &table->lock);
    }
    return NULL;
}

static void settle(struct engine *engine, struct job *job, int r, const struct err *err)
{
    struct job_table *table = engine->jobs;
    if (!r)
        finish(job, ENGINE_JOB_DONE, NULL);
    else if (r == ERR_CANCELLED)
        finish(job, ENGINE_JOB_CANCELLED, NULL);
    else
        finish(job, ENGINE_JOB_FAILED, err);
    if (r && r != ERR_CANCELLED)
        engine_log(engine, LOG_WARNING, "job %s (%s of %s): %s", job->id,
                   engine_job_kind_name(job->options.kind), job->collection, err->message);
    if (table->stopping)
        return; /* the file still has it: its result ends with this process */
    forget_old(table);
    job_file_write(engine, table);
}

static void *jobs_main(void *argument)
{
    struct engine *engine = argument;
    struct job_table *table = engine->jobs;
    struct job *job;
    priority_behind(19);

    pthread_mutex_lock(&table->lock);
    while ((job = wait_for_job(table))) {
        struct err err = {0};
        job->state = ENGINE_JOB_RUNNING;
        job->started_at = time(NULL);
        pthread_mutex_unlock(&table->lock);
        int r = job_run(engine, job, &err);
        pthread_mutex_lock(&table->lock);
        settle(engine, job, r, &err);
    }
    pthread_mutex_unlock(&table->lock);
    return NULL;
}

int jobs_open(struct engine *engine, struct err *err)
{
    struct job_table *table = calloc(1, sizeof *table);
    if (!table)
        return err_memory(err, "the table of jobs");
    pthread_mutex_init(&table->lock, NULL);
    pthread_cond_init(&table->wake, NULL);
    engine->jobs = table;
    table->path = file_join(engine->folder.path, "jobs.json");
    int r = table->path ? job_file_read(engine, table, err) : err_memory(err, "the table of jobs");
    if (!r)
        r = engine_thread_start(&table->thread, jobs_main, engine, err);
    table->started = r == 0;
    return r;
}

void jobs_stop(struct engine *engine)
{
    struct job_table *table = engine->jobs;
    if (!table || !table->started)
        return;
    pthread_mutex_lock(&table->lock);
    table->stopping = true;
    for (size_t i = 0; i < table->count; i++)
        cancel_raise(&table->jobs[i]->cancel);
    pthread_cond_signal(&table->wake);
    pthread_mutex_unlock(&table->lock);
    pthread_join(table->thread, NULL);
    table->started = false;
}

void jobs_close(struct engine *engine)
{
    struct job_table *table = engine->jobs;
    if (!table)
        return;
    jobs_stop(engine);
    while (table->count > 0)
        forget(table, table->count - 1);
    free(table->jobs);
    free(table->path);
    pthread_cond_destroy(&table->wake);
    pthread_mutex_destroy(&table->lock);
    free(table);
}
