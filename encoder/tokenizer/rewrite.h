/* What a SentencePiece model's normaliser does behind the character map: replacing a string or runs
 * of spaces, and stripping white space. Pure functions: safe in any thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_REWRITE_H
#define SBERT_ENCODER_TOKENIZER_REWRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "encoder/tokenizer/bert_normalizer.h"

/* What a match becomes is at most this many bytes. */
enum { REWRITE_CONTENT_LIMIT = 16 };

struct rewrite {
    enum { REWRITE_STRING, REWRITE_SPACES, REWRITE_STRIP } kind;
    const char *pattern; /* REWRITE_STRING: what is replaced (REWRITE_SPACES: two spaces or more) */
    size_t pattern_size; /* at least 1 */
    const char *content; /* what a match becomes */
    size_t content_size;
    bool left, right; /* REWRITE_STRIP: the ends that lose their white space */
};

/* Rewrites a text in place. What replaces a match has the place of the match's last code point.
 * ERR_MEMORY. */
int rewrite_run(const struct rewrite *rewrite, struct normalized *normalized, struct err *err);

#endif
