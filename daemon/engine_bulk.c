/* Texts encoded in the background: a queue in front of a crew of the lowest scheduling class.
 *
 * A crew's caller works too, at its own priority; so a thread of ours, itself in the lowest class,
 * is that caller, and those who want texts encoded wait for it. Requests take turns in slices, so
 * that a long one does not hold up a short one. No query comes through here or takes its lock.
 */
#include <stdlib.h>

#include "base/priority.h"
#include "daemon/engine_internal.h"

/* Texts of a slice for each thread: enough that the last micro-batches, during which some threads
 * have run out of work, are a small part of it. */
enum { SLICE_PER_THREAD = 512 };

/* What one caller wants; on that caller's stack. */
struct bulk_job {
    const struct encoder_text *texts; /* (count) */
    size_t count, done;
    const char *prompt;
    float *vectors;
    struct encoder_usage *usage;
    int r;
    struct err *err;
    bool finished;
    struct bulk_job *next;
};

struct bulk_encoder {
    struct encoder_crew *crew;
    size_t dimension, slice;
    const volatile int *cancel;

    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t arrived, finished;
    struct bulk_job *first, **last;
    bool stopping;
    atomic_size_t waiting;
};

static void append(struct bulk_encoder *bulk, struct bulk_job *job)
{
    job->next = NULL;
    *bulk->last = job;
    bulk->last = &job->next;
}

static struct bulk_job *take_first(struct bulk_encoder *bulk)
{
    struct bulk_job *job = bulk->first;
    bulk->first = job->next;
    if (!bulk->first)
        bulk->last = &bulk->first;
    return job;
}

/* Encodes a job's next slice; returns how many texts it had. */
static size_t encode_slice(struct bulk_encoder *bulk, struct bulk_job *job)
{
    size_t count = job->count - job->done;
    if (count > bulk->slice)
        count = bulk->slice;
    job->r = encoder_encode(bulk->crew, job->texts + job->done, count, job->prompt,
                            job->vectors + job->done * bulk->dimension, job->usage + job->done,
                            bulk->cancel, job->err);
    return count;
}

static void *bulk_main(void *argument)
{
    struct bulk_encoder *bulk = argument;
    priority_lowest();

    pthread_mutex_lock(&bulk->lock);
    for (;;) {
        while (!bulk->first && !bulk->stopping)
            pthread_cond_wait(&bulk->arrived, &bulk->lock);
        if (!bulk->first)
            break;
        struct bulk_job *job = take_first(bulk);
        pthread_mutex_unlock(&bulk->lock);
        size_t count = encode_slice(bulk, job);
        pthread_mutex_lock(&bulk->lock);
        job->done += count;
        if (!job->r && job->done < job->count) {
            atomic_fetch_sub(&bulk->waiting, count);
            append(bulk, job);
        } else {
            atomic_fetch_sub(&bulk->waiting, count + job->count - job->done);
            job->finished = true;
            pthread_cond_broadcast(&bulk->finished);
        }
    }
    pthread_mutex_unlock(&bulk->lock);
    return NULL;
}

int bulk_open(struct bulk_encoder **ret_bulk, const struct encoder *encoder, int threads,
              const volatile int *cancel, struct err *err)
{
    struct bulk_encoder *bulk = calloc(1, sizeof *bulk);
    if (!bulk)
        return err_memory(err, "the background encoder");
    bulk->dimension = encoder_info(encoder)->dimension;
    bulk->slice = (size_t)threads * SLICE_PER_THREAD;
    bulk->cancel = cancel;
    bulk->last = &bulk->first;
    pthread_mutex_init(&bulk->lock, NULL);
    pthread_cond_init(&bulk->arrived, NULL);
    pthread_cond_init(&bulk->finished, NULL);

    int r = encoder_crew_open(&bulk->crew, encoder, threads, true, err);
    if (!r)
        r = engine_thread_start(&bulk->thread, bulk_main, bulk, err);
    if (r) {
        bulk_close(bulk);
        return r;
    }
    bulk->started = true;
    *ret_bulk = bulk;
    return 0;
}

void bulk_close(struct bulk_encoder *bulk)
{
    if (!bulk)
        return;
    if (bulk->started) {
        pthread_mutex_lock(&bulk->lock);
        bulk->stopping = true;
        pthread_cond_signal(&bulk->arrived);
        pthread_mutex_unlock(&bulk->lock);
        pthread_join(bulk->thread, NULL);
    }
    encoder_crew_close(bulk->crew);
    pthread_cond_destroy(&bulk->finished);
    pthread_cond_destroy(&bulk->arrived);
    pthread_mutex_destroy(&bulk->lock);
    free(bulk);
}

int bulk_encode(struct bulk_encoder *bulk, const struct encoder_text *texts, size_t count,
                const char *prompt, float *ret_vectors, struct encoder_usage *ret_usage,
                struct err *err)
{
    struct bulk_job job = {
        .texts = texts,
        .count = count,
        .prompt = prompt,
        .vectors = ret_vectors,
        .usage = ret_usage,
        .err = err,
    };
    pthread_mutex_lock(&bulk->lock);
    atomic_fetch_add(&bulk->waiting, count);
    append(bulk, &job);
    pthread_cond_signal(&bulk->arrived);
    while (!job.finished)
        pthread_cond_wait(&bulk->finished, &bulk->lock);
    pthread_mutex_unlock(&bulk->lock);
    return job.r;
}

size_t bulk_waiting(const struct bulk_encoder *bulk)
{
    return atomic_load(&bulk->waiting);
}
