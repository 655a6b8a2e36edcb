/* From the pooled vector to the model's: Dense, LayerNorm, truncation and Normalize. */
#ifndef SBERT_ENCODER_TRANSFORMER_VECTOR_HEAD_H
#define SBERT_ENCODER_TRANSFORMER_VECTOR_HEAD_H

#include "encoder/kernels/kernels.h"
#include "encoder/model/model.h"

/* Runs model->head over `vector` (widest floats, of which pooled_size are given), with `other`
 * (widest) as scratch, and leaves the first `dimension` floats of what comes out in ret_vector,
 * divided by their length where model->normalize is set. All three apart from each other. */
void head_run(const struct model *model, const struct kernels *kernels, float *vector, float *other,
              float *ret_vector);

#endif
