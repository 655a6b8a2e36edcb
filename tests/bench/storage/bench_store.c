/* How fast the store takes vectors in (by batch size), gives them back by replay, and fetches the
 * texts of ten hits. No peers: it is for comparing the store with itself.
 *
 *   bench_store [DOCUMENTS [DIMENSION [FOLDER]]]     (20000, 384, a new one below /tmp)
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/digest.h"
#include "storage/store.h"

enum { TEXT_SIZE = 80, HITS = 10, FETCHES = 2000 };

struct bench {
    struct store *store;
    struct store_collection collection;
    struct err err;
    int documents;
    size_t dimension;
    float *vectors; /* (batch, dimension) */
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int make_batch(struct bench *bench, int first, int count, struct arena *arena,
                      struct store_document **ret_documents)
{
    struct store_document *documents = arena_alloc(arena, (size_t)count, sizeof *documents);
    struct store_passage *passages = arena_alloc(arena, (size_t)count, sizeof *passages);
    if (!documents || !passages)
        return err_memory(&bench->err, "a batch");
    for (int i = 0; i < count; i++) {
        char *text = arena_alloc(arena, TEXT_SIZE + 1, 1);
        if (!text)
            return err_memory(&bench->err, "a batch");
        snprintf(text, TEXT_SIZE + 1,
                 "%d and then some words that make it as long as a headline is", first + i);
        size_t size = strlen(text);
        passages[i] = (struct store_passage){
            .end = size, .vector = bench->vectors + (size_t)i * bench->dimension};
        documents[i] = (struct store_document){.text = text,
                                               .text_size = size,
                                               .source = {.path = "bench.txt", .line = first + i},
                                               .passages = &passages[i],
                                               .passage_count = 1};
        int r = digest_bytes(text, size, documents[i].text_hash, &bench->err);
        char *hex = arena_alloc(arena, DIGEST_HEX_SIZE, 1);
        if (r < 0 || !hex)
            return r < 0 ? r : err_memory(&bench->err, "a batch");
        for (int j = 0; j < DIGEST_SIZE; j++)
            snprintf(hex + 2 * j, 3, "%02x", documents[i].text_hash[j]);
        documents[i].id = hex;
    }
    *ret_documents = documents;
    return 0;
}

/* Puts all documents; *ret_seconds is the time within store_put. */
static int put_all(struct bench *bench, int batch, int count, double *ret_seconds)
{
    double seconds = 0;
    int r = 0;
    for (int first = 0; first < count && r == 0; first += batch) {
        struct arena arena = {0};
        struct store_document *documents = NULL;
        struct store_changes changes;
        int size = count - first < batch ? count - first : batch;
        enum store_state *states = arena_alloc(&arena, (size_t)size, sizeof *states);
        r = states ? make_batch(bench, first, size, &arena, &documents)
                   : err_memory(&bench->err, "a batch");
        double start = now();
        if (r == 0)
            r = store_put(bench->store, bench->collection.key, documents, (size_t)size, states,
                          &arena, &changes, &bench->err);
        seconds += now() - start;
        arena_release(&arena);
    }
    *ret_seconds = seconds;
    return r;
}

static int new_collection(struct bench *bench, int number)
{
    bench->collection = (struct store_collection){
        .dimension = bench->dimension, .metric = "cosine", .index = "auto"};
    snprintf(bench->collection.name, sizeof bench->collection.name, "batch-%d", number);
    return store_collection_create(bench->store, &bench->collection, &bench->err);
}

static int bench_puts(struct bench *bench)
{
    static const int batches[] = {1, 32, 256, 1000};
    int r = 0;
    for (size_t i = 0; i < sizeof batches / sizeof batches[0] && r == 0; i++) {
        /* single puts are bound by the disk's sync: fewer tell as much */
        int count = batches[i] == 1 && bench->documents > 1000 ? 1000 : bench->documents;
        double first = 0, again = 0;
        r = new_collection(bench, batches[i]);
        if (r == 0)
            r = put_all(bench, batches[i], count, &first);
        if (r == 0)
            r = put_all(bench, batches[i], count, &again);
        if (r == 0)
            printf("put, batches of %4d: %8.0f vectors/s, %7.2f ms a batch; unchanged again: "
                   "%8.0f documents/s\n",
                   batches[i], count / first, 1e3 * first * batches[i] / count, count / again);
    }
    return r;
}

static int count_vectors(void *argument, const struct store_changes *changes, struct err *err)
{
    (void)err;
    *(size_t *)argument += changes->added_count;
    return 0;
}

static int bench_replay(struct bench *bench)
{
    for (int turn = 0; turn < 2; turn++) {
        size_t count = 0;
        double start = now();
        int r = store_replay(bench->store, bench->collection.key, bench->dimension, 0, 1024,
                             count_vectors, &count, &bench->err);
        if (r < 0)
            return r;
        printf("replay: %.0f vectors/s\n", (double)count / (now() - start));
    }
    return 0;
}

static int bench_fetch(struct bench *bench)
{
    unsigned seed = 1;
    double start = now();
    for (int i = 0; i < FETCHES; i++) {
        int64_t passages[HITS];
        struct store_hit hits[HITS];
        struct arena arena = {0};
        for (int j = 0; j < HITS; j++)
            passages[j] = 1 + (int64_t)bench->documents * 2 + rand_r(&seed) % bench->documents;
        int r = store_fetch_passages(bench->store, bench->collection.key, passages, HITS, &arena,
                                     hits, &bench->err);
        arena_release(&arena);
        if (r < 0)
            return r;
    }
    printf("fetch %d hits: %.1f us\n", HITS, 1e6 * (now() - start) / FETCHES);
    return 0;
}

static int bench_end(struct bench *bench)
{
    int64_t before = store_bytes(bench->store);
    double start = now();
    int r = store_check(bench->store, &bench->err);
    if (r < 0)
        return r;
    printf("check: %.2f s for %.0f MB\n", now() - start, 1e-6 * (double)before);
    start = now();
    r = store_collection_drop(bench->store, bench->collection.key, &bench->err);
    if (r == 0)
        printf("drop: %.2f s, from %.0f to %.0f MB\n", now() - start, 1e-6 * (double)before,
               1e-6 * (double)store_bytes(bench->store));
    return r;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

int main(int count, char **arguments)
{
    char folder[] = "/tmp/sbertd-bench-XXXXXX";
    char path[4200];
    struct bench bench = {.documents = count > 1 ? atoi(arguments[1]) : 20000,
                          .dimension = count > 2 ? (size_t)atoi(arguments[2]) : 384};
    bench.vectors = calloc(1000 * bench.dimension, sizeof *bench.vectors);
    if (bench.documents < 1 || !bench.dimension || !bench.vectors ||
        (count <= 3 && !mkdtemp(folder))) {
        fprintf(stderr, "usage: bench_store [DOCUMENTS [DIMENSION [FOLDER]]]\n");
        return 2;
    }
    for (size_t i = 0; i < 1000 * bench.dimension; i++)
        bench.vectors[i] = (float)(i % 1009) / 1009;
    snprintf(path, sizeof path, "%s/bench.sqlite3", count > 3 ? arguments[3] : folder);
    int r = store_open(&bench.store, path, &bench.err);
    if (r == 0)
        r = bench_puts(&bench);
    if (r == 0)
        r = bench_replay(&bench);
    if (r == 0)
        r = bench_fetch(&bench);
    if (r == 0)
        r = bench_end(&bench);
    if (r < 0)
        fprintf(stderr, "bench_store: %s\n", bench.err.message);
    store_close(bench.store);
    free(bench.vectors);
    if (count <= 3)
        nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return r < 0;
}
