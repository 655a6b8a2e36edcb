/* Texts that somebody waits for: what waits together is encoded together.
 *
 * There are few crews, each as wide as one short text can use, which together fill the processors.
 * A caller that finds one free takes everything that waits by then, its own texts among it, through
 * the model in one go, and wakes the others; the next free crew takes what has come meanwhile. So a
 * text that comes alone goes at once, with all threads of a crew on it, and the more come together,
 * the more go together. There are no threads here but the callers' and those of the crews.
 *
 * A call's texts stay together, and with texts of the same prompt only. First come, first served.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "daemon/engine_internal.h"

enum {
    /* More texts would make the first of them wait, and gain nothing. */
    BATCH_TEXTS = 64,
    BATCH_BYTES = 8192,
    /* A short text has no work for more threads. */
    CREW_THREADS_MAX = 4,
    CREWS_MAX = 16,
};

/* What one caller wants; on that caller's stack. */
struct query_job {
    const struct encoder_text *texts; /* (count) */
    size_t count, bytes;
    const char *prompt;
    float *vectors;
    struct encoder_usage *usage;
    int r;
    struct err *err;
    bool taken, finished;
    pthread_cond_t wake; /* it is finished, or may lead */
    struct query_job *next;
};

/* A crew, and where it puts together what several callers want. */
struct query_crew {
    struct encoder_crew *crew;
    struct encoder_text texts[BATCH_TEXTS];
    struct encoder_usage usage[BATCH_TEXTS];
    float *vectors; /* (BATCH_TEXTS, dimension) */
};

struct query_encoder {
    size_t dimension;
    const volatile int *cancel;
    pthread_mutex_t lock; /* of all below */
    struct query_crew *idle[CREWS_MAX];
    size_t idle_count;
    struct query_job *first, **last; /* those that wait */
    uint64_t batches;
};

static void crew_close(struct query_crew *crew)
{
    if (!crew)
        return;
    encoder_crew_close(crew->crew);
    free(crew->vectors);
    free(crew);
}

static int crew_open(struct query_crew **ret_crew, const struct encoder *encoder, int threads,
                     struct err *err)
{
    struct query_crew *crew = calloc(1, sizeof *crew);
    if (!crew)
        return err_memory(err, "a crew for queries");
    crew->vectors = calloc(BATCH_TEXTS, encoder_info(encoder)->dimension * sizeof *crew->vectors);
    int r = crew->vectors ? encoder_crew_open(&crew->crew, encoder, threads, false, err)
                          : err_memory(err, "a crew for queries");
    if (r)
        crew_close(crew);
    else
        *ret_crew = crew;
    return r;
}

int queries_open(struct query_encoder **ret_queries, const struct encoder *encoder,
                 const volatile int *cancel, struct err *err)
{
    struct query_encoder *queries = calloc(1, sizeof *queries);
    if (!queries)
        return err_memory(err, "the encoder of queries");
    queries->dimension = encoder_info(encoder)->dimension;
    queries->cancel = cancel;
    queries->last = &queries->first;
    pthread_mutex_init(&queries->lock, NULL);

    int processors = cpu_count();
    int threads = processors < CREW_THREADS_MAX ? processors : CREW_THREADS_MAX;
    int crews = processors / threads < CREWS_MAX ? processors / threads : CREWS_MAX;
    for (int i = 0; i < crews; i++) {
        int r = crew_open(&queries->idle[i], encoder, threads, err);
        if (r) {
            queries_close(queries);
            return r;
        }
        queries->idle_count++;
    }
    *ret_queries = queries;
    return 0;
}

void queries_close(struct query_encoder *queries)
{
    if (!queries)
        return;
    for (size_t i = 0; i < queries->idle_count; i++)
        crew_close(queries->idle[i]);
    pthread_mutex_destroy(&queries->lock);
    free(queries);
}

/* --- the queue; under the lock --- */

static void append(struct query_encoder *queries, struct query_job *job)
{
    *queries->last = job;
    queries->last = &job->next;
}

static bool same_prompt(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Takes the first job out of the queue, and those behind it that can go with it. They stay linked
 * to each other, in their order. */
static struct query_job *take_batch(struct query_encoder *queries)
{
    struct query_job *batch = queries->first, **tail = &batch->next, **place = &queries->first;
    size_t texts = batch->count, bytes = batch->bytes;
    batch->taken = true;
    *place = batch->next;
    while (*place) {
        struct query_job *job = *place;
        if (texts + job->count > BATCH_TEXTS || bytes + job->bytes > BATCH_BYTES ||
            !same_prompt(job->prompt, batch->prompt)) {
            place = &job->next;
            continue;
        }
        texts += job->count;
        bytes += job->bytes;
        job->taken = true;
        *place = job->next;
        *tail = job;
        tail = &job->next;
    }
    *tail = NULL;
    queries->last = place;
    return batch;
}

/* Tells each of a batch that it is done. A job is its owner's from then on. */
static void finish_batch(struct query_job *batch)
{
    while (batch) {
        struct query_job *job = batch;
        batch = job->next;
        job->finished = true;
        pthread_cond_signal(&job->wake);
    }
}

/* Has the first that waits lead, where a crew is free for it. */
static void wake_leader(struct query_encoder *queries)
{
    if (queries->first && queries->idle_count > 0)
        pthread_cond_signal(&queries->first->wake);
}

/* --- encoding; without the lock --- */

static void encode_alone(const struct query_encoder *queries, struct query_crew *crew,
                         struct query_job *job)
{
    job->r = encoder_encode(crew->crew, job->texts, job->count, job->prompt, job->vectors,
                            job->usage, queries->cancel, job->err);
}

static void encode_together(const struct query_encoder *queries, struct query_crew *crew,
                            struct query_job *batch)
{
    size_t count = 0, dimension = queries->dimension;
    struct err err = {0};
    for (const struct query_job *job = batch; job; job = job->next) {
        memcpy(crew->texts + count, job->texts, job->count * sizeof *job->texts);
        count += job->count;
    }
    int r = encoder_encode(crew->crew, crew->texts, count, batch->prompt, crew->vectors,
                           crew->usage, queries->cancel, &err);
    count = 0;
    for (struct query_job *job = batch; job; job = job->next) {
        /* What fails may be the fault of one of them: each gets what it would have got alone. */
        if (r) {
            encode_alone(queries, crew, job);
            continue;
        }
        memcpy(job->vectors, crew->vectors + count * dimension,
               job->count * dimension * sizeof *job->vectors);
        memcpy(job->usage, crew->usage + count, job->count * sizeof *job->usage);
        count += job->count;
    }
}

/* Takes a batch through the model with a crew that is free. Under the lock, which is left while
 * the crew works. */
static void lead(struct query_encoder *queries)
{
    struct query_crew *crew = queries->idle[--queries->idle_count];
    struct query_job *batch = take_batch(queries);
    queries->batches++;
    wake_leader(queries);
    pthread_mutex_unlock(&queries->lock);
    if (batch->next)
        encode_together(queries, crew, batch);
    else
        encode_alone(queries, crew, batch);
    pthread_mutex_lock(&queries->lock);
    queries->idle[queries->idle_count++] = crew;
    finish_batch(batch);
    wake_leader(queries);
}

int queries_encode(struct query_encoder *queries, const struct encoder_text *texts, size_t count,
                   const char *prompt, float *ret_vectors, struct encoder_usage *ret_usage,
                   struct err *err)
{
    struct query_job job = {
        .texts = texts,
        .count = count,
        .prompt = prompt,
        .vectors = ret_vectors,
        .usage = ret_usage,
        .err = err,
    };
    for (size_t i = 0; i < count; i++)
        job.bytes += texts[i].size + texts[i].pair_size;
    pthread_cond_init(&job.wake, NULL);

    pthread_mutex_lock(&queries->lock);
    append(queries, &job);
    while (!job.finished) {
        if (!job.taken && queries->idle_count > 0)
            lead(queries);
        else
            pthread_cond_wait(&job.wake, &queries->lock);
    }
    pthread_mutex_unlock(&queries->lock);
    pthread_cond_destroy(&job.wake);
    return job.r;
}

uint64_t queries_batches(struct query_encoder *queries)
{
    pthread_mutex_lock(&queries->lock);
    uint64_t batches = queries->batches;
    pthread_mutex_unlock(&queries->lock);
    return batches;
}
