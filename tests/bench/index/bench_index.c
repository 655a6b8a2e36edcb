/* Measures an index: build, memory, snapshot, query times and recall, flat beside HNSW.
 *
 * usage: bench_index [COUNT [DIMENSION [THREADS]]]   (50000, 384, 1)
 *
 * Half of the vectors lie around 500 centres, half are uniform noise; queries are drawn alike.
 * Times are wall clock on whatever machine this is: compare within one run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "index/index.h"

enum { QUERIES = 500, BATCH = 1000, TOP_K = 10, CENTRES = 500 };

struct bench {
    struct index_options options;
    size_t count;
    float *vectors, *queries; /* (count, dimension), (BATCH, dimension) */
    int64_t *exact_ids;       /* (BATCH, TOP_K) */
    uint64_t state;
};

static void die(const struct err *err)
{
    fprintf(stderr, "bench_index: %s\n", err->message);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* xorshift64* (Vigna 2014), to -1 to 1. */
static float next_float(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (float)((*state * 0x2545F4914F6CDD1DULL) >> 40) / 8388608.0F - 1.0F;
}

static void fill(struct bench *bench, size_t count, float *ret_vectors)
{
    size_t dimension = bench->options.dimension;
    for (size_t i = 0; i < count; i++) {
        uint64_t centre = 1 + (uint64_t)((next_float(&bench->state) + 1) * CENTRES / 2);
        for (size_t j = 0; j < dimension; j++) {
            float noise = next_float(&bench->state);
            ret_vectors[i * dimension + j] = i % 2 ? noise : next_float(&centre) + 0.7F * noise;
        }
    }
}

static int compare_times(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void measure_queries(struct bench *bench, const struct vector_index *index, const char *name,
                            const struct index_search_options *options)
{
    static double times[QUERIES];
    static int64_t ids[BATCH * TOP_K];
    static float scores[BATCH * TOP_K];
    static size_t counts[BATCH];
    struct err err = {0};
    size_t dimension = bench->options.dimension, hits[2] = {0};

    for (size_t q = 0; q < QUERIES; q++) {
        double start = now();
        if (index_search(index, bench->queries + q * dimension, 1, options, ids + q * TOP_K,
                         scores + q * TOP_K, counts + q, &err) < 0)
            die(&err);
        times[q] = now() - start;
    }
    if (options->exact)
        memcpy(bench->exact_ids, ids, sizeof ids);
    for (size_t q = 0; q < QUERIES; q++)
        for (size_t i = 0; i < counts[q]; i++)
            for (size_t j = 0; j < TOP_K; j++)
                hits[q % 2] += ids[q * TOP_K + i] == bench->exact_ids[q * TOP_K + j];
    qsort(times, QUERIES, sizeof *times, compare_times);
    double start = now();
    if (index_search(index, bench->queries, BATCH, options, ids, scores, counts, &err) < 0)
        die(&err);
    printf("%-20s p50 %7.3f ms, p99 %7.3f; batch of %d: %.3f ms a query; recall@%d %.4f "
           "(clustered), %.4f (noise)\n",
           name, times[QUERIES / 2] * 1e3, times[QUERIES * 99 / 100] * 1e3, BATCH,
           (now() - start) * 1e3 / BATCH, TOP_K, (double)hits[0] / (QUERIES / 2 * TOP_K),
           (double)hits[1] / (QUERIES / 2 * TOP_K));
}

static void measure_snapshot(const struct bench *bench, const struct vector_index *index)
{
    char path[64];
    struct vector_index *loaded;
    struct err err = {0};
    snprintf(path, sizeof path, "/tmp/bench_index.%d", (int)getpid());
    double start = now();
    if (index_save(index, path, "bench", &err) < 0)
        die(&err);
    double saved = now();
    if (index_load(&loaded, path, "bench", &bench->options, &err) < 0)
        die(&err);
    printf("snapshot               saved in %.2f s, loaded in %.2f s\n", saved - start,
           now() - saved);
    index_free(loaded);
    unlink(path);
}

static void measure_builds(struct bench *bench, struct vector_index *index)
{
    struct index_stats stats;
    struct err err = {0};
    bool worked = true;
    int64_t *ids = calloc(bench->count, sizeof *ids);
    for (size_t i = 0; i < bench->count; i++)
        ids[i] = (int64_t)i + 1;
    double start = now();
    if (index_apply(index, ids, bench->vectors, bench->count, NULL, 0, 1, &err) < 0)
        die(&err);
    double added = now();
    const struct index_search_options exact = {.top_k = TOP_K, .exact = true};
    measure_queries(bench, index, "flat", &exact);
    double began = now();
    while (worked)
        if (index_maintain(index, &worked, NULL, &err) < 0)
            die(&err);
    double built = now();
    index_get_stats(index, &stats);
    printf("%-22s added in %.2f s, graphs of %zu segments in %.2f s, %.0f bytes a vector\n",
           stats.kind, added - start, stats.graph_segments, built - began,
           (double)stats.bytes / (double)stats.live);
    for (size_t ef = 32; ef <= 256; ef *= 2) {
        char name[32];
        const struct index_search_options near = {.top_k = TOP_K, .ef_search = ef};
        snprintf(name, sizeof name, "hnsw, efSearch %zu", ef);
        measure_queries(bench, index, name, &near);
    }
    measure_queries(bench, index, "exact beside graphs", &exact);
    free(ids);
}

int main(int argc, char **argv)
{
    struct bench bench = {.count = argc > 1 ? strtoul(argv[1], NULL, 10) : 50000,
                          .state = 88172645463325252ULL};
    bench.options = (struct index_options){
        .dimension = argc > 2 ? strtoul(argv[2], NULL, 10) : 384,
        .kind = INDEX_HNSW,
        .segment_size = bench.count,
        .build_threads = argc > 3 ? atoi(argv[3]) : 1,
    };
    struct vector_index *index;
    struct err err = {0};
    size_t dimension = bench.options.dimension;

    if (index_create(&index, &bench.options, &err) < 0)
        die(&err);
    bench.vectors = calloc(bench.count * dimension, sizeof *bench.vectors);
    bench.queries = calloc(BATCH * dimension, sizeof *bench.queries);
    bench.exact_ids = calloc(BATCH * TOP_K, sizeof *bench.exact_ids);
    if (!bench.vectors || !bench.queries || !bench.exact_ids) {
        fprintf(stderr, "bench_index: out of memory\n");
        return 1;
    }
    fill(&bench, bench.count, bench.vectors);
    fill(&bench, BATCH, bench.queries);
    printf("%zu x %zu, half clustered, half noise\n", bench.count, dimension);
    measure_builds(&bench, index);
    measure_snapshot(&bench, index);
    index_free(index);
    free(bench.vectors);
    free(bench.queries);
    free(bench.exact_ids);
    return 0;
}
