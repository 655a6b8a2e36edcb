/* What cuts normalised text into words for WordPiece: the pre-tokenizers of tokenizer.json that
 * split between two code points by what these are, in any sequence. Since none looks further than
 * one code point, a sequence of them is what all of them do at once. Pure functions: safe in any
 * thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_WORDS_H
#define SBERT_ENCODER_TOKENIZER_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "encoder/tokenizer/unicode.h"

struct words {
    bool drop_spaces;         /* white space is in no word */
    bool isolate_punctuation; /* each mark is a word of its own */
    bool split_words;         /* \w and what is not never stand in one word */
    bool split_digits;        /* nor do numbers and what is none */
    bool isolate_digits;      /* each number is a word of its own */
};

/* How a code point goes together with its neighbour: it does where both are of one group. */
enum word_group { WORD_ALONE = 0x40, WORD_DROPPED = 0x80 };
static inline uint8_t words_group(const struct words *words, uint32_t code_point)
{
    uint8_t class = unicode_classify(code_point), group = 0;

    if (words->drop_spaces && class & UNICODE_SPACE)
        return WORD_DROPPED;
    if (words->isolate_punctuation && class & UNICODE_PUNCTUATION)
        return WORD_ALONE;
    if (words->split_words && class & UNICODE_WORD)
        group |= 1;
    if ((words->split_digits || words->isolate_digits) &&
        unicode_component(code_point) & UNICODE_NUMBER)
        group |= words->isolate_digits ? WORD_ALONE : 2;
    return group;
}

#endif
