/* Reading a SentencePiece model file: the few fields of its protobuf that a tokenizer needs. Every
 * length is checked against the bytes that are there. Pure: safe in any thread.
 * Source: sentencepiece_model.proto of the library SentencePiece.
 */
#ifndef SBERT_ENCODER_TOKENIZER_SENTENCEPIECE_H
#define SBERT_ENCODER_TOKENIZER_SENTENCEPIECE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

enum sentencepiece_type {
    SENTENCEPIECE_NORMAL = 1,
    SENTENCEPIECE_UNKNOWN,
    SENTENCEPIECE_CONTROL,
    SENTENCEPIECE_USER_DEFINED,
    SENTENCEPIECE_UNUSED,
    SENTENCEPIECE_BYTE
};

enum { SENTENCEPIECE_UNIGRAM = 1 };

struct sentencepiece_piece {
    const char *text; /* (size) valid UTF-8, not NUL-terminated */
    size_t size;
    float score; /* finite */
    enum sentencepiece_type type;
};

/* Points into the bytes that it was read from. */
struct sentencepiece {
    struct sentencepiece_piece *pieces; /* (count) by id */
    size_t count;
    const unsigned char *charsmap; /* (charsmap_size) as charsmap.h has it, or none */
    size_t charsmap_size;
    uint64_t model_type;
};

/* Reads a model's bytes; the list of pieces goes into the arena. ERR_CORRUPT, ERR_LIMIT,
 * ERR_MEMORY.
 */
int sentencepiece_parse(struct sentencepiece *ret_model, struct arena *arena,
                        const unsigned char *data, size_t size, struct err *err);

#endif
