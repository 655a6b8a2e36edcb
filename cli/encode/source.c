/* Texts from the command line or a file, and in chunks. */
#include "cli/encode/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

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

static int chunk_add(struct chunk *chunk, const char *text, size_t size, struct err *err)
{
    if (chunk->count == chunk->capacity) {
        size_t capacity = chunk->capacity ? chunk->capacity * 2 : 256;
        struct encoder_text *texts = reallocarray(chunk->texts, capacity, sizeof *texts);
        if (!texts)
            return err_memory(err, "texts");
        chunk->texts = texts;
        chunk->capacity = capacity;
    }
    char *copy = arena_copy(&chunk->arena, text, size);
    if (!copy)
        return err_memory(err, "texts");
    chunk->texts[chunk->count++] = (struct encoder_text){.text = copy, .size = size};
    return 0;
}

int source_fill(struct source *source, struct chunk *chunk, struct err *err)
{
    const char *text;
    size_t size, bytes = 0;
    int r = 1;

    chunk->count = 0;
    arena_release(&chunk->arena);
    while (chunk->count < source->options->batch && bytes < CHUNK_BYTES) {
        r = source_next(source, &text, &size, err);
        if (r <= 0)
            return r;
        r = chunk_add(chunk, text, size, err);
        if (r < 0)
            return r;
        bytes += size;
    }
    return 0;
}

void chunk_release(struct chunk *chunk)
{
    free(chunk->texts);
    arena_release(&chunk->arena);
    *chunk = (struct chunk){0};
}
