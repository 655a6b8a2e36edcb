/* Tokens that are matched as they stand, before the text is split into words: the special ones that
 * a user may write out ("[SEP]"), and those added to a model after it was made.
 * Constant after sealing and safe in any thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_ADDED_TOKENS_H
#define SBERT_ENCODER_TOKENIZER_ADDED_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

struct added_token {
    const char *text; /* what is looked for */
    size_t size;      /* at least 1 */
    uint32_t id;
    bool single_word;    /* matches only where no word character touches it */
    bool lstrip, rstrip; /* takes the white space before, after it */
    bool special;
};

/* A zeroed struct is an empty set. */
struct added_tokens {
    struct added_token *tokens; /* (count) by first byte, the longest first */
    size_t count, capacity;
    uint32_t first[257]; /* where the tokens of each first byte begin */
};

/* Adds a token, whose text must live as long as the set. ERR_MEMORY. */
int added_tokens_add(struct added_tokens *set, struct arena *arena, struct added_token token,
                     struct err *err);

/* Sorts the set; to be called after the last is added. */
void added_tokens_seal(struct added_tokens *set);

/* Takes the special ones out of a sealed set, which is sealed afterwards too. */
void added_tokens_drop_special(struct added_tokens *set);

/* A walk over a text, which is cut into added tokens and the stretches between them. */
struct added_walk {
    const struct added_tokens *set;
    const char *text;
    size_t size;
    size_t scanned, done; /* matching goes on at the first; all before the second was returned */
    const struct added_token *waiting; /* matched, behind the stretch that was returned last */
    size_t waiting_start, waiting_end;
};
struct added_walk added_tokens_walk(const struct added_tokens *set, const char *text, size_t size);

/* The next part [*ret_start, *ret_end); *ret_token is NULL for a stretch of text. False at the end.
 */
bool added_walk_next(struct added_walk *walk, size_t *ret_start, size_t *ret_end,
                     const struct added_token **ret_token);

#endif
