/* The split pattern by hand: each alternative is one run of a class. */
#include "encoder/tokenizer/byte_level.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

/* The class of the code point at text[0], whose size is returned. */
static size_t read_class(const char *text, size_t size, uint8_t *ret_class)
{
    unsigned char c = (unsigned char)text[0];
    uint32_t code_point;

    if (c < 0x80) {
        unsigned char lower = c | 0x20;
        bool space = c == ' ' || (c >= '\t' && c <= '\r');
        *ret_class = lower >= 'a' && lower <= 'z' ? BYTE_LEVEL_LETTER
                     : c >= '0' && c <= '9'       ? BYTE_LEVEL_NUMBER
                     : space                      ? BYTE_LEVEL_SPACE
                                                  : 0;
        return 1;
    }
    size_t length = utf8_decode(text, size, &code_point);
    *ret_class =
        unicode_find(byte_level_ranges, byte_level_range_count, byte_level_index, code_point);
    return length ? length : 1;
}

/* The size of an English ending ('s, 've ...) at text[0], which is an apostrophe; or 0. */
static size_t contraction(const char *text, size_t size)
{
    if (size >= 2 && strchr("stmd", text[1]) && text[1])
        return 2;
    if (size >= 3 &&
        (memcmp(text, "'re", 3) == 0 || memcmp(text, "'ve", 3) == 0 || memcmp(text, "'ll", 3) == 0))
        return 3;
    return 0;
}

size_t byte_level_word(const char *text, size_t size)
{
    uint8_t class, next;
    size_t at = text[0] == '\'' ? contraction(text, size) : 0;

    if (at)
        return at;
    at = read_class(text, size, &class);
    if (text[0] == ' ' && at < size) {
        size_t length = read_class(text + at, size - at, &next);
        if (next != BYTE_LEVEL_SPACE) {
            class = next;
            at += length;
        }
    }
    size_t last = 0; /* where the last code point of the run starts */
    while (at < size) {
        size_t length = read_class(text + at, size - at, &next);
        if (next != class)
            break;
        last = at;
        at += length;
    }
    /* White space leaves its last character to the word that follows, unless it has only one. */
    return class == BYTE_LEVEL_SPACE && at < size && last > 0 ? last : at;
}

size_t byte_level_character(unsigned char byte, char ret_character[4])
{
    /* Bytes that print in Latin-1 stand for themselves; the others, in order, for U+0100 on. */
    uint32_t code_point = byte;
    if (byte <= 32)
        code_point = 0x100u + byte;
    else if (byte >= 127 && byte <= 160)
        code_point = 0x100u + 33 + byte - 127;
    else if (byte == 173)
        code_point = 0x100u + 67;
    return utf8_encode(code_point, ret_character);
}
