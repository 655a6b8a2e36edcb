/* The normaliser of a SentencePiece model as tokenizer.json lists it: the character map first,
 * where there is one, then replacements and stripping. As in the reference the map is asked about a
 * whole grapheme cluster of less than 6 bytes, and about each code point where that finds nothing.
 * Constant after loading and safe in any thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_PIECE_NORMALIZER_H
#define SBERT_ENCODER_TOKENIZER_PIECE_NORMALIZER_H

#include "encoder/tokenizer/bert_normalizer.h"
#include "encoder/tokenizer/charsmap.h"
#include "encoder/tokenizer/rewrite.h"

enum { PIECE_NORMALIZER_STEPS = 8 };

/* A zeroed struct changes nothing. */
struct piece_normalizer {
    struct charsmap charsmap;
    struct rewrite steps[PIECE_NORMALIZER_STEPS];
    size_t step_count;
};

/* Normalises text[from..to) into `normalized`, as bert_normalizer_run. */
int piece_normalizer_run(const struct piece_normalizer *normalizer, const char *text, size_t from,
                         size_t to, struct normalized *normalized, struct err *err);

#endif
