/* SentencePiece's words: the Metaspace pre-tokenizer, alone or behind WhitespaceSplit. A space is
 * written as U+2581, one is put before a word as the scheme says, and each starts a new word.
 * Constant after loading; a walk belongs to one thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_METASPACE_H
#define SBERT_ENCODER_TOKENIZER_METASPACE_H

#include <stdbool.h>

#include "encoder/tokenizer/bert_normalizer.h"

struct metaspace {
    bool split_white_space; /* WhitespaceSplit first: white space ends a word and vanishes */
    bool split;             /* at each replacement, which goes with what follows it */
    enum { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER } prepend;
    char replacement[5]; /* one code point: U+2581 */
    size_t replacement_size;
};

/* A word with, for each byte, where in the normalised text its code point starts. A zeroed struct
 * is empty; its owner reuses it. */
struct metaspace_word {
    char *text;
    uint32_t *places;
    size_t size, capacity;
};
void metaspace_word_release(struct metaspace_word *word);

/* A walk over bytes [at, to) of a normalised text. */
struct metaspace_walk {
    const struct metaspace *metaspace;
    const struct normalized *normalized;
    size_t at, to;
    bool begins; /* the next code point begins what a replacement may be put before */
};
struct metaspace_walk metaspace_walk(const struct metaspace *metaspace,
                                     const struct normalized *normalized, size_t from, size_t to);

/* The next word, at least a byte; 1, or 0 at the end, or ERR_MEMORY. */
int metaspace_next(struct metaspace_walk *walk, struct metaspace_word *word, struct err *err);

#endif
