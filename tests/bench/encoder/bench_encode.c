/* Times the encoder: all lines of a file, tokenizing included, and one short query by itself.
 * Prints one JSON object; encode.py puts it beside other programs.
 *
 *   bench_encode [--precision=NAME] [--threads=N] [--rounds=N] [--queries=N] [--output=FILE] MODEL
 * FILE
 *
 * FILE of --output gets the vectors, as bare floats.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "encoder/encoder.h"
#include "encoder/model/registry.h"

static void fail(const struct err *err)
{
    fprintf(stderr, "bench_encode: %s\n", err->message);
    exit(2);
}

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
                          float *vectors, struct encoder_usage *used)
{
    struct err err = {0};
    double start = now();
    if (encoder_encode(crew, texts, count, NULL, vectors, used, NULL, &err) < 0)
        fail(&err);
    return now() - start;
}

struct arguments {
    const char *model, *lines, *output;
    struct encoder_options options;
    int threads, rounds, queries;
};

static void usage(void)
{
    fprintf(stderr, "usage: bench_encode [--precision=NAME] [--threads=N] [--rounds=N] "
                    "[--queries=N] [--output=FILE] MODEL FILE\n");
    exit(2);
}

static void parse_arguments(int argc, char **argv, struct arguments *ret_arguments)
{
    static const struct option options[] = {
        {"precision", required_argument, NULL, 'p'}, {"threads", required_argument, NULL, 't'},
        {"rounds", required_argument, NULL, 'r'},    {"queries", required_argument, NULL, 'q'},
        {"output", required_argument, NULL, 'o'},    {0},
    };
    struct arguments arguments = {.threads = 1, .rounds = 1, .queries = 300};
    struct err err = {0};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p' && precision_parse(optarg, &arguments.options.precision, &err) < 0)
            fail(&err);
        else if (option == 't')
            arguments.threads = atoi(optarg);
        else if (option == 'r')
            arguments.rounds = atoi(optarg);
        else if (option == 'q')
            arguments.queries = atoi(optarg);
        else if (option == 'o')
            arguments.output = optarg;
        else if (option != 'p')
            usage();
    }
    if (argc - optind != 2 || arguments.rounds < 1 || arguments.queries < 1)
        usage();
    arguments.model = argv[optind];
    arguments.lines = argv[optind + 1];
    *ret_arguments = arguments;
}

/* The median of a short query, in milliseconds. */
static double time_query(struct encoder_crew *crew, float *vector, int queries)
{
    static const char query[] = "paris is a beautiful city";
    struct encoder_text text = {.text = query, .size = sizeof query - 1};
    double *latencies = calloc((size_t)queries, sizeof *latencies);

    if (!latencies)
        exit(2);
    for (int i = 0; i < queries; i++)
        latencies[i] = time_encode(crew, &text, 1, vector, NULL);
    double result = 1e3 * median(latencies, (size_t)queries);
    free(latencies);
    return result;
}

/* Prints what was measured; `used` is what each text took. */
static void print_result(const struct encoder *encoder, size_t count,
                         const struct encoder_usage *used, double seconds, double query_ms,
                         double open_ms)
{
    const struct encoder_info *info = encoder_info(encoder);
    double tokens = 0, squares = 0;

    for (size_t i = 0; i < count; i++) {
        tokens += used[i].tokens;
        squares += (double)used[i].tokens * used[i].tokens;
    }
    printf("{\"texts\": %zu, \"tokens\": %.0f, \"tokens_squared\": %.0f, \"seconds\": %.4f, "
           "\"texts_per_second\": %.1f, \"query_ms\": %.3f, \"open_ms\": %.1f, "
           "\"backend\": \"%s\", \"isa\": \"%s\", \"precision\": \"%s\", \"folder\": \"%s\"}\n",
           count, tokens, squares, seconds, (double)count / seconds, query_ms, open_ms,
           info->backend, info->isa, info->precision, info->folder);
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    struct encoder *encoder;
    struct encoder_crew *crew;
    struct encoder_text *texts;
    struct err err = {0};
    char *folder, *data;
    size_t size = 0;

    parse_arguments(argc, argv, &arguments);
    double start = now();
    if (registry_resolve(&folder, arguments.model, &err) < 0 ||
        encoder_open(&encoder, folder, &arguments.options, &err) < 0 ||
        encoder_crew_open(&crew, encoder, arguments.threads, false, &err) < 0 ||
        file_read(&data, &size, arguments.lines, (size_t)1 << 30, &err) < 0)
        fail(&err);
    double opened = now() - start;
    size_t count = split_lines(data, size, &texts), dimension = encoder_info(encoder)->dimension;
    float *vectors = calloc(count + 1, dimension * sizeof *vectors);
    struct encoder_usage *used = calloc(count + 1, sizeof *used);
    if (!vectors || !used)
        return 2;

    double seconds = 1e9;
    for (int round = 0; round < arguments.rounds; round++) {
        double took = time_encode(crew, texts, count, vectors, used);
        seconds = took < seconds ? took : seconds;
    }
    if (arguments.output &&
        file_write(arguments.output, vectors, count * dimension * sizeof *vectors, 0666, &err) < 0)
        fail(&err);
    double query_ms = time_query(crew, vectors, arguments.queries);
    print_result(encoder, count, used, seconds, query_ms, 1e3 * opened);
    encoder_crew_close(crew);
    encoder_close(encoder);
    free(used);
    free(vectors);
    free(texts);
    free(data);
    free(folder);
    return 0;
}
