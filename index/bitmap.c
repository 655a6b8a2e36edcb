/* A counted, shared set of positions, copied when a second owner would see a change. */
#include "index/bitmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

size_t bitmap_words(size_t bits)
{
    return bits / 64 + (bits % 64 != 0);
}

struct bitmap *bitmap_ref(struct bitmap *bitmap)
{
    if (bitmap)
        atomic_fetch_add_explicit(&bitmap->references, 1, memory_order_relaxed);
    return bitmap;
}

void bitmap_unref(struct bitmap *bitmap)
{
    if (bitmap && atomic_fetch_sub_explicit(&bitmap->references, 1, memory_order_acq_rel) == 1)
        free(bitmap);
}

int bitmap_own(struct bitmap **bitmap, size_t bits)
{
    struct bitmap *old = *bitmap;
    /* Where ours is the only reference, nobody is left who could take another. */
    if (old && old->capacity >= bits && atomic_load(&old->references) == 1)
        return 0;
    size_t words = bitmap_words(bits);
    struct bitmap *copy = calloc(1, sizeof *copy + words * sizeof *copy->words);
    if (!copy)
        return ERR_MEMORY;
    atomic_init(&copy->references, 1);
    copy->capacity = words * 64;
    if (old) {
        size_t kept = old->capacity < copy->capacity ? old->capacity : copy->capacity;
        memcpy(copy->words, old->words, kept / 8);
        copy->count = old->count;
    }
    bitmap_unref(old);
    *bitmap = copy;
    return 0;
}

void bitmap_set(struct bitmap *bitmap, size_t bit)
{
    uint64_t mask = (uint64_t)1 << bit % 64;
    bitmap->count += !(bitmap->words[bit / 64] & mask);
    bitmap->words[bit / 64] |= mask;
}

bool bitmap_has(const struct bitmap *bitmap, size_t bit)
{
    return bitmap && bit < bitmap->capacity && (bitmap->words[bit / 64] >> bit % 64 & 1);
}

size_t bitmap_count(const struct bitmap *bitmap)
{
    return bitmap ? bitmap->count : 0;
}

size_t bitmap_count_without(const struct bitmap *bitmap, const struct bitmap *other, size_t bits)
{
    size_t count = 0, words = bitmap ? bitmap_words(bits) : 0;
    if (bitmap && words > bitmap->capacity / 64)
        words = bitmap->capacity / 64;
    for (size_t i = 0; i < words; i++) {
        uint64_t word = bitmap->words[i];
        if (other && i < other->capacity / 64)
            word &= ~other->words[i];
        if (i == bits / 64) /* only the lower bits of the last word */
            word &= ((uint64_t)1 << bits % 64) - 1;
        count += (size_t)__builtin_popcountll(word);
    }
    return count;
}

size_t bitmap_bytes(const struct bitmap *bitmap)
{
    return bitmap ? sizeof *bitmap + bitmap->capacity / 8 : 0;
}
