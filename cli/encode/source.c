/* Texts from the command line or a file, and in chunks. */
#include "cli/encode/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/numbers.h"
#include "cli/terminal.h"

/* A chunk of long texts ends before its number of texts is reached. */
enum { CHUNK_BYTES = 16 << 20 };

int source_open(struct source *source, const struct encode_options *options, struct err *err)
{
    *source = (struct source){.options = options};
    if (options->text_count)
        return 0;
    return texts_open(&source->texts, options->input, options->format, options->invalid_utf8, err);
}

void source_close(struct source *source)
{
    texts_close(source->texts);
    source->texts = NULL;
}

int source_next(struct source *source, const char **ret_text, size_t *ret_size, struct err *err)
{
    size_t bad;

    if (source->texts)
        return texts_next(source->texts, ret_text, ret_size, err);
    if (source->next == source->options->text_count)
        return 0;
    const char *text = source->options->texts[source->next++];
    if (!utf8_valid(text, strlen(text), &bad))
        return err_set(err, ERR_INVALID, "text %zu of the command line: byte %zu is not UTF-8",
                       source->next, bad + 1);
    *ret_text = text;
    *ret_size = strlen(text);
    return 1;
}

/* The next text, or the next pair. */
static int next(struct source *source, struct text_pair *ret_pair, struct err *err)
{
    if (source->options->pairs)
        return texts_next_pair(source->texts, ret_pair, err);
    *ret_pair = (struct text_pair){0};
    return source_next(source, &ret_pair->text, &ret_pair->size, err);
}

static int chunk_add(struct chunk *chunk, const struct text_pair *pair, struct err *err)
{
    if (chunk->count == chunk->capacity) {
        size_t capacity = chunk->capacity ? chunk->capacity * 2 : 256;
        struct encoder_text *texts = reallocarray(chunk->texts, capacity, sizeof *texts);
        if (!texts)
            return err_memory(err, "texts");
        chunk->texts = texts;
        chunk->capacity = capacity;
    }
    char *text = arena_copy(&chunk->arena, pair->text, pair->size), *second = NULL;
    if (pair->pair)
        second = arena_copy(&chunk->arena, pair->pair, pair->pair_size);
    if (!text || (pair->pair && !second))
        return err_memory(err, "texts");
    chunk->texts[chunk->count++] = (struct encoder_text){text, pair->size, second, pair->pair_size};
    return 0;
}

int source_fill(struct source *source, struct chunk *chunk, struct err *err)
{
    struct text_pair pair;
    size_t bytes = 0;
    int r = 1;

    chunk->count = 0;
    arena_release(&chunk->arena);
    while (chunk->count < source->options->batch && bytes < CHUNK_BYTES) {
        r = next(source, &pair, err);
        if (r <= 0)
            return r;
        r = chunk_add(chunk, &pair, err);
        if (r < 0)
            return r;
        bytes += pair.size + pair.pair_size;
    }
    return 0;
}

int source_each_chunk(struct source *source, struct chunk *chunk,
                      int (*work)(void *argument, struct err *err), void *argument, struct err *err)
{
    const volatile sig_atomic_t *cancel = source->options->cancel;
    int r = 0;

    while (r == 0) {
        r = source_fill(source, chunk, err);
        if (r < 0 || *cancel || chunk->count == 0)
            break;
        r = work(argument, err);
    }
    /* Wherever the signal came, it is said in one way. */
    if ((r == 0 && *cancel) || r == ERR_CANCELLED)
        r = err_set(err, ERR_CANCELLED, "interrupted");
    return r;
}

void source_report(const struct source *source, const char *what, size_t limit, uint64_t truncated)
{
    char text[NUMBER_SIZE];

    if (truncated)
        terminal_warning("%s of more than %zu tokens, cut there: %s", what, limit,
                         number_count(text, truncated));
    if (source->texts && texts_skipped(source->texts))
        terminal_warning("lines that are not UTF-8, skipped: %s (rows are not line numbers now)",
                         number_count(text, texts_skipped(source->texts)));
}

void chunk_release(struct chunk *chunk)
{
    free(chunk->texts);
    arena_release(&chunk->arena);
    *chunk = (struct chunk){0};
}
