/* What an encoder is made of; for encoder.c, crew.c and cross_encoder.c alone. */
#ifndef SBERT_ENCODER_INTERNAL_H
#define SBERT_ENCODER_INTERNAL_H

#include "encoder/encoder.h"
#include "encoder/model/model.h"
#include "encoder/transformer/transformer.h"

struct encoder {
    struct model *model;
    struct tokenizer *tokenizer;
    struct transformer *transformer;
    struct encoder_info info;
    char pooling[POOLING_NAME_SIZE];
    bool first_token; /* see encoder_open_first_token */
};

/* As encoder_open, for what a classification head reads: each text's vector is the hidden state of
 * its first token, and an empty second text of a pair is one. ERR_UNSUPPORTED where the folder's
 * modules make vectors of the hidden states. */
int encoder_open_first_token(struct encoder **ret_encoder, const char *folder,
                             const struct encoder_options *options, struct err *err);

#endif
