/* The main work of sbert-encode: chunks of texts in, vectors out, in the order of the texts. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/encode/encode.h"
#include "cli/encode/npy.h"
#include "cli/encode/source.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "cli/worker.h"
#include "encoder/model/model.h"
#include "encoder/model/registry.h"

/* A worker, and what is put before every text. */
struct prompted {
    struct worker worker;
    const char *prompt; /* NULL: nothing */
    size_t dimension, max_seq_length;
};

static int prompted_open(struct prompted *prompted, const struct encode_options *options,
                         struct err *err)
{
    const struct encoder_options how = {.precision = options->precision,
                                        .max_seq_length = options->max_seq_length,
                                        .escape_special_tokens = options->escape_special_tokens};

    *prompted = (struct prompted){0};
    int r = worker_open(&prompted->worker, options->model, &how, options->threads, err);
    if (r < 0)
        return r;
    const struct encoder_info *info = encoder_info(prompted->worker.encoder);
    prompted->dimension = info->dimension;
    prompted->max_seq_length = info->max_seq_length;
    prompted->prompt = options->prompt ? options->prompt : info->default_prompt;
    if (options->prompt_name)
        r = encoder_prompt(prompted->worker.encoder, options->prompt_name, &prompted->prompt, err);
    if (r < 0)
        worker_close(&prompted->worker);
    return r;
}

/* Everything that one run needs. */
struct run {
    const struct encode_options *options;
    struct prompted model;
    struct source source;
    struct chunk chunk;
    struct npy npy;
    bool to_file;
    float *vectors; /* of a chunk */
    struct encoder_usage *usage;
    size_t capacity; /* texts that these have room for */
    uint64_t count, truncated;
    struct progress progress;
};

static int make_room(struct run *run, struct err *err)
{
    size_t floats;

    if (run->chunk.count <= run->capacity)
        return 0;
    free(run->vectors);
    free(run->usage);
    run->capacity = 0;
    run->usage = calloc(run->chunk.count, sizeof *run->usage);
    run->vectors = NULL;
    if (!__builtin_mul_overflow(run->chunk.count, run->model.dimension, &floats))
        run->vectors = calloc(floats, sizeof *run->vectors);
    if (!run->vectors || !run->usage)
        return err_memory(err, "the vectors");
    run->capacity = run->chunk.count;
    return 0;
}

/* One JSON array a line; nine digits give every f32 back as it was. */
static void print_vectors(const float *vectors, size_t count, size_t dimension)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < dimension; j++)
            printf("%c%.9g", j ? ',' : '[', (double)vectors[i * dimension + j]);
        fputs("]\n", stdout);
    }
}

static void show_progress(struct run *run)
{
    uint64_t position = run->source.texts ? texts_position(run->source.texts) : 0;
    progress_update_counted(&run->progress, position, "texts", run->count);
}

static int encode_chunk(void *argument, struct err *err)
{
    struct run *run = argument;
    size_t count = run->chunk.count;
    int r = make_room(run, err);
    if (r == 0)
        r = encoder_encode(run->model.worker.crew, run->chunk.texts, count, run->model.prompt,
                           run->vectors, run->usage, run->options->cancel, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++)
        run->truncated += run->usage[i].truncated;
    run->count += count;
    if (run->to_file)
        r = npy_write(&run->npy, run->vectors, count, err);
    else
        print_vectors(run->vectors, count, run->model.dimension);
    show_progress(run);
    return r;
}

/* As Python prints the shape of encode(...): (dimension,) for one text, (n, dimension) for a list.
 */
static void print_shape(const struct encode_options *options, uint64_t count, size_t dimension)
{
    if (options->text_count == 1)
        printf("(%zu,)\n", dimension);
    else
        printf("(%" PRIu64 ", %zu)\n", count, dimension);
}

static int run_encoding(struct run *run, struct err *err)
{
    const struct encode_options *options = run->options;
    bool quiet =
        options->quiet || options->text_count || (!run->to_file && isatty(STDOUT_FILENO) == 1);

    int r = source_open(&run->source, options, err);
    if (r == 0)
        r = prompted_open(&run->model, options, err);
    if (r == 0 && run->to_file)
        r = npy_begin(&run->npy, options->output, run->model.dimension, err);
    if (r < 0)
        return r;
    progress_start(&run->progress, "encoding", "bytes",
                   run->source.texts ? texts_total(run->source.texts) : 0, quiet);
    /* What is on standard output by then stays there; a file appears only whole. */
    r = source_each_chunk(&run->source, &run->chunk, encode_chunk, run, err);
    progress_finish(&run->progress, r == 0 && run->to_file);
    if (run->to_file && r == 0)
        r = npy_commit(&run->npy, err);
    else if (run->to_file)
        npy_abort(&run->npy);
    if (r == 0)
        source_report(&run->source, "texts", run->model.max_seq_length, run->truncated);
    if (r == 0 && run->to_file && !quiet)
        fprintf(stderr, "computed in %s (%s)\n", encoder_info(run->model.worker.encoder)->precision,
                encoder_info(run->model.worker.encoder)->precision_reason);
    return r;
}

/* Only the shape: the texts are read and counted, and nothing is encoded. */
static int shape_alone(const struct encode_options *options, struct err *err)
{
    struct source source = {0};
    struct model *model;
    const char *text;
    size_t size;
    uint64_t count = 0;
    char *folder;

    int r = registry_resolve(&folder, options->model, err);
    if (r < 0)
        return r;
    r = model_open(&model, folder, err);
    free(folder);
    if (r < 0)
        return r;
    if (model->dimension == 0)
        r = err_set(err, ERR_UNSUPPORTED, "%s gives no vectors; see --pairs", model->folder);
    if (r == 0)
        r = source_open(&source, options, err);
    while (r == 0 && (r = source_next(&source, &text, &size, err)) == 1) {
        count++;
        r = 0;
    }
    if (r == 0)
        print_shape(options, count, model->dimension);
    source_close(&source);
    model_close(model);
    return r;
}

int encode_vectors(const struct encode_options *options)
{
    struct err err = {0};
    struct run run = {.options = options, .to_file = options->output != NULL};
    int r;

    if (options->shape && !run.to_file) {
        r = shape_alone(options, &err);
        return r < 0 ? terminal_fail(&err) : EXIT_FOUND;
    }
    r = run_encoding(&run, &err);
    if (r == 0 && options->shape)
        print_shape(options, run.count, run.model.dimension);
    worker_close(&run.model.worker);
    source_close(&run.source);
    chunk_release(&run.chunk);
    free(run.vectors);
    free(run.usage);
    return r < 0 ? terminal_fail(&err) : EXIT_FOUND;
}

int encode_similarity(const struct encode_options *options, const char *a, const char *b)
{
    struct err err;
    struct prompted model;
    struct encode_options how = *options;
    const struct encoder_text pair[] = {{.text = a, .size = strlen(a)},
                                        {.text = b, .size = strlen(b)}};
    /* Four decimals of two texts: there is no time to save. */
    if (how.precision == PRECISION_AUTO)
        how.precision = PRECISION_F32;
    if (prompted_open(&model, &how, &err) < 0)
        return terminal_fail(&err);
    size_t dimension = model.dimension;
    float *vectors = calloc(dimension, 2 * sizeof *vectors);
    int r = vectors ? encoder_encode(model.worker.crew, pair, 2, model.prompt, vectors, NULL,
                                     options->cancel, &err)
                    : err_memory(&err, "the vectors");
    if (r == 0)
        printf("%.4f\n", encoder_similarity(encoder_info(model.worker.encoder)->similarity, vectors,
                                            vectors + dimension, dimension));
    free(vectors);
    worker_close(&model.worker);
    return r < 0 ? terminal_fail(&err) : EXIT_FOUND;
}
