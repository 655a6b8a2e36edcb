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

static int replace(const struct rewrite *rewrite, struct normalized *normalized, struct err *err)
{
    size_t shortest = rewrite->kind == REWRITE_STRING ? rewrite->pattern_size : 2;
    size_t size = normalized->size, growth = size / shortest * rewrite->content_size;
    int r = normalized_reserve(normalized, growth, err);

    if (r < 0)
        return r;
    char *text = normalized->text + growth;
    uint32_t *starts = normalized->starts + growth;
    memmove(text, normalized->text, size);
    memmove(starts, normalized->starts, size * sizeof *starts);
    normalized->size = 0;
    for (size_t at = 0; at < size;) {
        size_t length = match(rewrite, text + at, size - at);
        uint32_t place = length > 0 ? starts[at + length - 1] : 0;
        if (length == 0) {
            normalized->text[normalized->size] = text[at];
            normalized->starts[normalized->size++] = starts[at];
        }
        for (size_t i = 0; length > 0 && i < rewrite->content_size; i++) {
            normalized->text[normalized->size] = rewrite->content[i];
            normalized->starts[normalized->size++] = place;
        }
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

int rewrite_run(const struct rewrite *rewrite, struct normalized *normalized, struct err *err)
{
    if (rewrite->kind != REWRITE_STRIP)
        return replace(rewrite, normalized, err);
    strip(rewrite, normalized);
    return 0;
}
