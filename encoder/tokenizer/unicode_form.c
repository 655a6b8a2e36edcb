/* One pass: each code point is decomposed, runs of combining marks are put in their canonical
 * order, and what comes out is composed with the last starter where the form asks for it.
 *
 * Places: a part of a decomposition behind the first is added, and what is composed takes the
 * places of all its parts.
 */
#include "encoder/tokenizer/unicode_form.h"

#include "base/utf8.h"
#include "encoder/tokenizer/transform.h"
#include "encoder/tokenizer/unicode.h"

/* No code point below is the second of a composition. */
enum { FIRST_COMPOSING = 0x300 };

struct run {
    const struct unicode_form *form;
    struct transform transform;
    struct err *err;

    /* Composing: the last starter, and the marks behind it that were not composed. These are the
     * first of normalized->marks, whose run is read before they are overwritten. */
    bool has_starter;
    uint32_t starter;
    ptrdiff_t starter_change;
    size_t held;
};

static int put(struct run *run, uint32_t code_point, ptrdiff_t change)
{
    char bytes[4];
    int r = normalized_reserve(run->transform.out, sizeof bytes, run->err);
    if (r == 0)
        transform_put(&run->transform, bytes, utf8_encode(code_point, bytes), change);
    return r;
}

/* Puts out the starter and what is held behind it. */
static int put_starter(struct run *run)
{
    const struct pending_mark *marks = run->transform.out->marks;
    int r = run->has_starter ? put(run, run->starter, run->starter_change) : 0;

    for (size_t i = 0; i < run->held && r == 0; i++)
        r = put(run, marks[i].code_point, marks[i].added);
    run->has_starter = false;
    run->held = 0;
    return r;
}

static int compose(struct run *run, struct pending_mark mark)
{
    struct pending_mark *held = run->transform.out->marks;
    bool blocked = run->held > 0 && held[run->held - 1].combining_class >= mark.combining_class;
    uint32_t composed;
    int r;

    if (run->has_starter && !blocked && mark.code_point >= FIRST_COMPOSING &&
        unicode_compose(run->starter, mark.code_point, &composed)) {
        run->starter = composed;
        run->starter_change += mark.added - 1;
        return 0;
    }
    if (mark.combining_class == 0) {
        r = put_starter(run);
        run->has_starter = true;
        run->starter = mark.code_point;
        run->starter_change = mark.added;
        return r;
    }
    if (!run->has_starter)
        return put(run, mark.code_point, mark.added);
    held[run->held++] = mark;
    return 0;
}

static int put_ordered(struct run *run, struct pending_mark mark)
{
    return run->form->compose ? compose(run, mark) : put(run, mark.code_point, mark.added);
}

static int flush_marks(struct run *run)
{
    struct normalized *to = run->transform.out;
    const struct pending_mark *sorted = normalized_sort_marks(to);
    int r = 0;

    for (size_t i = 0; i < to->mark_count && r == 0; i++)
        r = put_ordered(run, sorted[i]);
    to->mark_count = 0;
    return r;
}

/* One part of a decomposition, or a code point that has none. */
static int put_part(struct run *run, uint32_t code_point, bool added)
{
    uint8_t class = code_point < FIRST_COMPOSING ? 0 : unicode_classify(code_point);
    struct pending_mark part = {.code_point = code_point, .added = added};
    int r;

    if (class & UNICODE_COMBINES) {
        part.combining_class = unicode_combining_class(code_point);
        return normalized_add_mark(run->transform.out, part, run->err);
    }
    r = run->transform.out->mark_count > 0 ? flush_marks(run) : 0;
    return r < 0 ? r : put_ordered(run, part);
}

static int put_code_point(struct run *run, uint32_t code_point)
{
    uint32_t parts[UNICODE_MAX_COMPATIBLE];
    bool compatible = run->form->compatible && unicode_component(code_point) & UNICODE_COMPATIBLE;
    size_t count;
    int r = 0;

    if (compatible)
        count = unicode_decompose_compatible(code_point, parts);
    else if (unicode_classify(code_point) & UNICODE_DECOMPOSES)
        count = unicode_decompose(code_point, parts);
    else
        return put_part(run, code_point, false);
    for (size_t i = 0; i < count && r == 0; i++)
        r = put_part(run, parts[i], i > 0);
    return r;
}

int unicode_form_run(const struct unicode_form *form, const char *text, size_t from, size_t to,
                     struct normalized *normalized, struct err *err)
{
    struct run run = {form, transform_begin(text, from, normalized), err, false, 0, 0, 0};
    int r = normalized_reserve(normalized, to - from, err);

    normalized->mark_count = 0;
    for (size_t at = from; at < to && r == 0;) {
        uint32_t code_point;
        size_t length = utf8_decode(text + at, to - at, &code_point);
        if (length == 0)
            return err_set(err, ERR_INVALID, "the text is not valid UTF-8 at byte %zu", at);
        r = code_point < 0x80 ? put_part(&run, code_point, false)
                              : put_code_point(&run, code_point);
        at += length;
    }
    if (r == 0)
        r = flush_marks(&run);
    if (r == 0)
        r = put_starter(&run);
    if (r == 0)
        transform_settle(&run.transform);
    return r;
}
