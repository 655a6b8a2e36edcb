/* Byte-level text, as GPT-2 and RoBERTa have it: the split of a text into words by a pattern, and
 * the alphabet in which a vocabulary's file writes every byte as one printable character.
 * Constant data and pure functions: safe in any thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_BYTE_LEVEL_H
#define SBERT_ENCODER_TOKENIZER_BYTE_LEVEL_H

#include "encoder/tokenizer/unicode.h"

enum byte_level_class { BYTE_LEVEL_LETTER = 1, BYTE_LEVEL_NUMBER = 2, BYTE_LEVEL_SPACE = 4 };

/* As unicode_reference_ranges, with the classes above. */
extern const struct unicode_range byte_level_ranges[];
extern const size_t byte_level_range_count;
extern const uint16_t byte_level_index[UNICODE_INDEXED_BLOCKS];

/* Where the word that starts at text[0] ends; text[0..size), size at least 1, is well-formed UTF-8:
 * the first match of
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 */
size_t byte_level_word(const char *text, size_t size);

/* The character that stands for a byte, in UTF-8: returns its size, 1 or 2. */
size_t byte_level_character(unsigned char byte, char ret_character[4]);

#endif
