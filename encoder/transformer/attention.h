/* Attention over the sequences of a batch. */
#ifndef SBERT_ENCODER_TRANSFORMER_ATTENTION_H
#define SBERT_ENCODER_TRANSFORMER_ATTENTION_H

#include "encoder/kernels/kernels.h"
#include "encoder/model/model.h"
#include "encoder/transformer/relative_bias.h"
#include "encoder/transformer/workspace.h"

/* workspace->context = attention over workspace->qkv, each sequence on its own. */
void attention_run(const struct model *model, const struct relative_bias *bias,
                   const struct kernels *kernels, struct workspace *workspace);

#endif
