/* What both kinds of byte-level BPE files need: the model filled piece by piece. */
#ifndef SBERT_ENCODER_TOKENIZER_LOAD_BPE_H
#define SBERT_ENCODER_TOKENIZER_LOAD_BPE_H

#include "encoder/tokenizer/bpe.h"
#include "encoder/tokenizer/load.h"

/* The tokenizer's model, with the split pattern and no unknown token; the vocabulary is loaded and
 * at most `merges` follow. ERR_MEMORY, ERR_LIMIT. */
int bpe_load_open(struct tokenizer *tokenizer, struct bpe **ret_model, size_t merges,
                  struct err *err);

/* The merge "left right": two pieces with one space between, both in the vocabulary like what they
 * make; else ERR_CORRUPT. */
int bpe_load_merge(struct bpe *model, const char *text, size_t size, size_t rank, struct err *err);

/* The id that each byte starts with, and the spaces in each piece; the unknown token is set. */
int bpe_load_pieces(struct tokenizer *tokenizer, struct bpe *model, struct err *err);

#endif
