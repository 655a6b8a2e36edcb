/* Jobs: what is looked for among all documents of a collection, in the background. Part of the
 * engine's interface, and as thread-safe; engine.h says the rest.
 *
 * One job at a time is worked on, by threads of the lowest scheduling class; others wait. Every
 * pair of documents is compared, exactly, by the cosine of their stored vectors; or, where pairs
 * are wanted approximately, those that a graph of the job's own leads to. A document of several
 * passages is compared by the mean of its passages' vectors, so that two long ones are alike only
 * where they are so as a whole. Results are kept in memory until the job is forgotten, by whoever
 * started it or for newer ones; a job that is not done when the engine closes, or dies, is there as
 * an interrupted one afterwards.
 */
#ifndef SBERT_DAEMON_ENGINE_JOBS_H
#define SBERT_DAEMON_ENGINE_JOBS_H

#include "daemon/engine.h"

enum engine_job_kind { ENGINE_JOB_PAIRS, ENGINE_JOB_DEDUP, ENGINE_JOB_CLUSTERS };

enum engine_job_state {
    ENGINE_JOB_WAITING,
    ENGINE_JOB_RUNNING,
    ENGINE_JOB_DONE,
    ENGINE_JOB_FAILED,
    ENGINE_JOB_CANCELLED,
    ENGINE_JOB_INTERRUPTED,
};

enum {
    ENGINE_JOB_ID_SIZE = 17,        /* with the NUL */
    ENGINE_JOBS_WAITING = 16,       /* jobs that may wait, */
    ENGINE_JOBS_FINISHED = 32,      /* and that are kept, at most */
    ENGINE_JOB_PAIRS_MAX = 1000000, /* pairs in all, */
    ENGINE_JOB_EACH_MAX = 10000000, /* and where there are so many for each document */
};

struct engine_job_options {
    enum engine_job_kind kind;
    /* Pairs: the best `top`, or where `each` is not 0 the best so many for each document. */
    size_t top, each;
    bool approximate;
    /* Cosines are at least so high; pairs: -INFINITY for any. */
    float threshold;
    /* Clusters: communities of at least `least_size`, or where `k` is not 0 k-means. */
    size_t least_size, k;
    int seed;
};

/* A job as it is at the moment. */
struct engine_job {
    char id[ENGINE_JOB_ID_SIZE];
    char collection[STORE_NAME_MAX + 1];
    struct engine_job_options options;
    enum engine_job_state state;
    const char *phase;    /* being "reading", "comparing" or "searching"; NULL: nothing is done */
    uint64_t done, total; /* of the phase: passages, pairs, or steps; total 0: not known */
    double seconds;       /* since the phase began */
    size_t documents;     /* that were compared */
    size_t results;       /* pairs, or members of groups */
    size_t groups;        /* groups or clusters */
    double recall;        /* of an approximate one, by a sample of its documents; 0: exact */
    int64_t created_at, started_at, finished_at; /* seconds since 1970; 0: not yet */
    struct err err;                              /* why it failed, or was interrupted */
};

const char *engine_job_kind_name(enum engine_job_kind kind);
const char *engine_job_state_name(enum engine_job_state state);

/* Has a job wait for its turn; one for the same that waits or runs already is taken for it
 * (*ret_created false). ERR_NOT_FOUND where there is no such collection, ERR_BUSY where too many
 * wait. */
int engine_job_start(struct engine *engine, const char *collection,
                     const struct engine_job_options *options, struct engine_job *ret_job,
                     bool *ret_created, struct err *err);

/* All of them, in the order they were started, from the arena. */
int engine_job_list(struct engine *engine, struct arena *arena, struct engine_job **ret_jobs,
                    size_t *ret_count, struct err *err);
int engine_job_get(struct engine *engine, const char *id, struct engine_job *ret_job,
                   struct err *err);

/* Cancels a job that waits or runs (*ret_forgotten false): it is cancelled soon. Forgets any other.
 */
int engine_job_delete(struct engine *engine, const char *id, bool *ret_forgotten, struct err *err);

/* A pair of documents with their score, or a member `a` of a group. */
struct engine_job_entry {
    struct store_row a, b;
    double score;
    size_t group, size; /* the group's number from 0, and its members when the job was done */
};

/* Up to `limit` entries of a job's result from number `first` on: pairs best first; groups behind
 * each other. What belongs to documents that went since is left out. *ret_next is the number to go
 * on with, or SIZE_MAX at the end. ERR_CONFLICT where the job is not done. */
int engine_job_result(struct engine *engine, const char *id, size_t first, size_t limit,
                      struct arena *arena, struct engine_job_entry **ret_entries, size_t *ret_count,
                      size_t *ret_next, struct err *err);

#endif
