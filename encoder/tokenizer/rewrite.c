/* Rewriting in place: the text moves to the end of its room, which is sized so that what is written
 * from the start never reaches what is still to be read.
 */
#include "encoder/tokenizer/rewrite.h"

#include <string.h>

#include "base/utf8.h"
#include "encoder/tokenizer/unicode.h"

/* The bytes of a match at text[0..size), or 0. */
static size_t match(const struct rewrite *rewrite, const char *text, size_t size)
{
    size_t spaces = 0;

    if (rewrite->kind == REWRITE_STRING)
        return size >= rewrite->pattern_size &&
                       memcmp(text, rewrite->pattern, rewrite->pattern_size) == 0
                   ? rewrite->pattern_size
                   : 0;
    while (spaces < size && text[spaces] == ' ')
        spaces++;
    return spaces >= 2 ? spaces : 0;
}

/* Moves the text to byte `to` of its room, to be written anew from the start. */
static void move(struct normalized *normalized, size_t to)
{
    memmove(normalized->text + to, normalized->text, normalized->size);
    memmove(normalized->starts + to, normalized->starts,
            normalized->size * sizeof *normalized->starts);
    normalized->size = 0;
}

static void append(struct normalized *normalized, const char *bytes, size_t size, uint32_t place)
{
    for (size_t i = 0; i < size; i++) {
        normalized->text[normalized->size] = bytes[i];
        normalized->starts[normalized->size++] = place;
    }
}

static int replace(const struct rewrite *rewrite, struct normalized *normalized, struct err *err)
{
    size_t shortest = rewrite->kind == REWRITE_STRING ? rewrite->pattern_size : 2;
    size_t size = normalized->size, growth = size / shortest * rewrite->content_size;
    int r = normalized_reserve(normalized, growth, err);

    if (r < 0)
        return r;
    const char *text = normalized->text + growth;
    const uint32_t *starts = normalized->starts + growth;
    move(normalized, growth);
    for (size_t at = 0; at < size;) {
        size_t length = match(rewrite, text + at, size - at);
        uint32_t place = length > 0 ? starts[at + length - 1] : 0;
        if (length == 0) {
            normalized->text[normalized->size] = text[at];
            normalized->starts[normalized->size++] = starts[at];
        }
        if (length > 0)
            append(normalized, rewrite->content, rewrite->content_size, place);
        at += length > 0 ? length : 1;
    }
    return 0;
}

static bool space_at(const char *text, size_t at, size_t size, size_t *ret_length)
{
    uint32_t code_point;
    *ret_length = utf8_decode(text + at, size - at, &code_point);
    return unicode_classify(code_point) & UNICODE_SPACE;
}

static void strip(const struct rewrite *rewrite, struct normalized *normalized)
{
    size_t from = 0, to = normalized->size, length;

    while (rewrite->left && from < to && space_at(normalized->text, from, to, &length))
        from += length;
    while (rewrite->right && to > from) {
        size_t last = to - 1;
        while (last > from && (normalized->text[last] & 0xC0) == 0x80)
            last--;
        if (!space_at(normalized->text, last, to, &length))
            break;
        to = last;
    }
    if (from > 0) {
        memmove(normalized->text, normalized->text + from, to - from);
        memmove(normalized->starts, normalized->starts + from,
                (to - from) * sizeof *normalized->starts);
    }
    normalized->size = to - from;
}

static int prepend(const struct rewrite *rewrite, struct normalized *normalized, struct err *err)
{
    size_t size = normalized->size, added = rewrite->content_size;
    uint32_t place = normalized->starts[0];
    int r = normalized_reserve(normalized, added, err);

    if (r < 0)
        return r;
    move(normalized, added);
    append(normalized, rewrite->content, added, place);
    normalized->size = size + added;
    return 0;
}

/* Drops marks or lowers the case, a code point at a time. */
static int change(const struct rewrite *rewrite, struct normalized *normalized, struct err *err)
{
    size_t size = normalized->size, growth = size * UNICODE_MAX_LOWER;
    int r = normalized_reserve(normalized, growth, err);

    if (r < 0)
        return r;
    const char *text = normalized->text + growth;
    const uint32_t *starts = normalized->starts + growth;
    move(normalized, growth);
    for (size_t at = 0; at < size;) {
        uint32_t parts[UNICODE_MAX_LOWER];
        char bytes[4];
        size_t length = utf8_decode(text + at, size - at, parts), count = 1;
        if (rewrite->kind == REWRITE_ACCENTS)
            count = unicode_component(parts[0]) & UNICODE_ACCENT ? 0 : 1;
        else
            count = unicode_lower(parts[0], parts);
        for (size_t i = 0; i < count; i++)
            append(normalized, bytes, utf8_encode(parts[i], bytes), starts[at]);
        at += length;
    }
    return 0;
}

int rewrite_run(const struct rewrite *rewrite, struct normalized *normalized, struct err *err)
{
    if (normalized->size == 0)
        return 0;
    switch (rewrite->kind) {
    case REWRITE_STRING:
    case REWRITE_SPACES:
        return replace(rewrite, normalized, err);
    case REWRITE_PREPEND:
        return prepend(rewrite, normalized, err);
    case REWRITE_ACCENTS:
    case REWRITE_LOWER:
        return change(rewrite, normalized, err);
    case REWRITE_STRIP:
        break;
    }
    strip(rewrite, normalized);
    return 0;
}
