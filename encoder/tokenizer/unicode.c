/* Classes from the measured table; decomposition, combining classes and lower case from utf8proc,
 * which agrees with the reference wherever the table says there is something to ask.
 */
#include "encoder/tokenizer/unicode.h"

#include <utf8proc.h>

uint8_t unicode_find(const struct unicode_range *ranges, size_t count,
                     const uint16_t index[UNICODE_INDEXED_BLOCKS], uint32_t code_point)
{
    size_t block = code_point >> 8;
    size_t low = index[UNICODE_INDEXED_BLOCKS - 1];
    size_t high = count;

    if (block < UNICODE_INDEXED_BLOCKS)
        low = index[block];
    if (block + 1 < UNICODE_INDEXED_BLOCKS)
        high = (size_t)index[block + 1] + 1;
    if (high > count)
        high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct unicode_range *range = &ranges[middle];
        if (code_point > range->last)
            low = middle + 1;
        else if (code_point < range->first)
            high = middle;
        else
            return range->flags;
    }
    return 0;
}

uint8_t unicode_classify(uint32_t code_point)
{
    return unicode_find(unicode_reference_ranges, unicode_reference_range_count,
                        unicode_reference_index, code_point);
}

uint8_t unicode_component(uint32_t code_point)
{
    return unicode_find(unicode_component_ranges, unicode_component_range_count,
                        unicode_component_index, code_point);
}

static size_t decompose(uint32_t code_point, utf8proc_option_t options, uint32_t *ret_parts,
                        size_t most)
{
    utf8proc_int32_t parts[UNICODE_MAX_COMPATIBLE];
    utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)code_point, parts,
                                                     (utf8proc_ssize_t)most, options, NULL);

    if (count < 1 || (size_t)count > most) {
        ret_parts[0] = code_point;
        return 1;
    }
    for (utf8proc_ssize_t i = 0; i < count; i++)
        ret_parts[i] = (uint32_t)parts[i];
    return (size_t)count;
}

size_t unicode_decompose(uint32_t code_point, uint32_t ret_parts[UNICODE_MAX_DECOMPOSED])
{
    return decompose(code_point, UTF8PROC_DECOMPOSE, ret_parts, UNICODE_MAX_DECOMPOSED);
}

size_t unicode_decompose_compatible(uint32_t code_point, uint32_t ret_parts[UNICODE_MAX_COMPATIBLE])
{
    return decompose(code_point, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, ret_parts,
                     UNICODE_MAX_COMPATIBLE);
}

bool unicode_compose(uint32_t first, uint32_t second, uint32_t *ret_composed)
{
    enum { BEFORE_FIRST_HANGUL_FINAL = 0x11A7 }; /* composes with nothing; utf8proc drops it */
    utf8proc_int32_t pair[2] = {(utf8proc_int32_t)first, (utf8proc_int32_t)second};

    /* One that the reference's older tables lack does not decompose there either. */
    if (second == BEFORE_FIRST_HANGUL_FINAL ||
        utf8proc_normalize_utf32(pair, 2, UTF8PROC_STABLE | UTF8PROC_COMPOSE) != 1 ||
        !(unicode_classify((uint32_t)pair[0]) & UNICODE_DECOMPOSES))
        return false;
    *ret_composed = (uint32_t)pair[0];
    return true;
}

uint8_t unicode_combining_class(uint32_t code_point)
{
    return (uint8_t)utf8proc_get_property((utf8proc_int32_t)code_point)->combining_class;
}

/* Lower case that came after Unicode 14, the oldest that utf8proc may have. */
static const struct {
    uint32_t first, last, lower;
} newer_lower[] = {
    {0x1C89, 0x1C89, 0x1C8A},    {0xA7CB, 0xA7CB, 0x0264}, {0xA7CC, 0xA7CC, 0xA7CD},
    {0xA7CE, 0xA7CE, 0xA7CF},    {0xA7D2, 0xA7D2, 0xA7D3}, {0xA7D4, 0xA7D4, 0xA7D5},
    {0xA7DA, 0xA7DA, 0xA7DB},    {0xA7DC, 0xA7DC, 0x019B}, {0x10D50, 0x10D65, 0x10D70},
    {0x16EA0, 0x16EB8, 0x16EBB},
};

size_t unicode_lower(uint32_t code_point, uint32_t ret_lower[UNICODE_MAX_LOWER])
{
    ret_lower[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)code_point);
    if (code_point == 0x130) { /* the one code point whose lower case is two */
        ret_lower[0] = 'i';
        ret_lower[1] = 0x307;
        return 2;
    }
    if (ret_lower[0] == code_point && code_point >= newer_lower[0].first)
        for (size_t i = 0; i < sizeof newer_lower / sizeof *newer_lower; i++)
            if (code_point >= newer_lower[i].first && code_point <= newer_lower[i].last)
                ret_lower[0] = newer_lower[i].lower + (code_point - newer_lower[i].first);
    return 1;
}
