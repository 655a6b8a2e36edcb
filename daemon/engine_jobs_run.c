/* A job's work: every pair of documents compared, or a graph asked, by threads of the lowest
 * scheduling class, which take no lock that anybody else could wait for. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/priority.h"
#include "daemon/engine_jobs_internal.h"
#include "index/pairs/clusters.h"
#include "index/pairs/communities.h"
#include "index/pairs/near.h"
#include "index/pairs/neighbours.h"

enum { RECALL_SAMPLE = 1000 };

struct comparison {
    struct job *job;
    struct pairs_sets sets;
    int threads;
    int r;
    struct err err;
};

static void show_progress(void *argument, uint64_t done, uint64_t total)
{
    struct job *job = argument;
    atomic_store(&job->total, total);
    atomic_store(&job->done, done);
}

/* `near` is NULL where every pair is compared. */
static int find_best(struct job *job, const struct pairs_sets *sets, const struct pairs_run *run,
                     struct pairs_near *near, struct err *err)
{
    float threshold = job->options.threshold;
    uint64_t all = pairs_count(sets);
    size_t top = all < job->options.top ? (size_t)all : job->options.top;
    job->pairs = calloc(top + 1, sizeof *job->pairs);
    if (!job->pairs)
        return err_memory(err, "the pairs");
    if (top == 0)
        return 0;
    return near ? pairs_near_best(near, top, threshold, job->pairs, &job->pair_count, err)
                : pairs_best(sets, run, top, threshold, job->pairs, &job->pair_count, err);
}

static void list_neighbours(struct job *job, size_t rows, size_t top,
                            const struct top_entry *entries, const size_t *counts)
{
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < counts[row]; i++) {
            const struct top_entry *entry = &entries[row * top + i];
            job->pairs[job->pair_count++] = (struct pair){row, (size_t)entry->id, entry->score};
        }
}

static int find_each(struct job *job, const struct pairs_sets *sets, const struct pairs_run *run,
                     struct pairs_near *near, struct err *err)
{
    float threshold = job->options.threshold;
    size_t rows = sets->row_count, top = job->options.each < rows ? job->options.each : rows;
    if (rows > ENGINE_JOB_EACH_MAX / top)
        return err_set(err, ERR_LIMIT, "%zu for each of %zu documents are more than %d pairs", top,
                       rows, ENGINE_JOB_EACH_MAX);
    struct top_entry *entries = calloc(rows * top + 1, sizeof *entries);
    size_t *counts = calloc(rows + 1, sizeof *counts);
    job->pairs = calloc(rows * top + 1, sizeof *job->pairs);
    int r = entries && counts && job->pairs ? 0 : err_memory(err, "the pairs");
    if (!r)
        r = near ? pairs_near_neighbours(near, top, threshold, entries, counts, err)
                 : pairs_neighbours(sets, run, top, threshold, entries, counts, err);
    if (!r)
        list_neighbours(job, rows, top, entries, counts);
    free(entries);
    free(counts);
    return r;
}

static int find_pairs(struct job *job, const struct pairs_sets *sets, const struct pairs_run *run,
                      struct err *err)
{
    const struct engine_job_options *options = &job->options;
    struct pairs_near *near = NULL;
    int r = options->approximate ? pairs_near_open(&near, sets, run, err) : 0;
    if (!r)
        r = options->each ? find_each(job, sets, run, near, err)
                          : find_best(job, sets, run, near, err);
    if (!r && near)
        r = pairs_near_recall(near, options->each ? options->each : PAIRS_NEAR_EACH, RECALL_SAMPLE,
                              &job->recall, err);
    pairs_near_close(near);
    return r;
}

static int find_clusters(struct job *job, const struct pairs_sets *sets,
                         const struct pairs_run *run, struct err *err)
{
    struct pairs_clusters clusters = {0};
    int r = pairs_kmeans(sets, run, job->options.k, job->options.seed, &clusters, err);
    if (r)
        return r;
    job->groups = clusters.partition;
    clusters.partition = (struct pairs_partition){0};
    pairs_clusters_release(&clusters);
    return 0;
}

static int compare(struct job *job, const struct pairs_sets *sets, struct pool *pool,
                   struct err *err)
{
    const struct engine_job_options *options = &job->options;
    const struct pairs_run run = {pool, show_progress, job, &job->cancel};
    if (sets->row_count == 0)
        return 0;
    switch (options->kind) {
    case ENGINE_JOB_PAIRS:
        return find_pairs(job, sets, &run, err);
    case ENGINE_JOB_DEDUP:
        return pairs_groups(sets, &run, options->threshold, &job->groups, err);
    case ENGINE_JOB_CLUSTERS:
        return options->k ? find_clusters(job, sets, &run, err)
                          : pairs_communities(sets, &run, options->threshold, options->least_size,
                                              &job->groups, err);
    }
    return err_set(err, ERR_INTERNAL, "a job of no kind");
}

/* A pool's caller works too, so it is in the lowest class as well. */
static void *compare_main(void *argument)
{
    struct comparison *comparison = argument;
    struct pool *pool;
    priority_lowest();
    comparison->r = pool_open(&pool, comparison->threads, true, &comparison->err);
    if (comparison->r)
        return NULL;
    comparison->r = compare(comparison->job, &comparison->sets, pool, &comparison->err);
    pool_close(pool);
    return NULL;
}

static void begin_comparing(struct engine *engine, struct job *job, const struct pairs_sets *sets)
{
    if (job->options.approximate)
        job_begin_phase(engine->jobs, job, "searching", pairs_near_steps(sets));
    else /* k-means does not say how far it is */
        job_begin_phase(engine->jobs, job, "comparing", job->options.k ? 0 : pairs_count(sets));
}

int job_run(struct engine *engine, struct job *job, struct err *err)
{
    struct job_vectors vectors = {0};
    int threads = engine->options.threads > 0 ? engine->options.threads : cpu_count();
    int r = job_read_vectors(engine, job, &vectors, err);
    if (r)
        return r;
    struct comparison comparison = {
        .job = job,
        .sets = {.rows = vectors.vectors,
                 .row_count = vectors.count,
                 .dimension = vectors.dimension},
        .threads = threads,
    };
    pthread_t thread;
    begin_comparing(engine, job, &comparison.sets);
    r = engine_thread_start(&thread, compare_main, &comparison, err);
    if (!r) {
        pthread_join(thread, NULL);
        r = comparison.r;
        *err = comparison.err;
    }
    job->passages = vectors.passages;
    job->documents = vectors.count;
    vectors.passages = NULL;
    job_vectors_release(&vectors);
    return r;
}
