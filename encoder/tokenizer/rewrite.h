/* The normalisers that need no look at what stands around a match: replacing a string or runs of
 * spaces, putting one before the text, stripping white space, dropping marks, lowering the case.
 * Pure functions: safe in any thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_REWRITE_H
#define SBERT_ENCODER_TOKENIZER_REWRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "encoder/tokenizer/bert_normalizer.h"

/* What a match becomes is at most this many bytes. */
enum { REWRITE_CONTENT_LIMIT = 16 };

struct rewrite {
    enum rewrite_kind {
        REWRITE_STRING,
        REWRITE_SPACES,
        REWRITE_PREPEND, /* to a text that is not empty */
        REWRITE_STRIP,
        REWRITE_ACCENTS,
        REWRITE_LOWER,
    } kind;
    const char *pattern; /* REWRITE_STRING: what is replaced (REWRITE_SPACES: two spaces or more) */
    size_t pattern_size; /* at least 1 */
    const char *content; /* what a match becomes, or what is prepended */
    size_t content_size;
    bool left, right; /* REWRITE_STRIP: the ends that lose their white space */
};

/* Rewrites a text in place. What replaces a match has the place of the match's last code point,
 * what is prepended that of the first.
 * ERR_MEMORY. */
int rewrite_run(const struct rewrite *rewrite, struct normalized *normalized, struct err *err);

#endif
