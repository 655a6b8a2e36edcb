/* The normaliser Precompiled: a SentencePiece model's character map. As in the reference the map is
 * asked about a whole grapheme cluster of less than 6 bytes, and about each code point where that
 * finds nothing. Safe in any thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_PIECE_NORMALIZER_H
#define SBERT_ENCODER_TOKENIZER_PIECE_NORMALIZER_H

#include "encoder/tokenizer/bert_normalizer.h"
#include "encoder/tokenizer/charsmap.h"

/* Normalises text[from..to) into `normalized`, as bert_normalizer_run. */
int piece_normalizer_run(const struct charsmap *map, const char *text, size_t from, size_t to,
                         struct normalized *normalized, struct err *err);

#endif
