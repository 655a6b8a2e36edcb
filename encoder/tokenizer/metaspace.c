/* One pass over the normalised text, a word at a time. */
#include "encoder/tokenizer/metaspace.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "encoder/tokenizer/unicode.h"

void metaspace_word_release(struct metaspace_word *word)
{
    free(word->text);
    free(word->places);
    *word = (struct metaspace_word){0};
}

/* Room for `extra` more bytes. */
static int reserve(struct metaspace_word *word, size_t extra, struct err *err)
{
    if (word->size + extra <= word->capacity)
        return 0;
    size_t want = (word->size + extra) * 2 + 64;
    char *text = realloc(word->text, want);
    if (text)
        word->text = text;
    uint32_t *places = realloc(word->places, want * sizeof *places);
    if (places)
        word->places = places;
    if (!text || !places)
        return err_memory(err, "tokenizing a text");
    word->capacity = want;
    return 0;
}

static void put(struct metaspace_word *word, const char *bytes, size_t size, size_t place)
{
    for (size_t i = 0; i < size; i++) {
        word->text[word->size] = bytes[i];
        word->places[word->size++] = (uint32_t)place;
    }
}

struct metaspace_walk metaspace_walk(const struct metaspace *metaspace,
                                     const struct normalized *normalized, size_t from, size_t to)
{
    return (struct metaspace_walk){metaspace, normalized, from, to, true};
}

/* Whether a replacement is put before the word that begins at `at`. */
static bool prepends(const struct metaspace_walk *walk, size_t at)
{
    const struct metaspace *metaspace = walk->metaspace;
    return metaspace->prepend == PREPEND_ALWAYS ||
           (metaspace->prepend == PREPEND_FIRST && walk->normalized->starts[at] == 0);
}

static bool white_space(unsigned char lead, const char *text, size_t size)
{
    uint32_t code_point;
    if (lead < 0x80)
        return lead == ' ' || (lead >= '\t' && lead <= '\r');
    /* None of the white space beyond ASCII is above U+3000. */
    return lead <= 0xE3 && utf8_decode(text, size, &code_point) > 0 &&
           unicode_classify(code_point) & UNICODE_SPACE;
}

int metaspace_next(struct metaspace_walk *walk, struct metaspace_word *word, struct err *err)
{
    const struct metaspace *metaspace = walk->metaspace;
    const char *text = walk->normalized->text;
    int r;

    word->size = 0;
    while (walk->at < walk->to) {
        size_t at = walk->at;
        unsigned char lead = (unsigned char)text[at];
        size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        if (metaspace->split_white_space && white_space(lead, text + at, walk->to - at)) {
            walk->at += length;
            walk->begins = true;
            if (word->size > 0)
                return 1;
            continue;
        }
        bool marks = lead == ' ' || (length == metaspace->replacement_size &&
                                     memcmp(text + at, metaspace->replacement, length) == 0);
        if (marks && metaspace->split && word->size > 0)
            return 1;
        if ((r = reserve(word, 2 * sizeof metaspace->replacement, err)) < 0)
            return r;
        if (walk->begins && !marks && prepends(walk, at))
            put(word, metaspace->replacement, metaspace->replacement_size, at);
        if (marks)
            put(word, metaspace->replacement, metaspace->replacement_size, at);
        else
            put(word, text + at, length, at);
        walk->begins = false;
        walk->at += length;
    }
    return word->size > 0;
}
