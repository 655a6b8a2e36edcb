/* One pass over the text: each code point is cleaned, spaced, decomposed, stripped and lowered
 * before the next is read. Only runs of combining marks are held back, for their canonical order.
 * Keeps no state of its own: threads bring their own `struct normalized`.
 */
#include "encoder/tokenizer/bert_normalizer.h"

#include "base/utf8.h"
#include "encoder/tokenizer/unicode.h"

/* The most bytes that one code point can become, spaces around it included: its parts, each of
 * which may lower to two code points. */
enum { MOST_BYTES = UNICODE_MAX_DECOMPOSED * UNICODE_MAX_LOWER * 4 + 2 };

struct run {
    const struct bert_normalizer *normalizer;
    struct normalized *to;
    uint32_t last_source; /* where the input's newest code point that was put out starts */
};

static void put_bytes(struct normalized *to, uint32_t code_point, uint32_t source)
{
    size_t length = utf8_encode(code_point, to->text + to->size);
    for (size_t i = 0; i < length; i++)
        to->starts[to->size++] = source;
}

/* Lowers a code point and puts it out; there is room for it. */
static void put(struct run *run, uint32_t code_point, uint32_t source)
{
    uint32_t lower[UNICODE_MAX_LOWER];

    if (!run->normalizer->lowercase) {
        put_bytes(run->to, code_point, source);
    } else if (code_point < 0x80) {
        bool capital = code_point >= 'A' && code_point <= 'Z';
        run->to->text[run->to->size] = (char)(capital ? code_point + 32 : code_point);
        run->to->starts[run->to->size++] = source;
    } else {
        size_t count = unicode_lower(code_point, lower);
        for (size_t i = 0; i < count; i++)
            put_bytes(run->to, lower[i], source);
    }
}

/* Puts out the waiting marks that are not stripped. As in the reference the k-th mark that stood in
 * the text keeps the place of the k-th, whichever it is after sorting. */
static int flush_marks(struct run *run, size_t rest, struct err *err)
{
    struct normalized *to = run->to;
    if (to->mark_count == 0)
        return 0;
    int r = normalized_reserve(to, rest + to->mark_count * UNICODE_MAX_LOWER * 4, err);
    if (r < 0)
        return r;
    const struct pending_mark *sorted = normalized_sort_marks(to);
    size_t next = 0;
    for (size_t i = 0; i < to->mark_count; i++) {
        if (!sorted[i].added) {
            while (to->marks[next].added)
                next++;
            run->last_source = to->marks[next++].source;
        }
        if (!(unicode_classify(sorted[i].code_point) & UNICODE_MARK))
            put(run, sorted[i].code_point, run->last_source);
    }
    to->mark_count = 0;
    return 0;
}

/* One part of a decomposition, or a code point that has none. `rest` is room to keep behind it. */
static int put_part(struct run *run, uint32_t code_point, uint8_t class, uint32_t source,
                    bool added, size_t rest, struct err *err)
{
    struct normalized *to = run->to;
    int r;

    if (class & UNICODE_COMBINES) {
        struct pending_mark mark = {code_point, source, unicode_combining_class(code_point), added};
        return normalized_add_mark(to, mark, err);
    }
    if ((r = flush_marks(run, rest, err)) < 0)
        return r;
    if (!added)
        run->last_source = source;
    if (!(class & UNICODE_MARK))
        put(run, code_point, run->last_source);
    return 0;
}

static int strip(struct run *run, uint32_t code_point, uint8_t class, uint32_t source, size_t rest,
                 struct err *err)
{
    uint32_t parts[UNICODE_MAX_DECOMPOSED];
    if (!(class & UNICODE_DECOMPOSES))
        return put_part(run, code_point, class, source, false, rest, err);
    size_t count = unicode_decompose(code_point, parts);
    for (size_t i = 0; i < count; i++) {
        int r = put_part(run, parts[i], unicode_classify(parts[i]), source, i > 0, rest, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* One code point of the input that is not plain ASCII text. `rest` bytes of room are kept for the
 * input that follows it. */
static int put_code_point(struct run *run, uint32_t code_point, uint32_t source, size_t rest,
                          struct err *err)
{
    const struct bert_normalizer *normalizer = run->normalizer;
    uint8_t class = unicode_classify(code_point);
    bool spaced = normalizer->handle_chinese_chars && class & UNICODE_IDEOGRAPH;
    int r = 0;

    if (normalizer->clean_text && class & UNICODE_CONTROL)
        return 0;
    if (normalizer->clean_text && class & UNICODE_SPACE) {
        code_point = ' ';
        class = UNICODE_SPACE;
    }
    if ((r = normalized_reserve(run->to, rest + MOST_BYTES, err)) < 0)
        return r;
    if (spaced && (r = flush_marks(run, rest + MOST_BYTES, err)) < 0)
        return r;
    if (spaced)
        put_bytes(run->to, ' ', source);
    if (normalizer->strip_accents)
        r = strip(run, code_point, class, source, rest + MOST_BYTES, err);
    else
        put(run, code_point, source);
    if (r == 0 && spaced)
        put_bytes(run->to, ' ', source);
    return r;
}

int bert_normalizer_run(const struct bert_normalizer *normalizer, const char *text, size_t from,
                        size_t to, struct normalized *normalized, struct err *err)
{
    struct run run = {normalizer, normalized, (uint32_t)from};
    int r;

    normalized->size = normalized->mark_count = 0;
    if ((r = normalized_reserve(normalized, to - from + MOST_BYTES, err)) < 0)
        return r;
    for (size_t i = from; i < to;) {
        unsigned char byte = (unsigned char)text[i];
        if (byte >= ' ' && byte < 0x7F && normalized->mark_count == 0) {
            run.last_source = (uint32_t)i;
            put(&run, byte, (uint32_t)i++);
            continue;
        }
        uint32_t code_point;
        size_t length = utf8_decode(text + i, to - i, &code_point);
        if (length == 0)
            return err_set(err, ERR_INVALID, "the text is not valid UTF-8 at byte %zu", i);
        r = put_code_point(&run, code_point, (uint32_t)i, to - i - length, err);
        if (r < 0)
            return r;
        i += length;
    }
    return flush_marks(&run, MOST_BYTES, err);
}
