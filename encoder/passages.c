/* Passages are found one after another: tokenize a window that is sure to hold more than a passage,
 * pick the best place to cut, tokenize what was cut to be sure that it fits, and pick where the
 * next one starts. So memory is bounded by the passage, not by the text, and time grows with the
 * text. Keeps no state: threads bring their own lists.
 */
#include "encoder/passages.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "encoder/tokenizer/unicode.h"

/* A window starts with so many bytes for each token; where that is too few it is doubled. */
enum { WINDOW_BYTES_PER_TOKEN = 8, OVERLAP_DIVISOR = 8, MOST_CLOSING = 4 };

struct splitter {
    const struct tokenizer *tokenizer;
    const char *text;
    size_t size;
    size_t room; /* tokens in a passage, the special ones not counted */
    struct token_list *scratch;
    struct err *err;
};

/* The tokens of text[start, end), without the special ones; places count from `start`. */
struct stretch {
    size_t start, end;
    const struct token *tokens;
    size_t count;
};

void passage_list_release(struct passage_list *list)
{
    free(list->spans);
    *list = (struct passage_list){0};
}

static int add_span(struct passage_list *list, size_t start, size_t end, struct err *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        struct passage_span *spans = realloc(list->spans, capacity * sizeof *spans);
        if (!spans)
            return err_memory(err, "splitting a text");
        list->spans = spans;
        list->capacity = capacity;
    }
    list->spans[list->count++] = (struct passage_span){start, end};
    return 0;
}

/* The code point that starts at text[at] and where it ends. */
static uint32_t code_point_at(const char *text, size_t size, size_t at, size_t *ret_end)
{
    uint32_t code_point = 0;
    *ret_end = at + utf8_decode(text + at, size - at, &code_point);
    return code_point;
}

/* The code point that ends at text[end] and where it starts. end > 0. */
static uint32_t code_point_before(const char *text, size_t end, size_t *ret_start)
{
    uint32_t code_point = 0;
    size_t start = end - 1;
    while (start > 0 && ((unsigned char)text[start] & 0xC0) == 0x80)
        start--;
    utf8_decode(text + start, end - start, &code_point);
    *ret_start = start;
    return code_point;
}

static size_t skip_space(const char *text, size_t size, size_t at)
{
    size_t next;
    while (at < size && unicode_classify(code_point_at(text, size, at, &next)) & UNICODE_SPACE)
        at = next;
    return at;
}

static size_t trim_space(const char *text, size_t start, size_t end)
{
    size_t before;
    while (end > start && unicode_classify(code_point_before(text, end, &before)) & UNICODE_SPACE)
        end = before;
    return end;
}

/* What may stand between the mark that ends a sentence and the white space after it. */
static bool is_closing(uint32_t c)
{
    return c == '"' || c == '\'' || c == ')' || c == ']' || c == 0xBB || c == 0x2019 ||
           c == 0x201D || c == 0x300D || c == 0x300F || c == 0xFF09;
}

enum boundary { INSIDE_WORD, BETWEEN_TOKENS, AT_SPACE, AT_SENTENCE };

/* White space in text[from, to): whether there is any, and whether it holds an empty line. */
static bool look_for_space(const char *text, size_t from, size_t to, bool *ret_empty_line)
{
    size_t next, newlines = 0;
    bool space = false;

    for (; from < to; from = next) {
        uint32_t c = code_point_at(text, to, from, &next);
        if (unicode_classify(c) & UNICODE_SPACE)
            space = true;
        newlines += c == '\n';
    }
    *ret_empty_line = newlines >= 2;
    return space;
}

/* What kind of place the start of token k (>= 1) is. */
static enum boundary boundary_before(const struct splitter *splitter, const struct stretch *stretch,
                                     size_t k)
{
    const char *text = splitter->text + stretch->start;
    size_t end = stretch->tokens[k - 1].end, start = stretch->tokens[k].start, at, unused;
    bool empty_line;

    if (start < end || stretch->tokens[k].continues)
        return INSIDE_WORD;
    uint32_t first = code_point_at(text, stretch->end - stretch->start, start, &unused);
    bool space = look_for_space(text, end, start, &empty_line);
    if (empty_line)
        return AT_SENTENCE;
    if (!space && unicode_classify(first) & UNICODE_PUNCTUATION)
        return INSIDE_WORD; /* it belongs to what it follows */
    uint32_t c = code_point_before(text, end, &at);
    for (int closing = 0; closing < MOST_CLOSING && is_closing(c) && at > 0; closing++)
        c = code_point_before(text, at, &at);
    bool ideographic = c == 0x3002 || c == 0xFF01 || c == 0xFF1F || c == 0xFF61;
    if (ideographic && !is_closing(first))
        return AT_SENTENCE;
    if (space && (c == '.' || c == '!' || c == '?' || c == 0x2026))
        return AT_SENTENCE;
    return space ? AT_SPACE : BETWEEN_TOKENS;
}

static int tokenize(const struct splitter *splitter, size_t start, size_t end,
                    struct stretch *ret_stretch)
{
    struct token_list *list = splitter->scratch;
    int r = tokenizer_encode(splitter->tokenizer, splitter->text + start, end - start, NULL, 0, 0,
                             list, splitter->err);
    if (r < 0)
        return r;
    *ret_stretch = (struct stretch){start, end, list->tokens,
                                    list->count - tokenizer_special_count(splitter->tokenizer)};
    while (ret_stretch->count > 0 && ret_stretch->tokens->special)
        ret_stretch->tokens++;
    return 0;
}

/* Tokenizes from `start` until there is more than a passage, or to the end of the text. */
static int tokenize_window(const struct splitter *splitter, size_t start,
                           struct stretch *ret_stretch)
{
    size_t left = splitter->size - start, window = WINDOW_BYTES_PER_TOKEN;
    if (splitter->room < left / WINDOW_BYTES_PER_TOKEN)
        window *= splitter->room + 1;
    else
        window = left;
    for (;;) {
        size_t end = window < left ? start + window : splitter->size;
        while (end < splitter->size && ((unsigned char)splitter->text[end] & 0xC0) == 0x80)
            end++;
        int r = tokenize(splitter, start, end, ret_stretch);
        if (r < 0 || ret_stretch->count > splitter->room || end == splitter->size)
            return r;
        window *= 2;
    }
}

/* The token before which to cut a stretch of more than a passage, so that it ends beyond `least`:
 * the last sentence in the second half of the room, else the last white space, else between words,
 * else anywhere but within a code point. 0 where there is no such place within the room. */
static size_t choose_cut(const struct splitter *splitter, const struct stretch *stretch,
                         size_t least)
{
    size_t best = 0;
    enum boundary best_kind = INSIDE_WORD;

    for (size_t k = splitter->room; k > 0 && best_kind < AT_SENTENCE; k--) {
        bool early = k < splitter->room / 2;
        if (stretch->start + stretch->tokens[k - 1].end <= least ||
            (early && best_kind == AT_SPACE))
            break;
        if (stretch->tokens[k].start < stretch->tokens[k - 1].end)
            continue;
        enum boundary kind = boundary_before(splitter, stretch, k);
        if (early && kind == AT_SENTENCE)
            kind = AT_SPACE;
        if (best == 0 || kind > best_kind) {
            best = k;
            best_kind = kind;
        }
    }
    return best;
}

/* Where the next passage starts: at the sentence nearest to an eighth of the room before the end of
 * this one, else at the nearest word; at the end itself where there is neither. */
static size_t choose_start(const struct splitter *splitter, const struct stretch *passage)
{
    size_t overlap = splitter->room / OVERLAP_DIVISOR, best = 0, best_distance = 0;
    enum boundary best_kind = INSIDE_WORD;

    if (overlap == 0 || passage->count <= 2 * overlap)
        return passage->end;
    size_t wanted = passage->count - overlap;
    for (size_t k = wanted - overlap + 1; k < passage->count; k++) {
        enum boundary kind = boundary_before(splitter, passage, k);
        size_t distance = k < wanted ? wanted - k : k - wanted;
        if (kind > best_kind || (best && kind == best_kind && distance < best_distance)) {
            best = k;
            best_kind = kind;
            best_distance = distance;
        }
    }
    return best ? passage->start + passage->tokens[best].start : passage->end;
}

/* Cuts one passage that starts at `start` and ends beyond `least`, out of a window of more tokens
 * than fit. *ret_end is 0 where that cannot be done. Leaves the passage's tokens in *stretch. */
static int cut(const struct splitter *splitter, size_t least, struct stretch *stretch,
               size_t *ret_end)
{
    size_t start = stretch->start;

    *ret_end = 0;
    while (stretch->count > splitter->room) {
        size_t k = choose_cut(splitter, stretch, least);
        if (k == 0)
            return 0;
        size_t end = start + stretch->tokens[k].start;
        int r = tokenize(splitter, start, trim_space(splitter->text, start, end), stretch);
        if (r < 0)
            return r;
    }
    *ret_end = stretch->end;
    return 0;
}

/* The end of the first code point that has tokens: more of them than there is room for. */
static size_t first_place(const struct stretch *stretch)
{
    for (size_t k = 1; k < stretch->count; k++)
        if (stretch->tokens[k].start >= stretch->tokens[k - 1].end)
            return stretch->start + stretch->tokens[k].start;
    return stretch->end;
}

static int split(const struct splitter *splitter, size_t start, struct passage_list *list)
{
    struct stretch stretch;
    size_t least = start, end;

    for (;;) {
        int r = tokenize_window(splitter, start, &stretch);
        if (r < 0)
            return r;
        if (stretch.count <= splitter->room)
            return add_span(list, start, trim_space(splitter->text, start, splitter->size),
                            splitter->err);
        if ((r = cut(splitter, least, &stretch, &end)) < 0)
            return r;
        if (end == 0 && start < least) { /* the overlap leaves no room to go on */
            start = skip_space(splitter->text, splitter->size, least);
            continue;
        }
        if (end == 0) {
            if ((r = tokenize_window(splitter, start, &stretch)) < 0)
                return r;
            end = first_place(&stretch);
            stretch.count = 0;
        }
        stretch.end = end = trim_space(splitter->text, start, end);
        if ((r = add_span(list, start, end, splitter->err)) < 0)
            return r;
        least = end;
        if (skip_space(splitter->text, splitter->size, end) == splitter->size)
            return 0;
        start = choose_start(splitter, &stretch);
        start = skip_space(splitter->text, splitter->size, start);
    }
}

int passages_split(const struct tokenizer *tokenizer, const char *text, size_t size,
                   size_t max_length, size_t prompt_tokens, struct token_list *scratch,
                   struct passage_list *list, struct err *err)
{
    size_t taken = tokenizer_special_count(tokenizer) + prompt_tokens, bad;
    struct splitter splitter = {tokenizer, text, size, SIZE_MAX, scratch, err};

    list->count = 0;
    if (max_length > 0 && max_length <= taken)
        return err_set(
            err, ERR_INVALID,
            "a limit of %zu tokens leaves no room beside %zu of the model and the prompt",
            max_length, taken);
    if (!utf8_valid(text, size, &bad))
        return err_set(err, ERR_INVALID, "the text is not valid UTF-8 at byte %zu", bad);
    if (max_length > 0)
        splitter.room = max_length - taken;
    size_t start = skip_space(text, size, 0);
    if (start == size)
        return add_span(list, 0, size, err);
    return split(&splitter, start, list);
}
