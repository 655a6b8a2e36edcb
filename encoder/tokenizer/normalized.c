/* The buffer of a text that is normalised. What is written into it is the normalisers' affair. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "encoder/tokenizer/bert_normalizer.h"

void normalized_release(struct normalized *normalized)
{
    free(normalized->text);
    free(normalized->starts);
    free(normalized->marks);
    free(normalized->sorted);
    if (normalized->spare)
        normalized_release(normalized->spare);
    free(normalized->spare);
    *normalized = (struct normalized){0};
}

int normalized_reserve(struct normalized *to, size_t extra, struct err *err)
{
    size_t want = to->size + extra;
    if (want <= to->capacity)
        return 0;
    if (want < to->capacity + to->capacity / 2)
        want = to->capacity + to->capacity / 2;
    char *text = realloc(to->text, want);
    if (text)
        to->text = text;
    uint32_t *starts = realloc(to->starts, want * sizeof *starts);
    if (starts)
        to->starts = starts;
    if (!text || !starts)
        return err_memory(err, "normalising a text");
    to->capacity = want;
    return 0;
}

static int reserve_mark(struct normalized *to, struct err *err)
{
    if (to->mark_count < to->mark_capacity)
        return 0;
    size_t want = to->mark_capacity ? to->mark_capacity * 2 : 32;
    struct pending_mark *marks = realloc(to->marks, want * sizeof *marks);
    if (marks)
        to->marks = marks;
    struct pending_mark *sorted = realloc(to->sorted, want * sizeof *sorted);
    if (sorted)
        to->sorted = sorted;
    if (!marks || !sorted)
        return err_memory(err, "normalising a text");
    to->mark_capacity = want;
    return 0;
}

int normalized_copy(struct normalized *to, const char *text, size_t from, size_t end,
                    struct err *err)
{
    size_t bad;

    to->size = 0;
    if (!utf8_valid(text + from, end - from, &bad))
        return err_set(err, ERR_INVALID, "the text is not valid UTF-8 at byte %zu", from + bad);
    int r = normalized_reserve(to, end - from, err);
    if (r < 0 || from == end)
        return r;
    memcpy(to->text, text + from, end - from);
    for (size_t at = from, start = from; at < end; at++) {
        if (((unsigned char)text[at] & 0xC0) != 0x80)
            start = at;
        to->starts[at - from] = (uint32_t)start;
    }
    to->size = end - from;
    return 0;
}

int normalized_add_mark(struct normalized *to, struct pending_mark mark, struct err *err)
{
    int r = reserve_mark(to, err);
    if (r == 0)
        to->marks[to->mark_count++] = mark;
    return r;
}

/* By counting: a text may be nothing but marks. */
const struct pending_mark *normalized_sort_marks(struct normalized *to)
{
    size_t places[257] = {0};
    bool ordered = true;

    for (size_t i = 1; i < to->mark_count && ordered; i++)
        ordered = to->marks[i - 1].combining_class <= to->marks[i].combining_class;
    if (ordered)
        return to->marks;
    for (size_t i = 0; i < to->mark_count; i++)
        places[to->marks[i].combining_class + 1]++;
    for (size_t i = 1; i < 257; i++)
        places[i] += places[i - 1];
    for (size_t i = 0; i < to->mark_count; i++)
        to->sorted[places[to->marks[i].combining_class]++] = to->marks[i];
    return to->sorted;
}
