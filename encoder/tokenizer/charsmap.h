/* The character map that SentencePiece compiles into a model: strings and what each becomes. Its
 * bytes are a little-endian size, a double-array trie of that many bytes (of 32-bit units, as the
 * library Darts-clone lays them out), and the replacements, each ending in a NUL.
 * Constant after opening and safe in any thread. Sources: sentencepiece's normalizer.cc and the
 * crate spm_precompiled, whose answers these are.
 */
#ifndef SBERT_ENCODER_TOKENIZER_CHARSMAP_H
#define SBERT_ENCODER_TOKENIZER_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

/* A longer replacement belongs to no model, and would let a short text grow without bounds. */
enum { CHARSMAP_REPLACEMENT_LIMIT = 1024 };

/* A zeroed struct maps nothing. */
struct charsmap {
    uint32_t *units; /* (unit_count) */
    size_t unit_count;
    const char *replacements; /* (replacements_size) valid UTF-8 with a NUL after it */
    size_t replacements_size;
    bool ascii_mapped[128]; /* the code points below U+0080 that are mapped */
};

/* Reads a map from its bytes, which are copied into the arena. ERR_CORRUPT, ERR_LIMIT,
 * ERR_MEMORY. */
int charsmap_open(struct charsmap *map, struct arena *arena, const void *bytes, size_t size,
                  struct err *err);

/* What the shortest entry that text[0..size) starts with becomes: *ret_replacement of *ret_size
 * bytes, valid UTF-8 that lives as long as the map. False where no entry does. */
bool charsmap_find(const struct charsmap *map, const char *text, size_t size,
                   const char **ret_replacement, size_t *ret_size);

#endif
