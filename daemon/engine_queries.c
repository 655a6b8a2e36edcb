/* Texts that somebody waits for: what waits together is encoded together.
 *
 * There are few crews, each as wide as one short text can use, which together fill the processors.
 * A caller that finds one free takes everything that waits by then, its own texts among it, through
 * the model in one go, and wakes the others; a crew that becomes free goes to the first of those
 * that have come meanwhile. So a text that comes alone goes at once, with all threads of a crew on
 * it, and the more come together, the more go together. There are no threads here but the callers'
 * and those of the crews.
 *
 * Where many call again as soon as they are answered, the first to come back would find the crew
 * free and go alone, a few more after it, and all would cost more for it. So whoever leads gives
 * way to those that are ready to run and about to call, while fewer are there than were lately.
 * Nobody waits for a clock, and a caller that is alone does not even give way.
 *
 * A call's texts stay together, and with texts of the same prompt only. First come, first served.
 *
 * What a call does next with its vectors may be quicker for several calls at once, as a scan is: it
 * can be given along as a step, which the leader runs when the crew has gone on to others.
 */
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "daemon/engine_internal.h"

enum {
    /* More texts would make the first of them wait, and gain nothing. */
    BATCH_TEXTS = 64,
    BATCH_BYTES = 8192,
    /* Times that a leader gives way; each lets a thread of this processor run. */
    YIELDS_MAX = 4,
    /* A short text has no work for more threads. */
    CREW_THREADS_MAX = 4,
    CREWS_MAX = 16,
};

/* What one caller wants; on that caller's stack. It is told once: that it is done, or that it leads
 * with the crew it was given. */
struct query_job {
    const struct encoder_text *texts; /* (count) */
    size_t count, bytes;
    const char *prompt;
    float *vectors;
    struct encoder_usage *usage;
    struct query_step *step;
    int r;
    struct err *err;
    struct query_crew *crew; /* to lead with; NULL: done by somebody else */
    sem_t told;
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
    pthread_mutex_t lock;               /* of all below */
    struct query_crew *idle[CREWS_MAX]; /* while one is, nobody waits */
    size_t idle_count;
    struct query_job *first, **last; /* those that wait */
    size_t waiting;
    size_t crew_count;
    size_t callers; /* that were at it at once lately: a running mean */
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
        queries->crew_count++;
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
    queries->waiting++;
}

static bool same_prompt(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Takes those out of the queue that can go with `job`, and links them to it, in their order. */
static void take_batch(struct query_encoder *queries, struct query_job *job)
{
    struct query_job **tail = &job->next, **place = &queries->first;
    size_t texts = job->count, bytes = job->bytes;
    while (*place) {
        struct query_job *other = *place;
        if (texts + other->count > BATCH_TEXTS || bytes + other->bytes > BATCH_BYTES ||
            !same_prompt(other->prompt, job->prompt)) {
            place = &other->next;
            continue;
        }
        queries->waiting--;
        texts += other->count;
        bytes += other->bytes;
        *place = other->next;
        *tail = other;
        tail = &other->next;
    }
    *tail = NULL;
    queries->last = place;
}

/* A crew is free: for the first that waits, which is returned and to be told, or for whoever comes.
 */
static struct query_job *give_crew(struct query_encoder *queries, struct query_crew *crew)
{
    struct query_job *job = queries->first;
    if (!job) {
        queries->idle[queries->idle_count++] = crew;
        return NULL;
    }
    queries->waiting--;
    queries->first = job->next;
    if (!queries->first)
        queries->last = &queries->first;
    job->crew = crew;
    return job;
}

/* Lets those come that are about to: see above. Under the lock, which is left meanwhile. */
static void give_way(struct query_encoder *queries)
{
    size_t expected = queries->callers / queries->crew_count;
    for (int i = 0; i < YIELDS_MAX && queries->waiting + 1 < expected; i++) {
        pthread_mutex_unlock(&queries->lock);
        sched_yield();
        pthread_mutex_lock(&queries->lock);
    }
}

/* Notes that a batch is done, whose callers are about to come back while others wait. */
static void count_callers(struct query_encoder *queries, const struct query_job *batch)
{
    size_t count = queries->waiting;
    for (; batch; batch = batch->next)
        count++;
    /* Rounded towards the newest, so that it gets down to 1. */
    queries->callers = count < queries->callers ? (3 * queries->callers + count) / 4
                                                : (3 * queries->callers + count + 3) / 4;
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

/* --- what follows; without the lock --- */

/* Moves the jobs of a batch whose step goes with that of its first into `steps`, and takes their
 * steps from them. */
static size_t collect_steps(struct query_job *batch, struct query_step **steps)
{
    size_t count = 0;
    for (struct query_job *job = batch; job; job = job->next) {
        if (!job->step || job->r || (count > 0 && !job->step->same(steps[0], job->step)))
            continue;
        steps[count++] = job->step;
        job->step = NULL;
    }
    return count;
}

static void run_steps(struct query_job *batch)
{
    struct query_step *steps[BATCH_TEXTS];
    for (size_t count; (count = collect_steps(batch, steps)) > 0;)
        steps[0]->run(steps, count);
}

/* --- leading --- */

/* Takes a job through the model, and what waits and can go with it. */
static void lead(struct query_encoder *queries, struct query_crew *crew, struct query_job *job)
{
    pthread_mutex_lock(&queries->lock);
    give_way(queries);
    take_batch(queries, job);
    queries->batches++;
    pthread_mutex_unlock(&queries->lock);
    if (job->next)
        encode_together(queries, crew, job);
    else
        encode_alone(queries, crew, job);
    pthread_mutex_lock(&queries->lock);
    count_callers(queries, job);
    struct query_job *next = give_crew(queries, crew);
    pthread_mutex_unlock(&queries->lock);
    if (next)
        sem_post(&next->told);
    run_steps(job);
    /* One that has been told is its owner's again. */
    for (struct query_job *other = job->next; other; other = next) {
        next = other->next;
        sem_post(&other->told);
    }
}

int queries_encode(struct query_encoder *queries, const struct encoder_text *texts, size_t count,
                   const char *prompt, float *ret_vectors, struct encoder_usage *ret_usage,
                   struct query_step *step, struct err *err)
{
    struct query_job job = {
        .texts = texts,
        .count = count,
        .prompt = prompt,
        .vectors = ret_vectors,
        .usage = ret_usage,
        .step = step,
        .err = err,
    };
    for (size_t i = 0; i < count; i++)
        job.bytes += texts[i].size + texts[i].pair_size;
    sem_init(&job.told, 0, 0);

    pthread_mutex_lock(&queries->lock);
    bool waits = queries->idle_count == 0;
    if (waits)
        append(queries, &job);
    else
        job.crew = queries->idle[--queries->idle_count];
    pthread_mutex_unlock(&queries->lock);
    while (waits && sem_wait(&job.told) != 0)
        ; /* interrupted by a signal */
    if (job.crew)
        lead(queries, job.crew, &job);
    sem_destroy(&job.told);
    return job.r;
}

uint64_t queries_batches(struct query_encoder *queries)
{
    pthread_mutex_lock(&queries->lock);
    uint64_t batches = queries->batches;
    pthread_mutex_unlock(&queries->lock);
    return batches;
}
