/* The WordPiece model: a word becomes the longest piece it starts with, then the longest
 * continuing piece of what is left, and so on; a word with any part unmatched is one unknown token.
 * Constant after loading and safe in any thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_WORDPIECE_H
#define SBERT_ENCODER_TOKENIZER_WORDPIECE_H

#include "encoder/tokenizer/vocabulary.h"

struct wordpiece {
    const struct vocabulary *vocabulary;
    const char *prefix; /* what a continuing piece starts with in the vocabulary: "##" */
    size_t prefix_size;
    uint64_t prefix_hash; /* VOCABULARY_HASH_START carried over the prefix */
    uint32_t unknown_id;
    size_t max_chars; /* a word of more code points is unknown */
};

/* A piece of a word: its id and its bytes [start, end) of the word. */
struct word_part {
    uint32_t id, start, end;
};

/* Splits a word of `size` bytes (>= 1) and `chars` code points into `ret_parts`, which has room for
 * `chars` of them, or for one where that is more than max_chars. Returns their number, at least 1.
 */
size_t wordpiece_split(const struct wordpiece *model, const char *word, size_t size, size_t chars,
                       struct word_part *ret_parts);

#endif
