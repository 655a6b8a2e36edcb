/* Activations in plain C, one number at a time: the reference, and what runs where vectors of them
 * would not pay. */
#ifndef SBERT_ENCODER_KERNELS_ACTIVATION_PLAIN_H
#define SBERT_ENCODER_KERNELS_ACTIVATION_PLAIN_H

#include <stddef.h>

#include "encoder/model/activation.h"

/* x = activation(x), `size` floats. */
void activation_plain(enum activation activation, float *x, size_t size);

#endif
