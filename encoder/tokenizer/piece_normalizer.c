/* Running the character map over grapheme clusters, with the places that the reference gives.
 */
#include "encoder/tokenizer/piece_normalizer.h"

#include <utf8proc.h>

#include "base/utf8.h"
#include "encoder/tokenizer/transform.h"

enum { WHOLE_GRAPHEME_LIMIT = 6 };

struct run {
    const struct charsmap *map;
    const char *text;
    size_t from, to;
    struct normalized *out;
    struct transform transform;
};

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
        size_t length = transform_length(replacement, at);
        transform_put(&run->transform, replacement + at, length, done < old_count ? 0 : 1);
        at += length;
    }
    if (new_count < old_count && run->transform.waiting < run->out->size)
        run->transform.change -= (ptrdiff_t)(old_count - new_count);
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
        size_t length = transform_length(run->text, at);
        if (charsmap_find(run->map, run->text + at, length, &replacement, &size)) {
            r = put_replacement(run, 1, replacement, size, err);
        } else {
            transform_put(&run->transform, run->text + at, length, 0);
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
            transform_put(&run->transform, run->text + at, 1, 0);
            continue;
        }
        if ((r = find_grapheme(run, at, &end, &count, err)) == 0)
            r = put_grapheme(run, at, end, count, err);
    }
    if (r == 0)
        transform_settle(&run->transform);
    return r;
}

int piece_normalizer_run(const struct charsmap *map, const char *text, size_t from, size_t to,
                         struct normalized *normalized, struct err *err)
{
    struct run run = {map, text, from, to, normalized, transform_begin(text, from, normalized)};
    return apply_map(&run, err);
}
