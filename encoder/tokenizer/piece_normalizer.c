/* Running the character map over grapheme clusters, with the places that the reference gives.
 *
 * Places: the reference says of each code point that comes out whether it replaces the next one of
 * the input (and some that are dropped with it) or was added behind the last. Where the map gives
 * more code points than it takes it says "added" of all of them, and of a code point that vanishes
 * it says nothing, so the places of what follows lag behind. Models' tokens are placed like that
 * everywhere, and so they are here. What is added before anything was replaced has an empty place
 * at the stretch's start.
 */
#include "encoder/tokenizer/piece_normalizer.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"

enum { WHOLE_GRAPHEME_LIMIT = 6 };

struct run {
    const struct charsmap *map;
    const char *text;
    size_t from, to;
    struct normalized *out;
    size_t place, last; /* the next code point to be replaced, and the last that was */
};

static size_t length_at(const char *text, size_t at)
{
    unsigned char lead = (unsigned char)text[at];
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

static void put(struct run *run, const char *bytes, size_t size, size_t place)
{
    struct normalized *out = run->out;
    for (size_t i = 0; i < size; i++) {
        out->text[out->size] = bytes[i];
        out->starts[out->size++] = (uint32_t)place;
    }
}

/* Moves on over `count` code points of the input, which have been replaced. */
static void consume(struct run *run, size_t count)
{
    for (; count > 0; count--) {
        run->last = run->place;
        run->place += length_at(run->text, run->place);
    }
}

static void put_added(struct run *run, const char *bytes, size_t size)
{
    put(run, bytes, size, run->last);
    if (run->place == run->from)
        run->out->unplaced = run->out->size;
}

static size_t count_code_points(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += (text[i] & 0xC0) != 0x80;
    return count;
}

/* Puts out what `old_count` code points of the input became. There is always room for the rest of
 * the input, and afterwards, too. */
static int put_replacement(struct run *run, size_t old_count, const char *replacement, size_t size,
                           struct err *err)
{
    size_t new_count = count_code_points(replacement, size);
    int r = normalized_reserve(run->out, size + run->to - run->from, err);

    if (r < 0 || size == 0)
        return r;
    size_t first = length_at(replacement, 0);
    if (new_count > old_count) {
        put_added(run, replacement, first);
    } else {
        put(run, replacement, first, run->place);
        consume(run, 1 + old_count - new_count);
    }
    for (size_t at = first; at < size;) {
        size_t length = length_at(replacement, at);
        put_added(run, replacement + at, length);
        at += length;
    }
    return 0;
}

/* The grapheme cluster text[at..end), of `count` code points. */
static int put_grapheme(struct run *run, size_t at, size_t end, size_t count, struct err *err)
{
    const char *replacement;
    size_t size;
    int r = 0;

    if (end - at < WHOLE_GRAPHEME_LIMIT &&
        charsmap_find(run->map, run->text + at, end - at, &replacement, &size))
        return put_replacement(run, count, replacement, size, err);
    while (at < end && r == 0) {
        size_t length = length_at(run->text, at);
        if (charsmap_find(run->map, run->text + at, length, &replacement, &size)) {
            r = put_replacement(run, 1, replacement, size, err);
        } else {
            put(run, run->text + at, length, run->place);
            consume(run, 1);
        }
        at += length;
    }
    return r;
}

/* The end of the grapheme cluster that starts at `at`, and its number of code points. */
static int find_grapheme(const struct run *run, size_t at, size_t *ret_end, size_t *ret_count,
                         struct err *err)
{
    utf8proc_int32_t state = 0;
    uint32_t last, next;
    size_t length = utf8_decode(run->text + at, run->to - at, &last);

    *ret_count = 0;
    while (length > 0) {
        at += length;
        ++*ret_count;
        *ret_end = at;
        if (at == run->to)
            return 0;
        length = utf8_decode(run->text + at, run->to - at, &next);
        if (length > 0 && utf8proc_grapheme_break_stateful((utf8proc_int32_t)last,
                                                           (utf8proc_int32_t)next, &state))
            return 0;
        last = next;
    }
    return err_set(err, ERR_INVALID, "the text is not valid UTF-8 at byte %zu", at);
}

static bool plain_ascii(const struct run *run, size_t at)
{
    unsigned char byte = (unsigned char)run->text[at];
    return byte < 0x80 && !run->map->ascii_mapped[byte] && byte != '\r' &&
           (at + 1 == run->to || (unsigned char)run->text[at + 1] < 0x80);
}

static int apply_map(struct run *run, struct err *err)
{
    size_t end = run->from, count = 0;
    int r = normalized_reserve(run->out, run->to - run->from, err);

    for (size_t at = run->from; at < run->to && r == 0; at = end) {
        if (plain_ascii(run, at)) {
            end = at + 1;
            put(run, run->text + at, 1, run->place);
            consume(run, 1);
            continue;
        }
        if ((r = find_grapheme(run, at, &end, &count, err)) == 0)
            r = put_grapheme(run, at, end, count, err);
    }
    return r;
}

static int copy(struct run *run, struct err *err)
{
    size_t bad;
    int r = normalized_reserve(run->out, run->to - run->from, err);

    if (r < 0)
        return r;
    if (!utf8_valid(run->text + run->from, run->to - run->from, &bad))
        return err_set(err, ERR_INVALID, "the text is not valid UTF-8 at byte %zu",
                       run->from + bad);
    while (run->place < run->to) {
        put(run, run->text + run->place, length_at(run->text, run->place), run->place);
        consume(run, 1);
    }
    return 0;
}

int piece_normalizer_run(const struct piece_normalizer *normalizer, const char *text, size_t from,
                         size_t to, struct normalized *normalized, struct err *err)
{
    struct run run = {&normalizer->charsmap, text, from, to, normalized, from, from};
    int r;

    normalized->size = normalized->unplaced = 0;
    r = normalizer->charsmap.unit_count > 0 ? apply_map(&run, err) : copy(&run, err);
    for (size_t i = 0; i < normalizer->step_count && r == 0; i++)
        r = rewrite_run(&normalizer->steps[i], normalized, err);
    return r;
}
