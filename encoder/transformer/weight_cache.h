/* Packed weights kept on disk beside the model, so that a start maps them instead of packing.
 *
 * One file for each backend, precision and instruction set: "sbertd-<precision>-<isa>.weights". It
 * belongs to the weights by a key, and what is in it is taken only when the key, the sizes and the
 * checksum are right; else it is made anew and replaces the other in one step, so processes that
 * start together disturb each other only in that several may make it. What a killed
 * writer leaves, "sbertd-....weights.tmp.XXXXXX", the next one removes after an hour. A folder that
 * cannot be written costs the next start the packing, nothing else.
 *
 * The file, little-endian: a head of 4096 bytes, then the packed weights one after another.
 *    0  "sbertdW1"
 *    8  the key, 32 bytes
 *   40  u64: bytes of packed weights
 *   48  u64: XXH3 of them
 *   56  u64: XXH3 of the 56 bytes before
 *   64  zeros
 *
 * A struct belongs to one thread while it is written, and is constant when it is open.
 */
#ifndef SBERT_ENCODER_TRANSFORMER_WEIGHT_CACHE_H
#define SBERT_ENCODER_TRANSFORMER_WEIGHT_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/file.h"

enum { WEIGHT_CACHE_HEAD_SIZE = 4096 };

/* What the names of such files match, for those who list a model's folder. */
#define WEIGHT_CACHE_PATTERN "sbertd-*.weights"

/* "folder/sbertd-precision-isa.weights" in fresh memory; NULL when memory runs out. */
char *weight_cache_path(const char *folder, const char *precision, const char *isa);

struct weight_cache {
    struct file_map map;
    const unsigned char *weights; /* 64-byte aligned */
};

/* Maps the file and checks it whole against the key and the size that the weights must have.
 * ERR_CORRUPT says what does not fit; other errors as file_map. */
int weight_cache_open(struct weight_cache *ret_cache, const char *path,
                      const uint8_t key[DIGEST_SIZE], size_t size, struct err *err);
void weight_cache_close(struct weight_cache *cache); /* accepts a zeroed one */

/* The same check over bytes in memory. */
int weight_cache_check(const void *data, size_t data_size, const uint8_t key[DIGEST_SIZE],
                       size_t size, const char *name, struct err *err);

/* Writing one: begin, add the weights in order, commit. Commit and abort end it, whatever they
 * return; nothing appears under the name before the commit is through. */
struct weight_cache_writer {
    struct file_replace replace;
    void *hash; /* XXH3 so far */
    uint64_t size;
    uint8_t key[DIGEST_SIZE];
};
int weight_cache_begin(struct weight_cache_writer *ret_writer, const char *path,
                       const uint8_t key[DIGEST_SIZE], struct err *err);
int weight_cache_add(struct weight_cache_writer *writer, const void *data, size_t size,
                     struct err *err);
int weight_cache_commit(struct weight_cache_writer *writer, struct err *err);
void weight_cache_abort(struct weight_cache_writer *writer);

#endif
