/* The texts of a file and their vectors. */
#include "cli/mine/sentences.h"

#include <stdlib.h>
#include <string.h>

#include "cli/progress.h"
#include "index/pairs/product.h"

/* Texts encoded between two looks at the progress. */
enum { STRETCH = 2048 };

void sentences_release(struct sentences *sentences)
{
    free(sentences->texts);
    free(sentences->where);
    free(sentences->vectors);
    arena_release(&sentences->arena);
    *sentences = (struct sentences){0};
}

static int make_room(struct sentences *sentences, struct err *err)
{
    if (sentences->count < sentences->capacity)
        return 0;
    size_t capacity = sentences->capacity ? 2 * sentences->capacity : 1024;
    struct encoder_text *texts = reallocarray(sentences->texts, capacity, sizeof *texts);
    if (!texts)
        return err_memory(err, "the texts");
    sentences->texts = texts;
    struct sentence *where = reallocarray(sentences->where, capacity, sizeof *where);
    if (!where)
        return err_memory(err, "the texts");
    sentences->where = where;
    sentences->capacity = capacity;
    return 0;
}

static int keep(struct sentences *sentences, const struct input_document *document, struct err *err)
{
    int r = make_room(sentences, err);
    if (r < 0)
        return r;
    const char *text = arena_copy(&sentences->arena, document->text, document->text_size);
    const char *id = NULL;
    if (document->id)
        id = arena_copy(&sentences->arena, document->id, strlen(document->id));
    if (!text || (document->id && !id))
        return err_memory(err, "the texts");
    sentences->texts[sentences->count] =
        (struct encoder_text){.text = text, .size = document->text_size};
    sentences->where[sentences->count++] = (struct sentence){id, document->line};
    return 0;
}

int sentences_read(struct sentences *sentences, const char *path,
                   const struct input_options *options, const volatile sig_atomic_t *cancel,
                   struct err *err)
{
    struct input_document document;
    struct input *input;

    *sentences = (struct sentences){.path = path};
    int r = input_open(&input, path, options, err);
    if (r < 0)
        return r;
    while ((r = input_next(input, &document, err)) == 1) {
        r = keep(sentences, &document, err);
        if (r == 0 && *cancel)
            r = err_set(err, ERR_CANCELLED, "interrupted");
        if (r < 0)
            break;
    }
    sentences->skipped = input_skipped(input);
    input_close(input);
    return r;
}

static int make_vectors(struct sentences *sentences, size_t dimension, struct err *err)
{
    size_t floats;
    if (sentences->vectors)
        return 0;
    if (__builtin_mul_overflow(sentences->count, dimension, &floats))
        return err_set(err, ERR_LIMIT, "%s has too many texts", sentences->path);
    sentences->dimension = dimension;
    sentences->vectors = calloc(floats + 1, sizeof *sentences->vectors);
    return sentences->vectors ? 0 : err_memory(err, "the vectors");
}

/* A stretch of texts that are encoded together: some of the file's, wherever they stand. */
struct stretch {
    struct encoder_text texts[STRETCH];
    size_t places[STRETCH]; /* in the file */
    size_t count;
    float *vectors; /* (STRETCH, dimension) */
};

static int encode_stretch(struct sentences *sentences, const struct worker *worker,
                          struct stretch *stretch, const volatile sig_atomic_t *cancel,
                          struct err *err)
{
    const char *prompt = encoder_info(worker->encoder)->default_prompt;
    size_t dimension = sentences->dimension;
    int r = encoder_encode(worker->crew, stretch->texts, stretch->count, prompt, stretch->vectors,
                           NULL, cancel, err);
    if (r == 0)
        r = pairs_normalize(stretch->vectors, stretch->count, dimension, err);
    for (size_t i = 0; r == 0 && i < stretch->count; i++)
        memcpy(sentences->vectors + stretch->places[i] * dimension,
               stretch->vectors + i * dimension, dimension * sizeof *stretch->vectors);
    stretch->count = 0;
    return r;
}

static int encode_all(struct sentences *sentences, const struct worker *worker, const bool *chosen,
                      struct stretch *stretch, struct progress *progress,
                      const volatile sig_atomic_t *cancel, struct err *err)
{
    for (size_t i = 0; i < sentences->count; i++) {
        if (!chosen || chosen[i]) {
            stretch->places[stretch->count] = i;
            stretch->texts[stretch->count++] = sentences->texts[i];
        }
        if (stretch->count < STRETCH && i + 1 < sentences->count)
            continue;
        int r = encode_stretch(sentences, worker, stretch, cancel, err);
        if (r < 0)
            return r;
        progress_update(progress, i + 1);
    }
    return 0;
}

int sentences_encode(struct sentences *sentences, const struct worker *worker, const bool *chosen,
                     bool quiet, const volatile sig_atomic_t *cancel, struct err *err)
{
    size_t dimension = encoder_info(worker->encoder)->dimension;
    struct progress progress;

    int r = make_vectors(sentences, dimension, err);
    if (r < 0)
        return r;
    struct stretch *stretch = calloc(1, sizeof *stretch);
    if (stretch)
        stretch->vectors = calloc(STRETCH * dimension, sizeof *stretch->vectors);
    progress_start(&progress, "encoding", "texts", sentences->count, quiet);
    if (stretch && stretch->vectors)
        r = encode_all(sentences, worker, chosen, stretch, &progress, cancel, err);
    else
        r = err_memory(err, "the vectors");
    progress_finish(&progress, false);
    if (stretch)
        free(stretch->vectors);
    free(stretch);
    return r == ERR_CANCELLED ? err_set(err, ERR_CANCELLED, "interrupted") : r;
}
