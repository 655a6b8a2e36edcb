/* The modules that follow pooling: Dense, LayerNorm and Normalize, read from their folders. */
#ifndef SBERT_ENCODER_MODEL_HEAD_H
#define SBERT_ENCODER_MODEL_HEAD_H

#include "base/json.h"
#include "encoder/model/model.h"

/* Takes the modules of modules.json from the third on: their kinds and folders. A Normalize at the
 * end is model->normalize. ERR_UNSUPPORTED names a module that is not one of these. */
int head_list(struct model *model, const json_t *modules, struct err *err);

/* Reads their settings and weights, and sets widest and dimension. After pooled_size is known. */
int head_read(struct model *model, struct err *err);

/* The paths of the weight files of all of them, one after another: calls `each` for every file. */
int head_each_file(const struct model *model,
                   int (*each)(void *argument, const char *path, struct err *err), void *argument,
                   struct err *err);

void head_close(struct model *model);

#endif
