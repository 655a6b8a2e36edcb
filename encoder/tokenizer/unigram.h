/* The Unigram model: a word becomes the pieces whose scores sum to the most. A code point that is
 * no piece by itself counts as unknown, at 10 less than the worst score; neighbouring unknown ones
 * are one token. Of two ways that are equally good the one found first stands, as in the reference.
 * Constant after building and safe in any thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_UNIGRAM_H
#define SBERT_ENCODER_TOKENIZER_UNIGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "encoder/tokenizer/vocabulary.h"

/* A node of the trie. The children of a node stand side by side, by their bytes, and in the order
 * of their parents: node i's are [first[i], first[i + 1]). */
struct unigram {
    uint32_t *first;   /* (node_count + 1) */
    uint32_t *ids;     /* (node_count) the piece that ends here, or UNIGRAM_NO_PIECE */
    uint8_t *bytes;    /* (node_count) what leads here from the parent */
    size_t node_count; /* the root counted */
    double *scores;    /* (piece_count) by id */
    size_t piece_count;
    double unknown_score;
    uint32_t unknown_id;
};
#define UNIGRAM_NO_PIECE UINT32_MAX

/* Builds the model over a vocabulary whose ids have scores[0..count), which are copied; all are
 * finite. The unknown id is below `count`. ERR_MEMORY, ERR_LIMIT. */
int unigram_open(struct unigram *model, struct arena *arena, const struct vocabulary *vocabulary,
                 const double *scores, size_t count, uint32_t unknown_id, struct err *err);

/* From now on the piece matches no text. Before the model is shared. */
void unigram_drop_piece(const struct unigram *model, uint32_t id);

/* A piece of a word: its id and its bytes [start, end) of the word. */
struct unigram_part {
    uint32_t id, start, end;
};

/* What splitting needs on the way, kept from word to word. A zeroed struct is empty. */
struct unigram_scratch {
    struct unigram_step {
        double score; /* of the best way to here */
        uint32_t start, id;
    } * steps; /* (step_capacity) by the byte where a piece ends */
    size_t step_capacity;
    struct unigram_part *parts; /* (part_capacity) the last word's, in order */
    size_t part_capacity;
};
void unigram_scratch_release(struct unigram_scratch *scratch);

/* Splits a word of valid UTF-8 of `size` bytes (at least 1, below UINT32_MAX) into scratch->parts,
 * *ret_count of them. ERR_MEMORY. Time and memory are linear in the size of the word. */
int unigram_split(const struct unigram *model, const char *word, size_t size,
                  struct unigram_scratch *scratch, size_t *ret_count, struct err *err);

#endif
