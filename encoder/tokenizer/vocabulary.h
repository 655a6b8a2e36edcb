/* The pieces of a model and their ids: an open-addressing hash table over one block of bytes.
 * Filled once, then constant and safe in any thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_VOCABULARY_H
#define SBERT_ENCODER_TOKENIZER_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

/* Longer pieces and larger ids than these belong to no model and are refused with ERR_LIMIT. */
enum { VOCABULARY_PIECE_LIMIT = 1024, VOCABULARY_ID_LIMIT = 1 << 22 };

struct piece {
    const char *text; /* NUL-terminated */
    uint32_t size, id;
};

struct vocabulary {
    struct piece *pieces; /* (count) in the order they were added */
    struct vocabulary_slot {
        uint32_t hash, piece;
    } * slots;          /* (mask + 1); piece is its number + 1 */
    const char **by_id; /* (id_count); NULL where an id has no piece */
    size_t count, capacity, mask, id_count;
    size_t longest; /* bytes in the longest piece */
    uint64_t base;  /* of the hash: random, so that nobody can choose pieces that collide */
};

/* Room in `arena` for `capacity` pieces with ids below `id_count`. ERR_MEMORY or ERR_LIMIT. */
int vocabulary_open(struct vocabulary *vocabulary, struct arena *arena, size_t capacity,
                    size_t id_count, struct err *err);

/* Adds a piece (copied into the arena). A piece that is there already takes the new id, and its old
 * id loses it. ERR_CORRUPT where another piece has the id. */
int vocabulary_add(struct vocabulary *vocabulary, struct arena *arena, const char *text,
                   size_t size, uint32_t id, struct err *err);

/* The piece `text`, or NULL. */
const struct piece *vocabulary_find(const struct vocabulary *vocabulary, const char *text,
                                    size_t size);

/* 64 bits that nobody can foresee. ERR_IO where the system gives none. */
int vocabulary_random(uint64_t *ret_bits, struct err *err);

/* Finding many pieces that share a beginning: a hash that grows a byte at a time. It is the bytes
 * as a polynomial's coefficients at the random base, modulo the prime 2^61 - 1: two texts of n
 * bytes have the same for at most n of the bases. What it gives is below 2^62 for a base below
 * 2^60, not fully reduced, and the same for the same bytes. */
enum { VOCABULARY_HASH_START = 0 };
static inline uint64_t vocabulary_hash(const struct vocabulary *vocabulary, uint64_t hash,
                                       char byte)
{
    __extension__ typedef unsigned __int128 wide;
    const uint64_t prime = ((uint64_t)1 << 61) - 1;
    wide product = (wide)hash * vocabulary->base + (unsigned char)byte + 1;
    return ((uint64_t)product & prime) + (uint64_t)(product >> 61);
}

/* The piece that is `prefix` followed by `text`, whose hash is given; or NULL. */
const struct piece *vocabulary_probe(const struct vocabulary *vocabulary, uint64_t hash,
                                     const char *prefix, size_t prefix_size, const char *text,
                                     size_t size);

#endif
