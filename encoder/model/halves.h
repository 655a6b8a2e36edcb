/* Numbers of half precision, as files hold them, made f32. It knows no tensors. */
#ifndef SBERT_ENCODER_MODEL_HALVES_H
#define SBERT_ENCODER_MODEL_HALVES_H

#include <stddef.h>

#include "encoder/model/safetensors.h"

/* Widens `count` numbers of DTYPE_F16 (IEEE 754 binary16) or DTYPE_BF16 at `bytes`, which need not
 * be aligned: exactly, subnormals, infinities and NaN included. */
void halves_widen(enum dtype dtype, const unsigned char *bytes, size_t count, float *ret_numbers);

#endif
