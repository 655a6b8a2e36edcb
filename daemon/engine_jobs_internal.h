/* What the files of the jobs share; nobody else includes it.
 *
 * The table's lock is taken by nobody who answers a query, and never by a thread of the lowest
 * scheduling class: those only touch what is atomic.
 */
#ifndef SBERT_DAEMON_ENGINE_JOBS_INTERNAL_H
#define SBERT_DAEMON_ENGINE_JOBS_INTERNAL_H

#include "daemon/engine_internal.h"
#include "daemon/engine_jobs.h"
#include "index/pairs/best.h"
#include "index/pairs/groups.h"

/* The documents of a collection, each with one vector of length 1. */
struct job_vectors {
    float *vectors;    /* (count, dimension) */
    int64_t *passages; /* (count) the first passage of each document stands for it */
    size_t count, capacity, dimension;
};
void job_vectors_release(struct job_vectors *vectors); /* accepts a zeroed one */

struct job {
    char id[ENGINE_JOB_ID_SIZE];
    char collection[STORE_NAME_MAX + 1];
    struct engine_job_options options;
    int cancel; /* __atomic, for it is lent as volatile int */

    /* Under the table's lock. */
    enum engine_job_state state;
    const char *phase;
    double phase_started;
    int64_t created_at, started_at, finished_at;
    struct err err;
    size_t references;

    atomic_uint_fast64_t done, total; /* of the phase */

    /* Its worker's until it is done, constant from then on. */
    int64_t collection_key;
    int64_t *passages; /* (documents) */
    size_t documents;
    struct pair *pairs; /* (pair_count) */
    size_t pair_count;
    double recall;
    struct pairs_partition groups;
};

struct job_table {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool started, stopping;
    char *path;        /* of the file of jobs that are not done */
    struct job **jobs; /* (count) in the order they were started */
    size_t count, capacity;
};

/* Begins a phase, whose progress is shown from then on. */
void job_begin_phase(struct job_table *table, struct job *job, const char *phase, uint64_t total);

/* --- engine_jobs_vectors.c --- */

/* Reads a collection's vectors, one for each document. ERR_MEMORY says how much it would take and
 * how much there is. */
int job_read_vectors(struct engine *engine, struct job *job, struct job_vectors *ret_vectors,
                     struct err *err);

/* --- engine_jobs_run.c --- */

/* Does the work, and leaves the result in the job. */
int job_run(struct engine *engine, struct job *job, struct err *err);

/* --- engine_jobs_file.c --- */

/* Reads what a former life left, as interrupted jobs; a file that cannot be read is logged and
 * taken for none. */
int job_file_read(struct engine *engine, struct job_table *table, struct err *err);
/* Writes those that are not done, and those that were interrupted; under the lock. What fails is
 * logged. */
void job_file_write(struct engine *engine, const struct job_table *table);

/* Puts a job into the table, which it belongs to from then on; under the lock. */
int job_table_append(struct job_table *table, struct job *job, struct err *err);

#endif
