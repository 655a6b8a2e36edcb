/* A job's vectors: those of a collection's passages, read from the store in pages and made one for
 * each document, all of them in memory. Work of the jobs' thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_jobs_internal.h"
#include "index/pairs/product.h"

enum {
    BATCH = 1024,        /* passages read at once */
    LOOKUP_BATCH = 4096, /* passages whose documents are asked for at once */
    MEGABYTE = 1 << 20,
};

struct reading {
    struct engine *engine;
    struct job *job;
    struct job_vectors vectors;
};

void job_vectors_release(struct job_vectors *vectors)
{
    free(vectors->vectors);
    free(vectors->passages);
    *vectors = (struct job_vectors){0};
}

/* --- room --- */

/* Bytes that a job may take: what was said, else three quarters of what the system has to give
 * without swapping; 0 where nobody knows. */
static uint64_t bytes_allowed(const struct engine *engine)
{
    unsigned long long kilobytes = 0;
    char line[128];
    if (engine->options.job_bytes)
        return engine->options.job_bytes;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return kilobytes * 1024 / 4 * 3;
}

static int make_room(struct reading *reading, size_t count, struct err *err)
{
    struct job_vectors *vectors = &reading->vectors;
    size_t row = vectors->dimension * sizeof *vectors->vectors + sizeof *vectors->passages, bytes;
    uint64_t allowed = bytes_allowed(reading->engine);
    if (count <= vectors->capacity)
        return 0;
    if (__builtin_mul_overflow(count, row, &bytes) || (allowed && bytes > allowed))
        return err_set(err, ERR_MEMORY,
                       "the vectors of %zu passages of collection %s take %zu MB, more than the "
                       "%llu MB that may be used",
                       count, reading->job->collection, count / MEGABYTE * row,
                       (unsigned long long)(allowed / MEGABYTE));
    float *floats = reallocarray(vectors->vectors, count, vectors->dimension * sizeof *floats);
    if (!floats)
        return err_memory(err, "a job's vectors");
    vectors->vectors = floats;
    int64_t *passages = reallocarray(vectors->passages, count, sizeof *passages);
    if (!passages)
        return err_memory(err, "a job's vectors");
    vectors->passages = passages;
    vectors->capacity = count;
    return 0;
}

/* --- reading --- */

static int take_batch(void *argument, const struct store_changes *changes, struct err *err)
{
    struct reading *reading = argument;
    struct job_vectors *vectors = &reading->vectors;
    size_t needed = vectors->count + changes->added_count;
    if (cancel_raised(&reading->job->cancel))
        return err_set(err, ERR_CANCELLED, "the job was cancelled");
    /* The collection may have grown since its size was asked for. */
    int r = needed > vectors->capacity ? make_room(reading, needed + needed / 8, err) : 0;
    if (r)
        return r;
    memcpy(vectors->vectors + vectors->count * vectors->dimension, changes->vectors,
           changes->added_count * vectors->dimension * sizeof *vectors->vectors);
    memcpy(vectors->passages + vectors->count, changes->added,
           changes->added_count * sizeof *vectors->passages);
    vectors->count = needed;
    atomic_store(&reading->job->done, needed);
    return 0;
}

/* --- one vector a document --- */

/* Where a document's passage is. */
struct place {
    int64_t document;
    size_t row;
};

static int by_document(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->document != b->document)
        return a->document < b->document ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static int find_documents(struct engine *engine, const struct job_vectors *vectors,
                          struct place *places, struct err *err)
{
    int64_t documents[LOOKUP_BATCH];
    int r = 0;
    for (size_t done = 0; !r && done < vectors->count; done += LOOKUP_BATCH) {
        size_t rest = vectors->count - done, count = rest < LOOKUP_BATCH ? rest : LOOKUP_BATCH;
        r = store_passage_documents(engine->store, vectors->passages + done, count, documents, err);
        for (size_t i = 0; !r && i < count; i++)
            places[done + i] = (struct place){documents[i], done + i};
    }
    return r;
}

/* Adds vector `row` to vector `to`. */
static void add_vector(struct job_vectors *vectors, size_t to, size_t row)
{
    float *sum = vectors->vectors + to * vectors->dimension;
    const float *vector = vectors->vectors + row * vectors->dimension;
    for (size_t i = 0; i < vectors->dimension; i++)
        sum[i] += vector[i];
}

/* Puts the sum of each document's vectors, which are sorted by document, in its first row, and
 * marks the rows that stay. Passages that went meanwhile have no document. */
static int merge(struct job_vectors *vectors, const struct place *places, bool *stays,
                 struct err *err)
{
    size_t count = vectors->count, next;
    int r = 0;
    for (size_t i = 0; !r && i < count; i = next) {
        size_t first = places[i].row;
        for (next = i + 1; next < count && places[next].document == places[i].document; next++)
            if (places[i].document)
                add_vector(vectors, first, places[next].row);
        if (!places[i].document)
            continue;
        stays[first] = true;
        if (next > i + 1)
            r = pairs_normalize(vectors->vectors + first * vectors->dimension, 1,
                                vectors->dimension, err);
    }
    return r;
}

/* Moves the rows that stay together, in their order. */
static void compact(struct job_vectors *vectors, const bool *stays)
{
    size_t kept = 0, size = vectors->dimension * sizeof *vectors->vectors;
    for (size_t i = 0; i < vectors->count; i++) {
        if (!stays[i])
            continue;
        if (kept != i)
            memcpy(vectors->vectors + kept * vectors->dimension,
                   vectors->vectors + i * vectors->dimension, size);
        vectors->passages[kept++] = vectors->passages[i];
    }
    vectors->count = kept;
}

static int join_passages(struct engine *engine, struct job_vectors *vectors, struct err *err)
{
    struct place *places = calloc(vectors->count + 1, sizeof *places);
    bool *stays = calloc(vectors->count + 1, sizeof *stays);
    int r = places && stays ? find_documents(engine, vectors, places, err)
                            : err_memory(err, "a job's documents");
    if (!r) {
        qsort(places, vectors->count, sizeof *places, by_document);
        r = merge(vectors, places, stays, err);
    }
    if (!r)
        compact(vectors, stays);
    free(places);
    free(stays);
    return r;
}

int job_read_vectors(struct engine *engine, struct job *job, struct job_vectors *ret_vectors,
                     struct err *err)
{
    struct reading reading = {.engine = engine, .job = job};
    struct store_collection stored;
    int r = store_collection_find(engine->store, job->collection, &stored, err);
    if (r)
        return r;
    job->collection_key = stored.key;
    reading.vectors.dimension = stored.dimension;
    job_begin_phase(engine->jobs, job, "reading", (uint64_t)stored.passages);
    r = make_room(&reading, (size_t)stored.passages, err);
    if (!r)
        r = store_replay(engine->store, stored.key, stored.dimension, 0, BATCH, take_batch,
                         &reading, err);
    if (!r)
        r = pairs_normalize(reading.vectors.vectors, reading.vectors.count, stored.dimension, err);
    if (!r)
        r = join_passages(engine, &reading.vectors, err);
    if (r)
        job_vectors_release(&reading.vectors);
    else
        *ret_vectors = reading.vectors;
    return r;
}
