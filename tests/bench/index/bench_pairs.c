/* Times the search for the most similar pairs among the vectors of NumPy files.
 *
 * usage: bench_pairs [-k TOP] [-t THREADS] [-g] [-o] FILE.npy...   (100, all CPUs)
 *
 * The files are float32, (n, dimension), in C order, as sbert-encode --output writes them; together
 * they are one set. With -g a graph finds the pairs too, and what of the exact ones it found is
 * counted; with -o only the graph does. Prints one line of JSON with seconds, GFLOP/s, the lowest
 * score that was kept, and the memory of the process at its highest.
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "index/pairs/near.h"

enum { SAMPLE = 1000 };

struct bench {
    float *vectors;
    struct pairs_sets sets;
    struct pairs_run run;
    size_t top;
    struct pair *exact, *near;
    size_t exact_count, near_count;
    struct err err;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_pairs: %s\n", what);
    exit(1);
}

/* Version 1.0 of the format: magic, version, a 16-bit header size, and the header, a Python dict.
 * Adds the rows behind those that are there. */
static void load(struct bench *bench, const char *path)
{
    unsigned char start[10];
    char header[4096] = "";
    size_t count, dimension;
    FILE *file = fopen(path, "rb");

    if (!file || fread(start, 1, sizeof start, file) != sizeof start ||
        memcmp(start, "\x93NUMPY\x01", 7) != 0)
        die("not a NumPy file");
    size_t size = start[8] | (size_t)start[9] << 8;
    if (size >= sizeof header || fread(header, 1, size, file) != size)
        die("its header is cut off");
    const char *shape = strstr(header, "'shape': (");
    if (!shape || !strstr(header, "'<f4'") ||
        sscanf(shape, "'shape': (%zu, %zu)", &count, &dimension) != 2)
        die("not a table of float32");
    if (bench->sets.row_count > 0 && dimension != bench->sets.dimension)
        die("files of several dimensions");
    size_t before = bench->sets.row_count * dimension, added = count * dimension;
    bench->vectors = reallocarray(bench->vectors, before + added, sizeof *bench->vectors);
    if (!bench->vectors || fread(bench->vectors + before, sizeof(float), added, file) != added)
        die("its data is cut off");
    bench->sets.dimension = dimension;
    bench->sets.row_count += count;
    bench->sets.rows = bench->vectors;
    fclose(file);
}

static void compare_all(struct bench *bench)
{
    double started = clock_now();
    if (pairs_best(&bench->sets, &bench->run, bench->top, -INFINITY, bench->exact,
                   &bench->exact_count, &bench->err) < 0)
        die(bench->err.message);
    double seconds = clock_now() - started;
    printf(", \"seconds\": %.3f, \"gflops\": %.1f, \"lowest\": %.6f", seconds,
           2e-9 * (double)pairs_count(&bench->sets) * (double)bench->sets.dimension / seconds,
           bench->exact_count ? (double)bench->exact[bench->exact_count - 1].score : 0.0);
}

static size_t count_found(const struct bench *bench)
{
    size_t found = 0;
    for (size_t i = 0; i < bench->exact_count; i++)
        for (size_t j = 0; j < bench->near_count; j++)
            found += bench->exact[i].row == bench->near[j].row &&
                     bench->exact[i].column == bench->near[j].column;
    return found;
}

static void ask_graph(struct bench *bench)
{
    struct pairs_near *near;
    double recall, started = clock_now();
    if (pairs_near_open(&near, &bench->sets, &bench->run, &bench->err) < 0)
        die(bench->err.message);
    double linked = clock_now();
    if (pairs_near_best(near, bench->top, -INFINITY, bench->near, &bench->near_count, &bench->err))
        die(bench->err.message);
    double asked = clock_now();
    if (pairs_near_recall(near, PAIRS_NEAR_EACH, SAMPLE, &recall, &bench->err) < 0)
        die(bench->err.message);
    printf(", \"link_seconds\": %.3f, \"ask_seconds\": %.3f, \"recall_at_10\": %.4f",
           linked - started, asked - linked, recall);
    if (bench->exact_count)
        printf(", \"of_the_exact\": %zu", count_found(bench));
    pairs_near_close(near);
}

int main(int argc, char **argv)
{
    struct bench bench = {.top = 100};
    bool graph = false, exact = true;
    int threads = cpu_count(), option;
    struct rusage usage;

    while ((option = getopt(argc, argv, "k:t:go")) != -1)
        switch (option) {
        case 'k':
            bench.top = strtoul(optarg, NULL, 10);
            break;
        case 't':
            threads = atoi(optarg);
            break;
        case 'o':
            exact = false;
            graph = true;
            break;
        case 'g':
            graph = true;
            break;
        default:
            die("usage: bench_pairs [-k TOP] [-t THREADS] [-g] [-o] FILE.npy...");
        }
    for (int i = optind; i < argc; i++)
        load(&bench, argv[i]);
    bench.exact = calloc(bench.top + 1, sizeof *bench.exact);
    bench.near = calloc(bench.top + 1, sizeof *bench.near);
    if (!bench.exact || !bench.near || bench.top == 0 || bench.sets.row_count == 0)
        die("needs a file, and TOP from 1");
    if (pool_open(&bench.run.pool, threads, false, &bench.err) < 0 ||
        pairs_normalize(bench.vectors, bench.sets.row_count, bench.sets.dimension, &bench.err) < 0)
        die(bench.err.message);
    printf("{\"vectors\": %zu, \"pairs\": %" PRIu64 ", \"threads\": %d", bench.sets.row_count,
           pairs_count(&bench.sets), threads);
    if (exact)
        compare_all(&bench);
    if (graph)
        ask_graph(&bench);
    getrusage(RUSAGE_SELF, &usage);
    printf(", \"peak_mib\": %ld}\n", usage.ru_maxrss / 1024);
    pool_close(bench.run.pool);
    free(bench.vectors);
    free(bench.exact);
    free(bench.near);
    return 0;
}
