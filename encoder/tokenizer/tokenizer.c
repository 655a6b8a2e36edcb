/* The tokenizer's whole way, in the order a text takes it: added tokens matched as they stand, the
 * normaliser, added tokens matched in normalised text, words split at white space and punctuation,
 * pieces, truncation, template. What each step knows is in its own file.
 * A tokenizer is constant; all that changes is in the caller's list and its scratch.
 */
#include "encoder/tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "encoder/tokenizer/load.h"
#include "encoder/tokenizer/unicode.h"

/* What lives in a token_list between texts. */
struct tokenizer_scratch {
    struct normalized normalized;
    struct word_part *parts; /* (part_capacity) the pieces of one word */
    size_t part_capacity;
    struct token *tokens; /* (count) of the first text, then of the second */
    size_t count, capacity;
};

/* One text on its way. */
struct encoding {
    const struct tokenizer *tokenizer;
    const char *text;
    struct tokenizer_scratch *scratch;
    struct err *err;
};

void token_list_release(struct token_list *list)
{
    if (list->scratch) {
        normalized_release(&list->scratch->normalized);
        free(list->scratch->parts);
        free(list->scratch->tokens);
        free(list->scratch);
    }
    free(list->tokens);
    *list = (struct token_list){0};
}

/* The array with room for `want` (at least 1) elements of `size` bytes, twice as large where it
 * moves; NULL, and the array as it was, when memory runs out. */
static void *grow(void *array, size_t *capacity, size_t want, size_t size)
{
    if (want <= *capacity)
        return array;
    if (want < *capacity * 2)
        want = *capacity * 2;
    if (want < 64)
        want = 64;
    void *grown = want <= SIZE_MAX / size ? realloc(array, want * size) : NULL;
    if (grown)
        *capacity = want;
    return grown;
}

static int reserve_tokens(struct tokenizer_scratch *scratch, size_t extra, struct err *err)
{
    struct token *tokens =
        grow(scratch->tokens, &scratch->capacity, scratch->count + extra, sizeof *tokens);
    if (!tokens)
        return err_memory(err, "tokenizing a text");
    scratch->tokens = tokens;
    return 0;
}

/* The bytes of the text that normalised bytes [from, to) came from. */
static void place(const struct encoding *encoding, size_t from, size_t to, struct token *token)
{
    const struct normalized *normalized = &encoding->scratch->normalized;
    uint32_t last = normalized->starts[to - 1];
    unsigned char lead = (unsigned char)encoding->text[last];
    uint32_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;

    token->start = normalized->starts[from];
    token->end = last + length;
}

/* The tokens of one word, normalised bytes [from, to) of `chars` code points. */
static int put_word(struct encoding *encoding, size_t from, size_t to, size_t chars)
{
    struct tokenizer_scratch *scratch = encoding->scratch;
    size_t most = chars > encoding->tokenizer->model.max_chars ? 1 : chars;
    struct word_part *parts = grow(scratch->parts, &scratch->part_capacity, most, sizeof *parts);
    if (!parts)
        return err_memory(encoding->err, "tokenizing a text");
    scratch->parts = parts;
    size_t count = wordpiece_split(&encoding->tokenizer->model, scratch->normalized.text + from,
                                   to - from, chars, parts);
    int r = reserve_tokens(scratch, count, encoding->err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++) {
        struct token *token = &scratch->tokens[scratch->count++];
        *token = (struct token){.id = parts[i].id, .continues = i > 0};
        place(encoding, from + parts[i].start, from + parts[i].end, token);
    }
    return 0;
}

/* Words of normalised bytes [from, to): split at white space, each punctuation mark by itself. */
static int put_words(struct encoding *encoding, size_t from, size_t to)
{
    const char *text = encoding->scratch->normalized.text;
    size_t word = from, chars = 0;
    int r = 0;

    for (size_t at = from; at < to && r == 0;) {
        uint32_t code_point;
        size_t length = utf8_decode(text + at, to - at, &code_point);
        uint8_t class = unicode_classify(code_point);
        if (!(class & (UNICODE_SPACE | UNICODE_PUNCTUATION))) {
            chars++;
            at += length;
            continue;
        }
        if (chars > 0)
            r = put_word(encoding, word, at, chars);
        if (r == 0 && class & UNICODE_PUNCTUATION)
            r = put_word(encoding, at, at + length, 1);
        at += length;
        word = at;
        chars = 0;
    }
    if (r == 0 && chars > 0)
        r = put_word(encoding, word, to, chars);
    return r;
}

static int put_added(struct encoding *encoding, uint32_t id, uint32_t start, uint32_t end)
{
    struct tokenizer_scratch *scratch = encoding->scratch;
    int r = reserve_tokens(scratch, 1, encoding->err);
    if (r < 0)
        return r;
    scratch->tokens[scratch->count++] = (struct token){.id = id, .start = start, .end = end};
    return 0;
}

/* Bytes [from, to) of the text, which hold no added token that is matched as it stands. */
static int put_stretch(struct encoding *encoding, size_t from, size_t to)
{
    struct normalized *normalized = &encoding->scratch->normalized;
    const struct added_token *token;
    size_t start, end;
    int r = bert_normalizer_run(&encoding->tokenizer->normalizer, encoding->text, from, to,
                                normalized, encoding->err);

    struct added_walk walk =
        added_tokens_walk(&encoding->tokenizer->normalized, normalized->text, normalized->size);
    while (r == 0 && added_walk_next(&walk, &start, &end, &token)) {
        struct token placed;
        if (!token) {
            r = put_words(encoding, start, end);
            continue;
        }
        place(encoding, start, end, &placed);
        r = put_added(encoding, token->id, placed.start, placed.end);
    }
    return r;
}

/* Appends a text's tokens to the scratch. */
static int put_text(const struct tokenizer *tokenizer, const char *text, size_t size,
                    struct tokenizer_scratch *scratch, struct err *err)
{
    struct encoding encoding = {tokenizer, text, scratch, err};
    struct added_walk walk = added_tokens_walk(&tokenizer->raw, text, size);
    const struct added_token *token;
    size_t start, end;
    int r = 0;

    if (size > UINT32_MAX)
        return err_set(err, ERR_LIMIT, "a text may have at most %u bytes", UINT32_MAX);
    while (r == 0 && added_walk_next(&walk, &start, &end, &token))
        r = token ? put_added(&encoding, token->id, (uint32_t)start, (uint32_t)end)
                  : put_stretch(&encoding, start, end);
    return r;
}

int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t size,
                     const char *pair, size_t pair_size, size_t max_length, struct token_list *list,
                     struct err *err)
{
    const struct template *template = pair ? &tokenizer->pair : &tokenizer->single;
    size_t specials = template->special_count;
    int r;

    if (max_length > 0 && max_length < specials)
        return err_set(err, ERR_INVALID, "a limit of %zu tokens leaves no room for the %zu special",
                       max_length, specials);
    if (!list->scratch && !(list->scratch = calloc(1, sizeof *list->scratch)))
        return err_memory(err, "tokenizing a text");
    struct tokenizer_scratch *scratch = list->scratch;
    scratch->count = 0;
    if ((r = reserve_tokens(scratch, 1, err)) < 0) /* also where there will be none */
        return r;
    if ((r = put_text(tokenizer, text, size, scratch, err)) < 0)
        return r;
    size_t first = scratch->count;
    if (pair && (r = put_text(tokenizer, pair, pair_size, scratch, err)) < 0)
        return r;
    size_t second = scratch->count - first, second_at = first;

    list->full_count = first + second + specials;
    if (max_length > 0)
        template_truncate_pair(&first, &second, max_length - specials);
    struct token *tokens =
        grow(list->tokens, &list->capacity, first + second + specials + 1, sizeof *tokens);
    if (!tokens)
        return err_memory(err, "tokenizing a text");
    list->tokens = tokens;
    template_fill(template, scratch->tokens, first, scratch->tokens + second_at, second, list);
    return 0;
}

int tokenizer_open(struct tokenizer **ret_tokenizer, const char *folder, int do_lower_case,
                   struct err *err)
{
    struct tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    if (!tokenizer)
        return err_memory(err, "opening a tokenizer");
    int r = tokenizer_load(tokenizer, folder, do_lower_case, err);
    if (r < 0) {
        tokenizer_close(tokenizer);
        return r;
    }
    *ret_tokenizer = tokenizer;
    return 0;
}

void tokenizer_close(struct tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    arena_release(&tokenizer->arena);
    free(tokenizer);
}

void tokenizer_escape_special_tokens(struct tokenizer *tokenizer)
{
    added_tokens_drop_special(&tokenizer->raw);
    added_tokens_drop_special(&tokenizer->normalized);
}

const char *tokenizer_piece(const struct tokenizer *tokenizer, uint32_t id)
{
    const struct vocabulary *vocabulary = &tokenizer->model.vocabulary;
    if (id < vocabulary->id_count && vocabulary->by_id[id])
        return vocabulary->by_id[id];
    return id < tokenizer->extra.id_count ? tokenizer->extra.by_id[id] : NULL;
}

size_t tokenizer_vocabulary_size(const struct tokenizer *tokenizer)
{
    return tokenizer->vocabulary_size;
}

size_t tokenizer_special_count(const struct tokenizer *tokenizer)
{
    return tokenizer->single.special_count;
}
