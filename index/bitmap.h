/* A counted, shared set of positions: a segment's tombstones.
 *
 * A bitmap that more than one owner holds is never written; bitmap_own gives a private copy first.
 * A NULL bitmap is an empty set. Reference counts are atomic, all else is the owner's.
 */
#ifndef SBERT_INDEX_BITMAP_H
#define SBERT_INDEX_BITMAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bitmap {
    atomic_size_t references;
    size_t capacity;  /* bits, a multiple of 64 */
    size_t count;     /* bits that are set */
    uint64_t words[]; /* bit i is bit i % 64 of word i / 64 */
};

/* The number of words that `bits` bits take. */
size_t bitmap_words(size_t bits);

struct bitmap *bitmap_ref(struct bitmap *bitmap);
void bitmap_unref(struct bitmap *bitmap); /* both accept NULL */

/* Makes *bitmap one that only its holder has and that has room for `bits`: as it is, or replaced by
 * a copy. 0 or ERR_MEMORY, and then it is as it was. */
int bitmap_own(struct bitmap **bitmap, size_t bits);

/* Sets a bit of a bitmap that bitmap_own made private. */
void bitmap_set(struct bitmap *bitmap, size_t bit);

bool bitmap_has(const struct bitmap *bitmap, size_t bit);
size_t bitmap_count(const struct bitmap *bitmap);

/* How many of the first `bits` bits are set in `bitmap` and not in `other`. */
size_t bitmap_count_without(const struct bitmap *bitmap, const struct bitmap *other, size_t bits);

size_t bitmap_bytes(const struct bitmap *bitmap);

#endif
