/* Times an index on vectors of real text; index.py runs it beside other libraries.
 *
 *     bench_index FOLDER COUNT [NAME=VALUE...]
 *
 * FOLDER holds what corpus.py made (queries.npy, part-000.npy, ...) and truth-COUNT.npy: for each
 * query the ids (counted from 1) of its 10 nearest, best first. NAME is precision (f32, f16, int8),
 * M, ef_construction, ef, segment, threads, scan (1: exact searches alone), select (1: also
 * filtered searches) or churn (rounds of deleting and adding again half of all; then half is
 * deleted for good). Prints one JSON object.
 */
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "index/block.h"
#include "index/index.h"

enum {
    TOP_K = 10,
    BATCH = 1000,
    PART = 20000,
    MOST_CLIENTS = 8,
    ROUND = 2000,
    MOST_PARTS = 1000,
    MOST_THREADS = 64,
    STREAM_BYTES = 256 << 20,
    EXACT_TURNS = 10,
    EXACT_TURN = 10, /* searches in a turn */
};

struct matrix {
    const void *data;
    size_t rows;
};

struct bench {
    const char *folder;
    size_t count, dimension, churn;
    bool selects, scans;
    struct index_options options;
    struct matrix queries, truth;
    struct matrix parts[MOST_PARTS];
    struct file_map files[MOST_PARTS]; /* that these are in */
    struct vector_index *index;
};

static void die(const struct err *err)
{
    fprintf(stderr, "bench_index: %s\n", err->message);
    exit(1);
}

/* The rows of a .npy file (version 1, C order), mapped and never unmapped. */
static struct matrix load_npy(const char *folder, const char *name, size_t *ret_columns,
                              struct file_map *ret_map)
{
    char path[512];
    struct file_map map;
    struct err err = {0};
    size_t rows, columns;
    snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    if (file_map(&map, path, &err) < 0)
        die(&err);
    size_t header = 10U + map.data[8] + 256U * map.data[9];
    const char *shape = memmem(map.data, header, "'shape': (", 10);
    if (!shape || sscanf(shape + 10, "%zu, %zu", &rows, &columns) != 2) {
        fprintf(stderr, "bench_index: %s has no shape\n", path);
        exit(1);
    }
    *ret_columns = columns;
    *ret_map = map;
    return (struct matrix){map.data + header, rows};
}

static const float *vector_at(const struct bench *bench, size_t i)
{
    return (const float *)bench->parts[i / PART].data + i % PART * bench->dimension;
}

static double memory_kib(const char *field)
{
    char line[256];
    double value = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0)
            value = atof(line + strlen(field) + 1);
    if (file)
        fclose(file);
    return value;
}

/* --- searching --- */

struct client {
    const struct bench *bench;
    const struct index_search_options *options;
    size_t first, count; /* queries */
    double *times;       /* (count) seconds */
    size_t hits;         /* among the truth */
    struct err err;
};

static void *run_client(void *argument)
{
    struct client *client = argument;
    const struct bench *bench = client->bench;
    for (size_t i = 0; i < client->count; i++) {
        size_t q = (client->first + i) % bench->queries.rows, found;
        int64_t ids[TOP_K];
        float scores[TOP_K];
        const int64_t *truth = (const int64_t *)bench->truth.data + q * TOP_K;
        double start = clock_now();
        if (index_search(bench->index, (const float *)bench->queries.data + q * bench->dimension, 1,
                         client->options, ids, scores, &found, &client->err) < 0)
            return NULL;
        client->times[i] = clock_now() - start;
        for (size_t j = 0; j < found; j++)
            for (size_t k = 0; k < TOP_K; k++)
                client->hits += ids[j] == truth[k];
    }
    return NULL;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const struct bench *bench, const char *name, size_t clients, size_t queries,
                    const struct index_search_options *options)
{
    struct client all[MOST_CLIENTS];
    pthread_t threads[MOST_CLIENTS];
    size_t each = queries / clients, hits = 0;
    double *times = calloc(clients * each, sizeof *times);
    double start = clock_now();
    for (size_t c = 0; c < clients; c++) {
        all[c] = (struct client){bench, options, c * each, each, times + c * each, 0, {0}};
        pthread_create(&threads[c], NULL, run_client, &all[c]);
    }
    for (size_t c = 0; c < clients; c++) {
        pthread_join(threads[c], NULL);
        if (all[c].err.code)
            die(&all[c].err);
        hits += all[c].hits;
    }
    double took = clock_now() - start;
    qsort(times, clients * each, sizeof *times, compare_doubles);
    printf(", \"%s\": {\"p50_ms\": %.4f, \"p99_ms\": %.4f, \"a_second\": %.0f, \"recall\": %.4f}",
           name, times[clients * each / 2] * 1e3, times[clients * each * 99 / 100] * 1e3,
           (double)(clients * each) / took, (double)hits / (double)(clients * each * TOP_K));
    free(times);
}

/* --- exact searches beside a summing loop --- */

/* The part of an array that one thread sums up, a cache line at a time. */
typedef float line __attribute__((vector_size(64), may_alias));

struct stream {
    const line *data;
    size_t count;
    float sum;
};

#ifdef __x86_64__
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
static void *
run_stream(void *argument)
{
    struct stream *stream = argument;
    line a = {0}, b = {0}, c = {0}, d = {0};
    for (size_t i = 0; i + 3 < stream->count; i += 4) {
        a += stream->data[i];
        b += stream->data[i + 1];
        c += stream->data[i + 2];
        d += stream->data[i + 3];
    }
    a += b + c + d;
    stream->sum = a[0];
    return NULL;
}

/* Bytes a second that `threads` threads read; `data` has STREAM_BYTES for each. */
static double stream_once(const void *data, size_t threads)
{
    struct stream streams[MOST_THREADS];
    pthread_t ids[MOST_THREADS];
    size_t count = STREAM_BYTES / sizeof(line);
    double start = clock_now();
    for (size_t i = 0; i < threads; i++) {
        streams[i] = (struct stream){(const line *)data + i * count, count, 0};
        pthread_create(&ids[i], NULL, run_stream, &streams[i]);
    }
    for (size_t i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    return (double)threads * STREAM_BYTES / (clock_now() - start);
}

static size_t row_bytes(const struct bench *bench)
{
    switch (bench->options.precision) {
    case INDEX_PRECISION_INT8:
        return bench->dimension + 2 * sizeof(float); /* a scale, a square */
    case INDEX_PRECISION_F16:
        return bench->dimension * sizeof(uint16_t);
    default:
        return bench->dimension * sizeof(float);
    }
}

/* Exact searches and the summing loop take turns, so that what else the machine does meets both. */
static void measure_exact(const struct bench *bench)
{
    const struct index_search_options exact = {.top_k = TOP_K, .exact = true};
    size_t threads = (size_t)cpu_count() < MOST_THREADS ? (size_t)cpu_count() : MOST_THREADS;
    struct client client = {bench, &exact, 0, EXACT_TURN, NULL, 0, {0}};
    double times[EXACT_TURNS * EXACT_TURN], streams[EXACT_TURNS];
    size_t bytes = threads * STREAM_BYTES, count = EXACT_TURNS * EXACT_TURN;
    void *data = memory_take(bytes);
    if (!data)
        exit(1);
    memset(data, 1, bytes);
    for (size_t turn = 0; turn < EXACT_TURNS; turn++) {
        streams[turn] = stream_once(data, threads);
        client.first = turn * EXACT_TURN;
        client.times = times + client.first;
        run_client(&client);
        if (client.err.code)
            die(&client.err);
    }
    memory_give_back(data, bytes);
    qsort(times, count, sizeof *times, compare_doubles);
    qsort(streams, EXACT_TURNS, sizeof *streams, compare_doubles);
    double scanned = (double)(bench->count * row_bytes(bench));
    printf(
        ", \"exact\": {\"p50_ms\": %.4f, \"p99_ms\": %.4f, \"recall\": %.4f, "
        "\"gb_s\": %.2f, \"best_gb_s\": %.2f, \"stream_gb_s\": %.2f, \"stream_best_gb_s\": %.2f}",
        times[count / 2] * 1e3, times[count * 99 / 100] * 1e3,
        (double)client.hits / (double)(count * TOP_K), scanned / times[count / 2] / 1e9,
        scanned / times[0] / 1e9, streams[EXACT_TURNS / 2] / 1e9, streams[EXACT_TURNS - 1] / 1e9);
}

/* --- filling --- */

/* Adds every step-th vector from `first` on, by batches. */
static void add_all(struct bench *bench, size_t first, size_t step)
{
    struct err err = {0};
    int64_t ids[BATCH];
    float *vectors = calloc(BATCH * bench->dimension, sizeof *vectors);
    while (first < bench->count) {
        size_t filled = 0;
        for (; first < bench->count && filled < BATCH; first += step) {
            ids[filled] = (int64_t)first + 1;
            memcpy(vectors + filled++ * bench->dimension, vector_at(bench, first),
                   bench->dimension * sizeof *vectors);
        }
        if (index_apply(bench->index, ids, vectors, filled, NULL, 0, (int64_t)first, &err) < 0)
            die(&err);
    }
    free(vectors);
}

static void remove_all(struct bench *bench, size_t first, size_t step)
{
    struct err err = {0};
    int64_t gone[BATCH];
    while (first < bench->count) {
        size_t filled = 0;
        for (; first < bench->count && filled < BATCH; first += step)
            gone[filled++] = (int64_t)first + 1;
        if (index_apply(bench->index, NULL, NULL, 0, gone, filled, 1, &err) < 0)
            die(&err);
    }
}

static void maintain_all(struct bench *bench)
{
    struct err err = {0};
    bool worked = true;
    while (worked)
        if (index_maintain(bench->index, &worked, NULL, &err) < 0)
            die(&err);
}

/* --- memory --- */

/* Watches memory while another thread works. */
struct watch {
    const char *field; /* of /proc/self/status */
    pthread_t thread;
    atomic_bool done;
    double most_kib;
};

static void *run_watch(void *argument)
{
    struct watch *watch = argument;
    while (!atomic_load(&watch->done)) {
        watch->most_kib = fmax(watch->most_kib, memory_kib(watch->field));
        usleep(5000);
    }
    return NULL;
}

/* Returns what is in use, in KiB. */
static double watch_start(struct watch *watch, const char *field)
{
    *watch = (struct watch){.field = field, .most_kib = 0};
    double now = memory_kib(field);
    pthread_create(&watch->thread, NULL, run_watch, watch);
    return now;
}

/* Returns the most that was. */
static double watch_stop(struct watch *watch)
{
    atomic_store(&watch->done, true);
    pthread_join(watch->thread, NULL);
    return fmax(watch->most_kib, memory_kib(watch->field));
}

/* Takes the documents' files out of what counts as ours. */
static void forget_parts(const struct bench *bench)
{
    for (size_t i = 0; i * PART < bench->count; i++)
        file_forget(&bench->files[i]);
}

/* --- filters, churn, snapshots --- */

static void measure_filters(struct bench *bench)
{
    static const double shares[] = {0.5, 0.1, 0.01, 0.001};
    int64_t *ids = calloc(bench->count, sizeof *ids);
    for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) {
        struct index_selection *selection;
        struct err err = {0};
        size_t count = 0, hits = 0, wanted = 0;
        for (size_t i = 0; i < bench->count; i++)
            if ((double)((i * 2654435761U) % 1000003) < shares[s] * 1000003)
                ids[count++] = (int64_t)i + 1;
        double start = clock_now(), times[200];
        if (index_selection_new(&selection, ids, count, &err) < 0)
            die(&err);
        double first = 0;
        for (size_t q = 0; q < 200; q++) {
            const float *query = (const float *)bench->queries.data + q * bench->dimension;
            const struct index_search_options near = {.top_k = TOP_K, .selection = selection};
            const struct index_search_options exact = {
                .top_k = TOP_K, .selection = selection, .exact = true};
            int64_t found[2][TOP_K];
            float scores[TOP_K];
            size_t counts[2];
            double began = clock_now();
            if (index_search(bench->index, query, 1, &near, found[0], scores, &counts[0], &err) < 0)
                die(&err);
            times[q] = clock_now() - began;
            if (!q)
                first = clock_now() - start;
            if (index_search(bench->index, query, 1, &exact, found[1], scores, &counts[1], &err) <
                0)
                die(&err);
            wanted += counts[1];
            for (size_t i = 0; i < counts[0]; i++)
                for (size_t j = 0; j < counts[1]; j++)
                    hits += found[0][i] == found[1][j];
        }
        qsort(times, 200, sizeof *times, compare_doubles);
        printf(", \"filter_%g\": {\"first_ms\": %.3f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
               "\"recall\": %.4f}",
               shares[s], first * 1e3, times[100] * 1e3, times[198] * 1e3,
               (double)hits / (double)wanted);
        index_selection_free(selection);
    }
    free(ids);
}

/* Half of the documents leave and come again, in turn the one half and the other. */
static void measure_churn(struct bench *bench)
{
    struct watch watch;
    double before = memory_kib("RssAnon"), start = clock_now();
    watch_start(&watch, "RssAnon");
    for (size_t round = 0; round < bench->churn; round++) {
        remove_all(bench, round % 2, 2);
        add_all(bench, round % 2, 2);
        maintain_all(bench);
    }
    double most = watch_stop(&watch);
    printf(", \"churn\": {\"rounds\": %zu, \"seconds\": %.2f, \"rss_share\": %.3f, "
           "\"peak_rss_share\": %.3f}",
           bench->churn, clock_now() - start, memory_kib("RssAnon") / before, most / before);
}

/* Half of them leave for good. */
static void measure_compaction(struct bench *bench)
{
    struct watch watch;
    double start = clock_now(), before = watch_start(&watch, "RssAnon");
    remove_all(bench, 0, 2);
    maintain_all(bench);
    double most = watch_stop(&watch);
    printf(", \"halved\": {\"seconds\": %.2f, \"rss_share\": %.3f, \"peak_rss_share\": %.3f}",
           clock_now() - start, memory_kib("RssAnon") / before, most / before);
}

static void measure_snapshot(struct bench *bench)
{
    char path[512];
    struct watch watch;
    struct err err = {0};
    snprintf(path, sizeof path, "%s/snapshot.%d", bench->folder, (int)getpid());
    double start = clock_now(), full = memory_kib("RssAnon");
    if (index_save(bench->index, path, "bench", &err) < 0)
        die(&err);
    double saved = clock_now();
    index_free(bench->index);
    double dropped = memory_kib("RssAnon");
    forget_parts(bench);
    double before = watch_start(&watch, "VmRSS"), loading = clock_now();
    int r = index_load(&bench->index, path, "bench", &bench->options, &err);
    double loaded = clock_now(), most = watch_stop(&watch);
    unlink(path);
    if (r < 0)
        die(&err);
    printf(", \"save_seconds\": %.3f, \"load_seconds\": %.3f, \"load_peak_share\": %.3f, "
           "\"dropped_mib\": %.1f",
           saved - start, loaded - loading, (most - before) / (full - dropped), dropped / 1024);
}

/* `empty` is the memory, in KiB, before anything was added. */
static void measure_build(struct bench *bench, double empty)
{
    struct index_stats stats;
    struct watch watch;
    double start = clock_now();
    watch_start(&watch, "RssAnon");
    maintain_all(bench);
    double took = clock_now() - start, most = watch_stop(&watch);
    index_get_stats(bench->index, &stats);
    double live = (double)stats.live;
    printf(", \"build_seconds\": %.2f, \"graphs\": %zu, \"tail\": %zu, \"bytes_each\": %.0f, "
           "\"rss_bytes_each\": %.0f, \"peak_rss_bytes_each\": %.0f",
           took, stats.graph_segments, stats.unlinked, (double)stats.bytes / live,
           (memory_kib("RssAnon") - empty) * 1024 / live, (most - empty) * 1024 / live);
}

static void run(struct bench *bench)
{
    struct err err = {0};
    const struct index_search_options near = {.top_k = TOP_K};
    if (index_create(&bench->index, &bench->options, &err) < 0)
        die(&err);
    printf("{\"count\": %zu", bench->count);
    double empty = memory_kib("RssAnon"), start = clock_now();
    add_all(bench, 0, 1);
    printf(", \"add_a_second\": %.0f", (double)bench->count / (clock_now() - start));
    measure_exact(bench);
    if (!bench->scans) {
        measure_build(bench, empty);
        measure(bench, "one_client", 1, ROUND, &near);
        measure(bench, "eight_clients", MOST_CLIENTS, 2 * ROUND, &near);
    }
    if (bench->selects)
        measure_filters(bench);
    if (bench->churn) {
        measure_churn(bench);
        measure(bench, "after_churn", 1, ROUND, &near);
    }
    measure_snapshot(bench);
    if (bench->churn)
        measure_compaction(bench);
    index_free(bench->index);
    printf("}\n");
}

static void set_option(struct bench *bench, const char *setting)
{
    const char *value = strchr(setting, '=');
    size_t name = value ? (size_t)(value - setting) : strlen(setting);
    size_t number = value ? strtoul(value + 1, NULL, 10) : 0;
    const struct {
        const char *name;
        size_t *option;
    } numbers[] = {{"M", &bench->options.M},
                   {"ef_construction", &bench->options.ef_construction},
                   {"ef", &bench->options.ef_search},
                   {"segment", &bench->options.segment_size},
                   {"churn", &bench->churn}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strlen(numbers[i].name) == name && memcmp(setting, numbers[i].name, name) == 0) {
            *numbers[i].option = number;
            return;
        }
    if (memcmp(setting, "threads=", 8) == 0)
        bench->options.build_threads = (int)number;
    else if (memcmp(setting, "select=", 7) == 0)
        bench->selects = number != 0;
    else if (memcmp(setting, "scan=", 5) == 0)
        bench->scans = number != 0;
    else if (strcmp(setting, "precision=f32") == 0)
        bench->options.precision = INDEX_PRECISION_F32;
    else if (strcmp(setting, "precision=f16") == 0)
        bench->options.precision = INDEX_PRECISION_F16;
    else if (strcmp(setting, "precision=int8") == 0)
        bench->options.precision = INDEX_PRECISION_INT8;
    else {
        fprintf(stderr, "bench_index: no such setting: %s\n", setting);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static struct bench bench;
    char name[64];
    struct file_map map;
    size_t columns;
    if (argc < 3) {
        fprintf(stderr, "usage: bench_index FOLDER COUNT [NAME=VALUE...]\n");
        return 2;
    }
    bench.folder = argv[1];
    bench.count = strtoul(argv[2], NULL, 10);
    bench.options.kind = INDEX_HNSW;
    bench.options.build_threads = cpu_count();
    for (int i = 3; i < argc; i++)
        set_option(&bench, argv[i]);
    bench.queries = load_npy(bench.folder, "queries", &bench.dimension, &map);
    snprintf(name, sizeof name, "truth-%zu", bench.count);
    bench.truth = load_npy(bench.folder, name, &columns, &map);
    for (size_t i = 0; i * PART < bench.count && i < MOST_PARTS; i++) {
        snprintf(name, sizeof name, "part-%03zu", i);
        bench.parts[i] = load_npy(bench.folder, name, &columns, &bench.files[i]);
    }
    bench.options.dimension = bench.dimension;
    run(&bench);
    return 0;
}
