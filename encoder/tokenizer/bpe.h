/* The BPE model over bytes: a word starts as its bytes, and of the neighbours that may merge those
 * with the lowest rank do, the leftmost first, until none may.
 * Constant after loading and safe in any thread; what changes is in the caller's work.
 */
#ifndef SBERT_ENCODER_TOKENIZER_BPE_H
#define SBERT_ENCODER_TOKENIZER_BPE_H

#include "encoder/tokenizer/vocabulary.h"

enum { BPE_MERGES_LIMIT = 1 << 22 };
#define BPE_NONE UINT32_MAX /* no id, no rank */

/* Two pieces that merge. */
struct bpe_merge {
    uint32_t left, right; /* their ids; left is BPE_NONE in an empty slot */
    uint32_t rank, id;    /* of the merge, of the piece it makes */
};

struct bpe {
    const struct vocabulary *vocabulary; /* pieces in the characters of byte_level.h */
    struct bpe_merge *merges;            /* (mask + 1) a hash table by left and right */
    size_t mask;
    uint64_t factor; /* of the hash, which is the upper bits of the product; random and odd, so that
                        nobody can choose merges that collide */
    int shift;
    uint32_t byte_ids[256];       /* BPE_NONE where the vocabulary lacks the byte */
    uint8_t character_sizes[256]; /* of the character that stands for the byte */
    uint32_t unknown_id;          /* for those bytes; BPE_NONE: they are left out */
    bool fuse_unknown;            /* neighbouring unknown bytes are one token */
    bool ignore_merges;           /* a word that is a piece is that piece */
    bool misses_bytes;            /* some byte is left out */
    bool add_prefix_space, use_regex;
    struct bpe_spaces {
        uint16_t leading, trailing;
    } * spaces; /* (id_count) characters of each piece that are white space */
};

/* An empty table with room for `count` merges. ERR_MEMORY, ERR_LIMIT. */
int bpe_open(struct bpe *model, struct arena *arena, size_t count, struct err *err);

/* Adds the merge of two pieces; the last rank of a pair counts. */
void bpe_add(struct bpe *model, uint32_t left, uint32_t right, uint32_t rank, uint32_t id);

/* A token of a word, while it is made. */
struct bpe_symbol {
    uint32_t id;
    uint32_t size; /* bytes of the word; 0 once it was merged into the one before; in characters'
                      bytes where the model misses_bytes */
    uint32_t rank, merged; /* of the merge with the next: its rank or BPE_NONE, and what it makes */
    uint32_t previous, next;
};

/* A merge of a long word that waits its turn; it may have become void. */
struct bpe_candidate {
    uint32_t rank, at;
};

/* A zeroed struct is empty; its owner reuses it from word to word. */
struct bpe_work {
    struct bpe_symbol *symbols; /* (count) */
    size_t count, capacity;
    struct bpe_candidate *heap; /* (heap_count) the first to merge at the top */
    size_t heap_count, heap_capacity;
};
void bpe_work_release(struct bpe_work *work);

/* Splits a word of `size` bytes, at least 1, into work->symbols: their ids and sizes in order. The
 * time is linear in the size but for a logarithm. ERR_MEMORY. */
int bpe_split(const struct bpe *model, const char *word, size_t size, struct bpe_work *work,
              struct err *err);

#endif
