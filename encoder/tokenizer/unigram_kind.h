/* The kind of XLM-R: a SentencePiece model's normaliser, words by Metaspace, Unigram. */
#ifndef SBERT_ENCODER_TOKENIZER_UNIGRAM_KIND_H
#define SBERT_ENCODER_TOKENIZER_UNIGRAM_KIND_H

#include "encoder/tokenizer/kind.h"
#include "encoder/tokenizer/metaspace.h"
#include "encoder/tokenizer/unigram.h"

/* What tokenizer->model is for this kind. */
struct unigram_model {
    struct metaspace metaspace;
    struct unigram unigram;
};

extern const struct tokenizer_kind tokenizer_unigram;

#endif
