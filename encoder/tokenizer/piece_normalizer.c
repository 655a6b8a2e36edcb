/* Running the character map over grapheme clusters, with the places that the reference gives.
 *
 * Places: the reference says of each code point that comes out whether it replaces the next one of
 * the input, with how many behind it that vanish, or was added behind the last. What vanishes at a
 * stretch's start is counted nowhere, and the places of all that follows lag behind by as much.
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
    size_t waiting;     /* where the last code point that was put out starts in `out` */
    ptrdiff_t change;   /* of that one: 1 for added, -N for replacing one with N that vanish */
};

static size_t length_at(const char *text, size_t at)
{
    unsigned char lead = (unsigned char)text[at];
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Gives the last code point that was put out its place, now that all is known of it. */
static void settle(struct run *run)
{
    struct normalized *out = run->out;
    if (run->waiting == out->size)
        return;
    size_t place = run->change > 0 ? run->last : run->place;
    while (run->waiting < out->size)
        out->starts[run->waiting++] = (uint32_t)place;
    for (ptrdiff_t i = run->change; i <= 0; i++) {
        run->last = run->place;
        run->place += length_at(run->text, run->place);
    }
}

static void put(struct run *run, const char *bytes, size_t size, ptrdiff_t change)
{
    settle(run);
    for (size_t i = 0; i < size; i++)
        run->out->text[run->out->size++] = bytes[i];
    run->change = change;
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
    size_t new_count = count_code_points(replacement, size), done = 0;
    int r = normalized_reserve(run->out, size + run->to - run->from, err);

    if (r < 0)
        return r;
    for (size_t at = 0; at < size; done++) {
        size_t length = length_at(replacement, at);
        put(run, replacement + at, length, done < old_count ? 0 : 1);
        at += length;
    }
    if (new_count < old_count && run->waiting < run->out->size)
        run->change -= (ptrdiff_t)(old_count - new_count);
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
            put(run, run->text + at, length, 0);
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
            put(run, run->text + at, 1, 0);
            continue;
        }
        if ((r = find_grapheme(run, at, &end, &count, err)) == 0)
            r = put_grapheme(run, at, end, count, err);
    }
    if (r == 0)
        settle(run);
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
    for (size_t at = run->from; at < run->to;) {
        size_t length = length_at(run->text, at);
        put(run, run->text + at, length, 0);
        at += length;
    }
    settle(run);
    return 0;
}

int piece_normalizer_run(const struct piece_normalizer *normalizer, const char *text, size_t from,
                         size_t to, struct normalized *normalized, struct err *err)
{
    struct run run = {&normalizer->charsmap, text, from, to, normalized, from, from, 0, 0};
    int r;

    normalized->size = 0;
    r = normalizer->charsmap.unit_count > 0 ? apply_map(&run, err) : copy(&run, err);
    for (size_t i = 0; i < normalizer->step_count && r == 0; i++)
        r = rewrite_run(&normalizer->steps[i], normalized, err);
    return r;
}
