/* What the tokenizers need to know about code points.
 *
 * The classes are those of the reference, the Python package `tokenizers`, whose category tables
 * are about Unicode 9 while its normalisation and lower case are newer. That choice has one place,
 * the measured table in unicode_reference.c: every class comes from it, so ids do not depend on the
 * version of the Unicode library that is installed.
 * Constant data and pure functions: safe in any thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_UNICODE_H
#define SBERT_ENCODER_TOKENIZER_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum unicode_class {
    UNICODE_CONTROL = 1,     /* Cc, Cf, Co, U+0000 and U+FFFD: dropped when text is cleaned */
    UNICODE_SPACE = 2,       /* White_Space */
    UNICODE_PUNCTUATION = 4, /* P*, and every ASCII symbol */
    UNICODE_IDEOGRAPH = 8,   /* the CJK blocks that BERT puts spaces around */
    UNICODE_MARK = 16,       /* Mn, of those that do not decompose further */
    UNICODE_DECOMPOSES = 32, /* has a canonical decomposition */
    UNICODE_COMBINES = 64,   /* canonical combining class above 0 */
    UNICODE_WORD = 128,      /* \w of the reference's regular expressions */
};

/* What single normalisers and pre-tokenizers of the reference ask, whose tables are of other ages.
 */
enum unicode_component {
    UNICODE_ACCENT = 1,     /* Mn, Mc, Me: what StripAccents drops */
    UNICODE_NUMBER = 2,     /* Nd, Nl, No */
    UNICODE_COMPATIBLE = 4, /* NFKD changes it otherwise than NFD does */
};

struct unicode_range {
    uint32_t first, last;
    uint8_t flags;
};

enum { UNICODE_INDEXED_BLOCKS = 0x300, UNICODE_MAX_DECOMPOSED = 4, UNICODE_MAX_LOWER = 2 };
enum { UNICODE_MAX_COMPATIBLE = 18 };

/* Sorted ranges; code points in none have no flag. The index holds, for each of the first blocks of
 * 256 code points, the first range that ends in it or later. */
extern const struct unicode_range unicode_reference_ranges[];
extern const size_t unicode_reference_range_count;
extern const uint16_t unicode_reference_index[UNICODE_INDEXED_BLOCKS];

/* The same of `enum unicode_component`, in unicode_components.c. */
extern const struct unicode_range unicode_component_ranges[];
extern const size_t unicode_component_range_count;
extern const uint16_t unicode_component_index[UNICODE_INDEXED_BLOCKS];

/* The flags of a code point in such a table with its index. */
uint8_t unicode_find(const struct unicode_range *ranges, size_t count,
                     const uint16_t index[UNICODE_INDEXED_BLOCKS], uint32_t code_point);

/* The `enum unicode_class` flags of a code point. */
uint8_t unicode_classify(uint32_t code_point);

/* The full canonical decomposition of a code point that is UNICODE_DECOMPOSES; returns its length.
 */
size_t unicode_decompose(uint32_t code_point, uint32_t ret_parts[UNICODE_MAX_DECOMPOSED]);

/* The `enum unicode_component` flags of a code point. */
uint8_t unicode_component(uint32_t code_point);

/* The full compatibility decomposition of a code point that is UNICODE_COMPATIBLE. */
size_t unicode_decompose_compatible(uint32_t code_point,
                                    uint32_t ret_parts[UNICODE_MAX_COMPATIBLE]);

/* What two code points compose to, canonically; false where they do not. */
bool unicode_compose(uint32_t first, uint32_t second, uint32_t *ret_composed);

/* The canonical combining class of a code point that is UNICODE_COMBINES. */
uint8_t unicode_combining_class(uint32_t code_point);

/* The full lower case of one code point, without regard to its neighbours; returns its length. */
size_t unicode_lower(uint32_t code_point, uint32_t ret_lower[UNICODE_MAX_LOWER]);

#endif
