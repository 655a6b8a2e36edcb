/* Leftmost-longest matching of a few literal strings. */
#include "encoder/tokenizer/added_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "encoder/tokenizer/unicode.h"

int added_tokens_add(struct added_tokens *set, struct arena *arena, struct added_token token,
                     struct err *err)
{
    if (set->count == set->capacity) {
        size_t capacity = set->capacity ? set->capacity * 2 : 8;
        struct added_token *tokens = arena_alloc(arena, capacity, sizeof *tokens);
        if (!tokens)
            return err_memory(err, "the added tokens");
        if (set->count)
            memcpy(tokens, set->tokens, set->count * sizeof *tokens);
        set->tokens = tokens;
        set->capacity = capacity;
    }
    set->tokens[set->count++] = token;
    return 0;
}

static int by_first_byte_then_longest(const void *left, const void *right)
{
    const struct added_token *a = left, *b = right;
    unsigned char first_a = (unsigned char)a->text[0], first_b = (unsigned char)b->text[0];
    if (first_a != first_b)
        return first_a < first_b ? -1 : 1;
    if (a->size != b->size)
        return a->size > b->size ? -1 : 1;
    return memcmp(a->text, b->text, a->size);
}

void added_tokens_seal(struct added_tokens *set)
{
    if (set->count)
        qsort(set->tokens, set->count, sizeof *set->tokens, by_first_byte_then_longest);
    for (size_t i = 0, byte = 0; byte < 257; byte++) {
        while (i < set->count && (unsigned char)set->tokens[i].text[0] < byte)
            i++;
        set->first[byte] = (uint32_t)i;
    }
}

void added_tokens_drop_special(struct added_tokens *set)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++)
        if (!set->tokens[i].special)
            set->tokens[kept++] = set->tokens[i];
    set->count = kept;
    added_tokens_seal(set);
}

/* The first match at or after text[from], the longest where several start there. */
static const struct added_token *find(const struct added_tokens *set, const char *text, size_t size,
                                      size_t from, size_t *ret_start)
{
    for (size_t at = from; at < size; at++) {
        unsigned char byte = (unsigned char)text[at];
        for (uint32_t i = set->first[byte]; i < set->first[byte + 1]; i++) {
            const struct added_token *token = &set->tokens[i];
            if (token->size <= size - at && memcmp(text + at, token->text, token->size) == 0) {
                *ret_start = at;
                return token;
            }
        }
    }
    return NULL;
}

/* The class of the code point before text[at], and where it starts; 0 at the start of the text. */
static uint8_t class_before(const char *text, size_t at, size_t *ret_start)
{
    uint32_t code_point;
    size_t start = at;

    while (start > 0 && at - start < 4 && ((unsigned char)text[--start] & 0xC0) == 0x80)
        continue;
    *ret_start = start;
    if (start == at || utf8_decode(text + start, at - start, &code_point) != at - start)
        return 0;
    return unicode_classify(code_point);
}

/* The class of the code point at text[at], and where it ends; 0 at the end of the text. */
static uint8_t class_after(const char *text, size_t size, size_t at, size_t *ret_end)
{
    uint32_t code_point;
    size_t length = at < size ? utf8_decode(text + at, size - at, &code_point) : 0;

    *ret_end = at + length;
    return length ? unicode_classify(code_point) : 0;
}

static bool touches_word(const char *text, size_t size, size_t start, size_t end)
{
    size_t unused;
    return (class_before(text, start, &unused) | class_after(text, size, end, &unused)) &
           UNICODE_WORD;
}

struct added_walk added_tokens_walk(const struct added_tokens *set, const char *text, size_t size)
{
    return (struct added_walk){.set = set, .text = text, .size = size};
}

/* Finds the next token that may match, with the white space it takes; false where there is none. */
static bool match(struct added_walk *walk)
{
    const char *text = walk->text;
    size_t start = 0, end = 0, next;

    walk->waiting = NULL;
    while (walk->set->count && !walk->waiting) {
        walk->waiting = find(walk->set, text, walk->size, walk->scanned, &start);
        if (!walk->waiting) {
            walk->scanned = walk->size;
            return false;
        }
        walk->scanned = end = start + walk->waiting->size;
        if (walk->waiting->single_word && touches_word(text, walk->size, start, end))
            walk->waiting = NULL;
    }
    if (!walk->waiting)
        return false;
    if (walk->waiting->lstrip)
        while (start > walk->done && class_before(text, start, &next) & UNICODE_SPACE)
            start = next;
    if (walk->waiting->rstrip)
        while (class_after(text, walk->size, end, &next) & UNICODE_SPACE)
            end = next;
    walk->waiting_start = start;
    walk->waiting_end = end;
    return true;
}

bool added_walk_next(struct added_walk *walk, size_t *ret_start, size_t *ret_end,
                     const struct added_token **ret_token)
{
    if (!walk->waiting && !match(walk)) {
        *ret_start = walk->done;
        *ret_end = walk->done = walk->size;
        *ret_token = NULL;
        return *ret_start < *ret_end;
    }
    if (walk->done < walk->waiting_start) {
        *ret_start = walk->done;
        *ret_end = walk->done = walk->waiting_start;
        *ret_token = NULL;
        return true;
    }
    *ret_start = walk->waiting_start;
    *ret_end = walk->done = walk->waiting_end;
    *ret_token = walk->waiting;
    walk->waiting = NULL;
    return true;
}
