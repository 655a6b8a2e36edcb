/* The tokenizer's whole way, in the order a text takes it: added tokens matched as they stand, the
 * kind's normaliser, added tokens matched in normalised text, the kind's pieces, truncation,
 * template. What each step knows is in its own file.
 * A tokenizer is constant; all that changes is in the caller's list and its scratch.
 */
#include "encoder/tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "encoder/tokenizer/kind.h"
#include "encoder/tokenizer/load.h"

static void release_own(struct tokenizer_scratch *scratch)
{
    if (scratch->own && scratch->kind->release_scratch)
        scratch->kind->release_scratch(scratch->own);
    free(scratch->own);
    scratch->own = NULL;
    scratch->kind = NULL;
}

void token_list_release(struct token_list *list)
{
    if (list->scratch) {
        release_own(list->scratch);
        normalized_release(&list->scratch->normalized);
        free(list->scratch->tokens);
        free(list->scratch);
    }
    free(list->tokens);
    *list = (struct token_list){0};
}

void *scratch_grow(void *array, size_t *capacity, size_t want, size_t size)
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

/* The scratch of the list, made for the tokenizer's kind: a list may meet several tokenizers. */
static int open_scratch(const struct tokenizer *tokenizer, struct token_list *list, struct err *err)
{
    const struct tokenizer_kind *kind = tokenizer->kind;
    if (!list->scratch && !(list->scratch = calloc(1, sizeof *list->scratch)))
        return err_memory(err, "tokenizing a text");
    list->scratch->count = 0;
    if (list->scratch->kind == kind)
        return 0;
    release_own(list->scratch);
    if (kind->scratch_size > 0 && !(list->scratch->own = calloc(1, kind->scratch_size)))
        return err_memory(err, "tokenizing a text");
    list->scratch->kind = kind;
    return 0;
}

static int reserve_tokens(struct tokenizer_scratch *scratch, size_t extra, struct err *err)
{
    struct token *tokens =
        scratch_grow(scratch->tokens, &scratch->capacity, scratch->count + extra, sizeof *tokens);
    if (!tokens)
        return err_memory(err, "tokenizing a text");
    scratch->tokens = tokens;
    return 0;
}

void encoding_place(const struct encoding *encoding, size_t from, size_t to, uint32_t *ret_start,
                    uint32_t *ret_end)
{
    const struct normalized *normalized = &encoding->scratch->normalized;
    uint32_t last = normalized->starts[to - 1];
    unsigned char lead = (unsigned char)encoding->text[last];
    uint32_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;

    *ret_start = normalized->starts[from];
    *ret_end = last + length;
}

int encoding_put(struct encoding *encoding, uint32_t id, size_t from, size_t to, bool continues)
{
    struct tokenizer_scratch *scratch = encoding->scratch;
    int r = reserve_tokens(scratch, 1, encoding->err);
    if (r < 0)
        return r;
    struct token *token = &scratch->tokens[scratch->count++];
    *token = (struct token){.id = id, .continues = continues};
    encoding_place(encoding, from, to, &token->start, &token->end);
    return 0;
}

/* An added token that matched `size` bytes, the white space it takes included. */
static int put_added(struct encoding *encoding, uint32_t id, uint32_t start, uint32_t end,
                     const char *matched, size_t size)
{
    struct tokenizer_scratch *scratch = encoding->scratch;
    const struct offset_trim *trim = &encoding->tokenizer->trim;
    bool begins = scratch->count == encoding->first;
    size_t leading, trailing;
    int r = reserve_tokens(scratch, 1, encoding->err);

    if (r < 0)
        return r;
    struct token *token = &scratch->tokens[scratch->count++];
    *token = (struct token){.id = id, .start = start, .end = end};
    if (trim->on) {
        offset_trim_count(matched, size, &leading, &trailing);
        offset_trim_apply(trim, encoding->text, leading, trailing, begins, token);
    }
    return 0;
}

/* Bytes [from, to) of the text, which hold no added token that is matched as it stands. */
static int put_stretch(struct encoding *encoding, size_t from, size_t to)
{
    struct normalized *normalized = &encoding->scratch->normalized;
    const struct added_token *token;
    size_t start, end;
    int r = encoding->tokenizer->kind->normalize(encoding->tokenizer, encoding->text, from, to,
                                                 normalized, encoding->err);

    struct added_walk walk =
        added_tokens_walk(&encoding->tokenizer->normalized, normalized->text, normalized->size);
    while (r == 0 && added_walk_next(&walk, &start, &end, &token)) {
        uint32_t text_start, text_end;
        if (!token) {
            r = encoding->tokenizer->kind->encode(encoding, start, end);
            continue;
        }
        encoding_place(encoding, start, end, &text_start, &text_end);
        r = put_added(encoding, token->id, text_start, text_end, normalized->text + start,
                      end - start);
    }
    return r;
}

/* Appends a text's tokens to the scratch. */
static int put_text(const struct tokenizer *tokenizer, const char *text, size_t size,
                    struct tokenizer_scratch *scratch, struct err *err)
{
    struct encoding encoding = {tokenizer, text, scratch, scratch->count, err};
    struct added_walk walk = added_tokens_walk(&tokenizer->raw, text, size);
    const struct added_token *token;
    size_t start, end;
    int r = 0;

    if (size > UINT32_MAX)
        return err_set(err, ERR_LIMIT, "a text may have at most %u bytes", UINT32_MAX);
    while (r == 0 && added_walk_next(&walk, &start, &end, &token))
        r = token ? put_added(&encoding, token->id, (uint32_t)start, (uint32_t)end, text + start,
                              end - start)
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
    if ((r = open_scratch(tokenizer, list, err)) < 0)
        return r;
    struct tokenizer_scratch *scratch = list->scratch;
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
        scratch_grow(list->tokens, &list->capacity, first + second + specials + 1, sizeof *tokens);
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

static void escape_pieces(const struct tokenizer *tokenizer, const struct added_tokens *set)
{
    for (size_t i = 0; tokenizer->kind->escape && i < set->count; i++)
        if (set->tokens[i].special)
            tokenizer->kind->escape(tokenizer, set->tokens[i].id);
}

void tokenizer_escape_special_tokens(struct tokenizer *tokenizer)
{
    escape_pieces(tokenizer, &tokenizer->raw);
    escape_pieces(tokenizer, &tokenizer->normalized);
    added_tokens_drop_special(&tokenizer->raw);
    added_tokens_drop_special(&tokenizer->normalized);
}

const char *tokenizer_piece(const struct tokenizer *tokenizer, uint32_t id)
{
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
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
