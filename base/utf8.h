/* UTF-8 (RFC 3629): decoding, checking and mending. Thread-safe. */
#ifndef SBERT_BASE_UTF8_H
#define SBERT_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Decodes the code point at text[0..size): returns its length in bytes (1 to 4) and sets
 * *ret_code_point, or returns 0 where the bytes are not well-formed UTF-8 (overlong forms,
 * surrogates, values over U+10FFFF and cut sequences included). size must be at least 1. */
size_t utf8_decode(const char *text, size_t size, uint32_t *ret_code_point);

/* Encodes a code point (0 to U+10FFFF, no surrogate); returns the number of bytes written. */
size_t utf8_encode(uint32_t code_point, char ret_bytes[4]);

/* True when all of the text is well-formed; otherwise *ret_bad (may be NULL) is the offset of the
 * first byte that is not. */
bool utf8_valid(const char *text, size_t size, size_t *ret_bad);

/* Appends the text with each ill-formed run replaced by U+FFFD (one for each maximal subpart, as
 * the Unicode Standard recommends in chapter 3.9). 0 or ERR_MEMORY. */
int utf8_mend(struct buf *buf, const char *text, size_t size);

#endif
