/* The kind of GPT-2 and RoBERTa: words by the split pattern, BPE over bytes. */
#include <stdlib.h>
#include <string.h>

#include "encoder/tokenizer/bpe.h"
#include "encoder/tokenizer/byte_level.h"
#include "encoder/tokenizer/kind.h"
#include "encoder/tokenizer/load.h"

struct bpe_scratch {
    struct bpe_work work;
    char *prefixed; /* (capacity) a stretch with the space put before it */
    size_t capacity;
};

/* Where words are, in the stretch with the space that may have been put before it. */
struct placement {
    size_t from;   /* of the stretch, in normalised bytes */
    size_t prefix; /* 1 where a space was put before it, else 0 */
};

static void release(void *own)
{
    struct bpe_scratch *scratch = own;
    bpe_work_release(&scratch->work);
    free(scratch->prefixed);
}

static int normalize(const struct tokenizer *tokenizer, const char *text, size_t from, size_t to,
                     struct normalized *normalized, struct err *err)
{
    return pipeline_run(&tokenizer->pipeline, text, from, to, normalized, err);
}

/* A place in a word: a byte, and how many bytes the characters of those before it take. */
struct character_place {
    size_t byte, characters;
};

/* The bytes of a token of `size` characters' bytes that follows the `done` before it; those left
 * out are not counted: the reference places tokens as if they stood at the word's end. `place`,
 * zeroed for the word's first token, moves along, so that a word takes linear time. */
static void place_in_characters(const struct bpe *model, const char *word, size_t done, size_t size,
                                struct character_place *place, size_t *ret_first, size_t *ret_last)
{
    const uint8_t *sizes = model->character_sizes;

    for (; place->characters + sizes[(unsigned char)word[place->byte]] <= done; place->byte++)
        place->characters += sizes[(unsigned char)word[place->byte]];
    *ret_first = *ret_last = place->byte;
    for (size_t at = place->characters; at < done + size; ++*ret_last)
        at += sizes[(unsigned char)word[*ret_last]];
}

/* Tokens of the word text[at..end) of a placed stretch. */
static int put_word(struct encoding *encoding, const struct placement *placement, const char *text,
                    size_t at, size_t end)
{
    const struct tokenizer *tokenizer = encoding->tokenizer;
    const struct bpe *model = tokenizer->model;
    struct tokenizer_scratch *scratch = encoding->scratch;
    struct bpe_work *work = &((struct bpe_scratch *)scratch->own)->work;
    struct character_place place = {0};
    int r = bpe_split(model, text + at, end - at, work, encoding->err);

    for (size_t i = 0, done = 0; i < work->count && r == 0; i++) {
        const struct bpe_symbol *symbol = &work->symbols[i];
        size_t first = done, last = done + symbol->size;
        if (model->misses_bytes)
            place_in_characters(model, text + at, done, symbol->size, &place, &first, &last);
        done += symbol->size;
        first += at;
        last += at;
        first = first > placement->prefix ? first - placement->prefix : 0;
        last = last > placement->prefix + 1 ? last - placement->prefix : 1;
        bool begins = scratch->count == encoding->first;
        r = encoding_put(encoding, symbol->id, placement->from + first, placement->from + last,
                         i > 0);
        const struct bpe_spaces *spaces = &model->spaces[symbol->id];
        if (r == 0 && tokenizer->trim.on)
            offset_trim_apply(&tokenizer->trim, encoding->text, spaces->leading, spaces->trailing,
                              begins, &scratch->tokens[scratch->count - 1]);
    }
    return r;
}

static int encode(struct encoding *encoding, size_t from, size_t to)
{
    const struct bpe *model = encoding->tokenizer->model;
    struct bpe_scratch *scratch = encoding->scratch->own;
    struct placement placement = {.from = from};
    const char *text = encoding->scratch->normalized.text + from;
    size_t size = to - from;
    int r = 0;

    if (model->add_prefix_space && text[0] != ' ') {
        char *prefixed = scratch_grow(scratch->prefixed, &scratch->capacity, size + 1, 1);
        if (!prefixed)
            return err_memory(encoding->err, "tokenizing a text");
        scratch->prefixed = prefixed;
        prefixed[0] = ' ';
        memcpy(prefixed + 1, text, size);
        text = prefixed;
        size++;
        placement.prefix = 1;
    }
    for (size_t at = 0, end; at < size && r == 0; at = end) {
        end = model->use_regex ? at + byte_level_word(text + at, size - at) : size;
        r = put_word(encoding, &placement, text, at, end);
    }
    return r;
}

const struct tokenizer_kind tokenizer_byte_level_bpe = {.name = "byte-level BPE",
                                                        .normalize = normalize,
                                                        .encode = encode,
                                                        .scratch_size = sizeof(struct bpe_scratch),
                                                        .release_scratch = release};
