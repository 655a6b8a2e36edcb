/* Times the search for the most similar pairs among the vectors of a NumPy file.
 *
 * usage: bench_pairs FILE.npy [TOP [THREADS]]   (100, all CPUs)
 *
 * The file is float32, (n, dimension), in C order, as sbert-encode --output writes it. Prints one
 * line of JSON with the seconds, GFLOP/s, and the lowest score that was kept.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "index/pairs/best.h"

struct vectors {
    float *floats;
    size_t count, dimension;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_pairs: %s\n", what);
    exit(1);
}

/* Version 1.0 of the format: magic, version, a 16-bit header size, and the header, a Python dict.
 */
static struct vectors load(const char *path)
{
    struct vectors vectors;
    unsigned char start[10];
    char header[4096] = "";
    FILE *file = fopen(path, "rb");

    if (!file || fread(start, 1, sizeof start, file) != sizeof start ||
        memcmp(start, "\x93NUMPY\x01", 7) != 0)
        die("not a NumPy file");
    size_t size = start[8] | (size_t)start[9] << 8;
    if (size >= sizeof header || fread(header, 1, size, file) != size)
        die("its header is cut off");
    const char *shape = strstr(header, "'shape': (");
    if (!shape || !strstr(header, "'<f4'") ||
        sscanf(shape, "'shape': (%zu, %zu)", &vectors.count, &vectors.dimension) != 2)
        die("not a table of float32");
    size_t floats = vectors.count * vectors.dimension;
    vectors.floats = malloc(floats * sizeof *vectors.floats);
    if (!vectors.floats || fread(vectors.floats, sizeof(float), floats, file) != floats)
        die("its data is cut off");
    fclose(file);
    return vectors;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        die("usage: bench_pairs FILE.npy [TOP [THREADS]]");
    struct vectors vectors = load(argv[1]);
    size_t top = argc > 2 ? strtoul(argv[2], NULL, 10) : 100;
    int threads = argc > 3 ? atoi(argv[3]) : cpu_count();
    struct err err = {0};
    struct pairs_run run = {0};
    struct pair *pairs = calloc(top + 1, sizeof *pairs);
    size_t found;

    if (!pairs || top == 0)
        die("TOP must be a number from 1");
    if (pool_open(&run.pool, threads, false, &err) < 0)
        die(err.message);
    struct pairs_sets sets = {
        .rows = vectors.floats, .row_count = vectors.count, .dimension = vectors.dimension};
    double started = clock_now();
    if (pairs_normalize(vectors.floats, vectors.count, vectors.dimension, &err) < 0 ||
        pairs_best(&sets, &run, top, -INFINITY, pairs, &found, &err) < 0)
        die(err.message);
    double seconds = clock_now() - started, pair_count = (double)pairs_count(&sets);
    printf("{\"vectors\": %zu, \"pairs\": %" PRIu64 ", \"threads\": %d, \"seconds\": %.3f, "
           "\"gflops\": %.1f, \"lowest\": %.6f}\n",
           vectors.count, pairs_count(&sets), threads, seconds,
           2e-9 * pair_count * (double)vectors.dimension / seconds,
           found ? (double)pairs[found - 1].score : 0.0);
    pool_close(run.pool);
    free(vectors.floats);
    free(pairs);
    return 0;
}
