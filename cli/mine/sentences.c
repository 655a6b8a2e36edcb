/* The texts of a file and their vectors. */
#include "cli/mine/sentences.h"

#include <stdlib.h>
#include <string.h>

#include "cli/progress.h"
#include "encoder/model/registry.h"
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

int sentences_encoder_open(struct sentences_encoder *ret_encoder, const char *model, int threads,
                           struct err *err)
{
    struct sentences_encoder encoder = {0};
    char *folder;

    int r = registry_resolve(&folder, model, err);
    if (r < 0)
        return r;
    r = encoder_open(&encoder.encoder, folder, NULL, err);
    free(folder);
    if (r == 0)
        r = encoder_crew_open(&encoder.crew, encoder.encoder, threads, false, err);
    if (r < 0) {
        sentences_encoder_close(&encoder);
        return r;
    }
    *ret_encoder = encoder;
    return 0;
}

void sentences_encoder_close(struct sentences_encoder *encoder)
{
    encoder_crew_close(encoder->crew);
    encoder_close(encoder->encoder);
    *encoder = (struct sentences_encoder){0};
}

int sentences_encode(struct sentences *sentences, const struct sentences_encoder *encoder,
                     bool quiet, const volatile sig_atomic_t *cancel, struct err *err)
{
    const struct encoder_info *info = encoder_info(encoder->encoder);
    struct progress progress;
    size_t floats;
    int r = 0;

    if (__builtin_mul_overflow(sentences->count, info->dimension, &floats))
        return err_set(err, ERR_LIMIT, "%s has too many texts", sentences->path);
    sentences->dimension = info->dimension;
    sentences->vectors = calloc(floats + 1, sizeof *sentences->vectors);
    if (!sentences->vectors)
        return err_memory(err, "the vectors");
    progress_start(&progress, "encoding", "texts", sentences->count, quiet);
    for (size_t first = 0; r == 0 && first < sentences->count; first += STRETCH) {
        size_t left = sentences->count - first, count = left < STRETCH ? left : STRETCH;
        r = encoder_encode(encoder->crew, sentences->texts + first, count, info->default_prompt,
                           sentences->vectors + first * info->dimension, NULL, cancel, err);
        if (r == 0)
            progress_update(&progress, first + count);
    }
    progress_finish(&progress, false);
    if (r == ERR_CANCELLED)
        return err_set(err, ERR_CANCELLED, "interrupted");
    return r < 0 ? r : pairs_normalize(sentences->vectors, sentences->count, info->dimension, err);
}
