/* Writing a changed text with the places that the reference gives.
 *
 * The reference says of each code point that comes out whether it replaces the next one of the
 * input, with how many behind it that vanish, or was added behind the last. What vanishes at a
 * text's start is counted nowhere, and the places of all that follows lag behind by as much.
 */
#ifndef SBERT_ENCODER_TOKENIZER_TRANSFORM_H
#define SBERT_ENCODER_TOKENIZER_TRANSFORM_H

#include <stddef.h>

#include "encoder/tokenizer/bert_normalizer.h"

struct transform {
    const char *text; /* well-formed as far as was put out */
    struct normalized *out;
    size_t place, last; /* the next code point to be replaced, and the last that was */
    size_t waiting;     /* where the last code point that was put out starts in `out` */
    ptrdiff_t change;   /* of that one: 1 for added, -N for replacing one with N that vanish */
};

/* Begins with text[from] and nothing in `out`. */
struct transform transform_begin(const char *text, size_t from, struct normalized *out);

/* Puts out a code point of `size` bytes, for which `out` has room. */
void transform_put(struct transform *transform, const char *bytes, size_t size, ptrdiff_t change);

/* Gives the last code point that was put out its place, now that all is known of it. */
void transform_settle(struct transform *transform);

/* The bytes of the code point at text[at], which is well-formed. */
static inline size_t transform_length(const char *text, size_t at)
{
    unsigned char lead = (unsigned char)text[at];
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

#endif
