/* The precisions that the transformer's linear layers are computed in, and their names. What stands
 * between the layers (embeddings, norms, attention, pooling) and the modules after pooling are f32
 * in each of them. */
#ifndef SBERT_ENCODER_PRECISION_H
#define SBERT_ENCODER_PRECISION_H

#include "base/err.h"

enum precision {
    PRECISION_AUTO, /* the fastest that keeps the quality on this CPU */
    PRECISION_F32,
    PRECISION_BF16, /* weights and inputs of products as bfloat16, sums in f32 */
    PRECISION_INT8, /* weights and inputs of products as 8-bit integers with scales */
};

/* The precision of that name: "auto", "f32", "bf16", "int8". ERR_INVALID names another. */
int precision_parse(const char *name, enum precision *ret_precision, struct err *err);

const char *precision_name(enum precision precision);

#endif
