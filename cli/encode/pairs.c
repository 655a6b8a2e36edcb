/* Scoring pairs of texts by a cross-encoder: chunks of pairs in, a line of JSON for each out. */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/encode/encode.h"
#include "cli/encode/source.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "encoder/cross_encoder.h"
#include "encoder/model/registry.h"

/* Everything that one run needs. */
struct run {
    const struct encode_options *options;
    struct cross_encoder *cross;
    struct cross_encoder_crew *crew;
    size_t labels;
    struct source source;
    struct chunk chunk;
    float *logits, *scores; /* of a chunk: (options->batch, labels) */
    struct encoder_usage *usage;
    uint64_t count, truncated;
    struct progress progress;
};

static int open_model(struct run *run, struct err *err)
{
    const struct encode_options *options = run->options;
    struct encoder_options how = {.precision = options->precision,
                                  .max_seq_length = options->max_seq_length,
                                  .escape_special_tokens = options->escape_special_tokens};
    char *folder;

    int r = registry_resolve(&folder, options->model, err);
    if (r < 0)
        return r;
    r = cross_encoder_open(&run->cross, folder, &how, err);
    free(folder);
    if (r < 0)
        return r;
    run->labels = cross_encoder_info(run->cross)->labels;
    run->logits = calloc(options->batch, run->labels * sizeof *run->logits);
    run->scores = calloc(options->batch, run->labels * sizeof *run->scores);
    run->usage = calloc(options->batch, sizeof *run->usage);
    if (!run->logits || !run->scores || !run->usage)
        return err_memory(err, "the scores");
    return cross_encoder_crew_open(&run->crew, run->cross, options->threads, false, err);
}

/* Nine digits give every f32 back as it was. */
static void print_numbers(const char *name, const float *numbers, size_t count)
{
    printf("\"%s\":[", name);
    for (size_t i = 0; i < count; i++)
        printf("%s%.9g", i ? "," : "", (double)numbers[i]);
    putchar(']');
}

static void print_pair(const float *logits, const float *scores, size_t labels)
{
    putchar('{');
    print_numbers("logits", logits, labels);
    putchar(',');
    print_numbers("scores", scores, labels);
    puts("}");
}

static int score_chunk(void *argument, struct err *err)
{
    struct run *run = argument;
    size_t count = run->chunk.count;
    int r = cross_encoder_score(run->crew, run->chunk.texts, count, run->logits, run->scores,
                                run->usage, run->options->cancel, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++) {
        print_pair(run->logits + i * run->labels, run->scores + i * run->labels, run->labels);
        run->truncated += run->usage[i].truncated;
    }
    run->count += count;
    progress_update_counted(&run->progress, texts_position(run->source.texts), "pairs", run->count);
    return 0;
}

int encode_pairs(const struct encode_options *options)
{
    struct err err = {0};
    struct run run = {.options = options};
    bool quiet = options->quiet || isatty(STDOUT_FILENO) == 1;

    int r = source_open(&run.source, options, &err);
    if (r == 0)
        r = open_model(&run, &err);
    if (r == 0) {
        progress_start(&run.progress, "scoring", "bytes", texts_total(run.source.texts), quiet);
        r = source_each_chunk(&run.source, &run.chunk, score_chunk, &run, &err);
        progress_finish(&run.progress, false);
    }
    if (r == 0)
        source_report(&run.source, "pairs", cross_encoder_info(run.cross)->max_seq_length,
                      run.truncated);
    cross_encoder_crew_close(run.crew);
    cross_encoder_close(run.cross);
    source_close(&run.source);
    chunk_release(&run.chunk);
    free(run.logits);
    free(run.scores);
    free(run.usage);
    return r < 0 ? terminal_fail(&err) : EXIT_FOUND;
}
