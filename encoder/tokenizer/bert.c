/* The kind of BERT: its normaliser or others, words by what code points are, WordPiece. */
#include "base/utf8.h"
#include "encoder/tokenizer/kind.h"
#include "encoder/tokenizer/load.h"

#include <stdlib.h>

struct bert_scratch {
    struct word_part *parts; /* (capacity) the pieces of one word */
    size_t capacity;
};

static void release(void *own)
{
    struct bert_scratch *scratch = own;
    free(scratch->parts);
}

static int normalize(const struct tokenizer *tokenizer, const char *text, size_t from, size_t to,
                     struct normalized *normalized, struct err *err)
{
    if (tokenizer->pipeline.count > 0)
        return pipeline_run(&tokenizer->pipeline, text, from, to, normalized, err);
    return bert_normalizer_run(&tokenizer->normalizer, text, from, to, normalized, err);
}

/* The tokens of one word, normalised bytes [from, to) of `chars` code points. */
static int put_word(struct encoding *encoding, size_t from, size_t to, size_t chars)
{
    const struct wordpiece *model = &encoding->tokenizer->wordpiece;
    struct bert_scratch *scratch = encoding->scratch->own;
    size_t most = chars > model->max_chars ? 1 : chars;
    struct word_part *parts = scratch_grow(scratch->parts, &scratch->capacity, most, sizeof *parts);
    int r = 0;

    if (!parts)
        return err_memory(encoding->err, "tokenizing a text");
    scratch->parts = parts;
    size_t count =
        wordpiece_split(model, encoding->scratch->normalized.text + from, to - from, chars, parts);
    for (size_t i = 0; i < count && r == 0; i++)
        r = encoding_put(encoding, parts[i].id, from + parts[i].start, from + parts[i].end, i > 0);
    return r;
}

/* Words of normalised bytes [from, to), by the groups of their code points. */
static int encode(struct encoding *encoding, size_t from, size_t to)
{
    const struct words *words = &encoding->tokenizer->words;
    const char *text = encoding->scratch->normalized.text;
    size_t word = from, chars = 0;
    uint8_t last = 0;
    int r = 0;

    for (size_t at = from; at < to && r == 0;) {
        uint32_t code_point;
        size_t length = utf8_decode(text + at, to - at, &code_point);
        uint8_t group = words_group(words, code_point);
        if (chars > 0 && (group != last || group & WORD_ALONE)) {
            r = put_word(encoding, word, at, chars);
            chars = 0;
        }
        if (chars == 0)
            word = at;
        if (!(group & WORD_DROPPED))
            chars++;
        last = group;
        at += length;
    }
    if (r == 0 && chars > 0)
        r = put_word(encoding, word, to, chars);
    return r;
}

const struct tokenizer_kind tokenizer_bert = {.name = "WordPiece",
                                              .normalize = normalize,
                                              .encode = encode,
                                              .scratch_size = sizeof(struct bert_scratch),
                                              .release_scratch = release};
