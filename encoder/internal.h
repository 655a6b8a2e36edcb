/* What an encoder is made of; for encoder.c and crew.c alone. */
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
};

#endif
