/* Walking the double array. Every step is checked against its size, so that no map can lead out of
 * it; an entry whose replacement lies outside is as good as none.
 */
#include "encoder/tokenizer/charsmap.h"

#include <string.h>

#include "base/utf8.h"

/* A unit of the double array: bit 8 says that the node has a value, the low byte is the label with
 * bit 31 clear, and bits 10 and up, shifted by 8 more where bit 9 is set, lead to the children. */
static bool unit_has_value(uint32_t unit)
{
    return unit >> 8 & 1;
}

static uint32_t unit_label(uint32_t unit)
{
    return unit & (UINT32_C(1) << 31 | 0xFF);
}

static size_t unit_offset(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & UINT32_C(1) << 9) >> 6);
}

static uint32_t little_endian(const unsigned char *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

int charsmap_open(struct charsmap *map, struct arena *arena, const void *bytes, size_t size,
                  struct err *err)
{
    const unsigned char *from = bytes;
    const char *replacement;
    size_t bad, length;

    *map = (struct charsmap){0};
    if (size < 4 || little_endian(from) > size - 4)
        return err_set(err, ERR_CORRUPT, "the character map of %zu bytes is cut short", size);
    size_t trie_size = little_endian(from) / 4 * 4;
    if (trie_size == 0)
        return err_set(err, ERR_CORRUPT, "the character map has no trie");
    size_t unit_count = trie_size / 4;
    size_t replacements_size = size - 4 - trie_size;
    const char *replacements = (const char *)from + 4 + trie_size;
    if (!utf8_valid(replacements, replacements_size, &bad))
        return err_set(err, ERR_CORRUPT,
                       "the character map's replacements are not UTF-8 at byte %zu", bad);
    for (size_t at = 0; at < replacements_size; at += length + 1) {
        length = strnlen(replacements + at, replacements_size - at);
        if (length > CHARSMAP_REPLACEMENT_LIMIT)
            return err_set(err, ERR_LIMIT,
                           "the character map has a replacement of more than %d bytes",
                           CHARSMAP_REPLACEMENT_LIMIT);
    }
    map->units = arena_alloc(arena, unit_count, sizeof *map->units);
    map->replacements = arena_copy(arena, replacements, replacements_size);
    if (!map->units || !map->replacements)
        return err_memory(err, "the character map");
    for (size_t i = 0; i < unit_count; i++)
        map->units[i] = little_endian(from + 4 + 4 * i);
    map->unit_count = unit_count;
    map->replacements_size = replacements_size;
    for (int c = 0; c < 128; c++)
        map->ascii_mapped[c] = charsmap_find(map, &(char){(char)c}, 1, &replacement, &length);
    return 0;
}

/* The replacement at `place`; false where none can start there. */
static bool replacement_at(const struct charsmap *map, size_t place, const char **ret_replacement,
                           size_t *ret_size)
{
    if (place > map->replacements_size || (map->replacements[place] & 0xC0) == 0x80)
        return false;
    *ret_replacement = map->replacements + place;
    *ret_size = strlen(*ret_replacement);
    return true;
}

bool charsmap_find(const struct charsmap *map, const char *text, size_t size,
                   const char **ret_replacement, size_t *ret_size)
{
    if (map->unit_count == 0)
        return false;
    size_t node = unit_offset(map->units[0]);
    for (size_t i = 0; i < size && text[i] != '\0'; i++) {
        unsigned char byte = (unsigned char)text[i];
        node ^= byte;
        if (node >= map->unit_count || unit_label(map->units[node]) != byte)
            return false;
        uint32_t unit = map->units[node];
        node ^= unit_offset(unit);
        if (!unit_has_value(unit))
            continue;
        return node < map->unit_count &&
               replacement_at(map, map->units[node] & (UINT32_MAX >> 1), ret_replacement, ret_size);
    }
    return false;
}
