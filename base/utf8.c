/* UTF-8 by the table of well-formed byte sequences (Unicode Standard, table 3-7). */
#include "base/utf8.h"

#include <string.h>

/* The length a lead byte announces and the range its second byte must be in. */
struct lead {
    uint8_t length, low, high;
};

static struct lead lead_of(unsigned char byte)
{
    if (byte < 0x80)
        return (struct lead){1, 0, 0};
    if (byte < 0xC2)
        return (struct lead){0, 0, 0};
    if (byte < 0xE0)
        return (struct lead){2, 0x80, 0xBF};
    if (byte == 0xE0)
        return (struct lead){3, 0xA0, 0xBF};
    if (byte == 0xED)
        return (struct lead){3, 0x80, 0x9F};
    if (byte < 0xF0)
        return (struct lead){3, 0x80, 0xBF};
    if (byte == 0xF0)
        return (struct lead){4, 0x90, 0xBF};
    if (byte < 0xF4)
        return (struct lead){4, 0x80, 0xBF};
    if (byte == 0xF4)
        return (struct lead){4, 0x80, 0x8F};
    return (struct lead){0, 0, 0};
}

/* How many bytes from the start belong to one sequence; *ret_whole tells whether it is whole. */
static size_t sequence_length(const unsigned char *bytes, size_t size, bool *ret_whole)
{
    struct lead lead = lead_of(bytes[0]);
    size_t good = 1;

    *ret_whole = lead.length == 1;
    if (lead.length <= 1)
        return 1;
    if (size > 1 && bytes[1] >= lead.low && bytes[1] <= lead.high)
        for (good = 2; good < lead.length && good < size && (bytes[good] & 0xC0) == 0x80;)
            good++;
    *ret_whole = good == lead.length;
    return good;
}

size_t utf8_decode(const char *text, size_t size, uint32_t *ret_code_point)
{
    const unsigned char *bytes = (const unsigned char *)text;
    bool whole;

    if (bytes[0] < 0x80) {
        *ret_code_point = bytes[0];
        return 1;
    }
    size_t length = sequence_length(bytes, size, &whole);
    if (!whole)
        return 0;
    uint32_t code_point = bytes[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++)
        code_point = code_point << 6 | (bytes[i] & 0x3Fu);
    *ret_code_point = code_point;
    return length;
}

size_t utf8_encode(uint32_t code_point, char ret_bytes[4])
{
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t length = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; code_point >>= 6)
        ret_bytes[i] = (char)(0x80u | (code_point & 0x3Fu));
    ret_bytes[0] = (char)(lead[length] | code_point);
    return length;
}

bool utf8_valid(const char *text, size_t size, size_t *ret_bad)
{
    for (size_t i = 0; i < size;) {
        bool whole;
        size_t length = sequence_length((const unsigned char *)text + i, size - i, &whole);
        if (!whole) {
            if (ret_bad)
                *ret_bad = i;
            return false;
        }
        i += length;
    }
    return true;
}

int utf8_mend(struct buf *buf, const char *text, size_t size)
{
    int r = buf_reserve(buf, size);
    for (size_t i = 0; i < size && r == 0;) {
        bool whole;
        size_t length = sequence_length((const unsigned char *)text + i, size - i, &whole);
        r = whole ? buf_append(buf, text + i, length) : buf_append(buf, "\xEF\xBF\xBD", 3);
        i += length;
    }
    return r;
}
