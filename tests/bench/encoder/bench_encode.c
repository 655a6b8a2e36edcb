/* Times the encoder: all lines of a file, tokenizing included, and one short query by itself.
 * Prints one JSON object; encode.py puts it beside other programs.
 *
 *   bench_encode MODEL FILE THREADS [ROUNDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "encoder/encoder.h"
#include "encoder/model/registry.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int smaller(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, smaller);
    return values[count / 2];
}

/* Points `ret_texts` at the lines of `data`. */
static size_t split_lines(const char *data, size_t size, struct encoder_text **ret_texts)
{
    size_t count = 0, capacity = 0;
    struct encoder_text *texts = NULL;
    const char *end = data + size;

    while (data < end) {
        const char *stop = memchr(data, '\n', (size_t)(end - data));
        stop = stop ? stop : end;
        if (count == capacity) {
            capacity = 2 * capacity + 1024;
            texts = realloc(texts, capacity * sizeof *texts);
            if (!texts)
                exit(2);
        }
        texts[count++] = (struct encoder_text){.text = data, .size = (size_t)(stop - data)};
        data = stop + 1;
    }
    *ret_texts = texts;
    return count;
}

static double time_encode(struct encoder_crew *crew, const struct encoder_text *texts, size_t count,
                          float *vectors, struct encoder_usage *usage)
{
    struct err err = {0};
    double start = now();
    if (encoder_encode(crew, texts, count, NULL, vectors, usage, NULL, &err) < 0) {
        fprintf(stderr, "bench_encode: %s\n", err.message);
        exit(2);
    }
    return now() - start;
}

int main(int argc, char **argv)
{
    enum { QUERIES = 300 };
    static const char query[] = "paris is a beautiful city";
    struct encoder *encoder;
    struct encoder_crew *crew;
    struct encoder_text *texts;
    struct err err = {0};
    char *folder, *data;
    size_t size;

    if (argc < 4) {
        fprintf(stderr, "usage: bench_encode MODEL FILE THREADS [ROUNDS]\n");
        return 2;
    }
    double start = now();
    if (registry_resolve(&folder, argv[1], &err) < 0 ||
        encoder_open(&encoder, folder, NULL, &err) < 0 ||
        encoder_crew_open(&crew, encoder, atoi(argv[3]), false, &err) < 0 ||
        file_read(&data, &size, argv[2], (size_t)1 << 30, &err) < 0) {
        fprintf(stderr, "bench_encode: %s\n", err.message);
        return 2;
    }
    double opened = now() - start;
    size_t count = split_lines(data, size, &texts);
    float *vectors = calloc(count + 1, encoder_info(encoder)->dimension * sizeof *vectors);
    struct encoder_usage *usage = calloc(count + 1, sizeof *usage);
    if (!vectors || !usage)
        return 2;

    double seconds = 1e9, tokens = 0;
    for (int round = argc > 4 ? atoi(argv[4]) : 1; round > 0; round--) {
        double took = time_encode(crew, texts, count, vectors, usage);
        seconds = took < seconds ? took : seconds;
    }
    for (size_t i = 0; i < count; i++)
        tokens += usage[i].tokens;

    struct encoder_text one = {.text = query, .size = sizeof query - 1};
    double latencies[QUERIES];
    for (int i = 0; i < QUERIES; i++)
        latencies[i] = time_encode(crew, &one, 1, vectors, NULL);
    printf("{\"texts\": %zu, \"tokens\": %.0f, \"seconds\": %.4f, \"texts_per_second\": %.1f, "
           "\"query_ms\": %.3f, \"open_ms\": %.1f, \"backend\": \"%s\", \"isa\": \"%s\", "
           "\"folder\": \"%s\"}\n",
           count, tokens, seconds, (double)count / seconds, 1e3 * median(latencies, QUERIES),
           1e3 * opened, encoder_info(encoder)->backend, encoder_info(encoder)->isa, folder);
    encoder_crew_close(crew);
    encoder_close(encoder);
    free(usage);
    free(vectors);
    free(texts);
    free(data);
    free(folder);
    return 0;
}
