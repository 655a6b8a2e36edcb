/* The sentence-transformers side of a model's folder: its list of modules and their settings. */
#ifndef SBERT_ENCODER_MODEL_MODULES_H
#define SBERT_ENCODER_MODEL_MODULES_H

#include "encoder/model/model.h"

/* Reads modules.json: fills transformer_folder and normalize, and *ret_pooling_folder with fresh
 * memory, or NULL where there is no such module: then model->pooling is POOLING_MEAN where there is
 * no list of modules, and 0 where a Transformer stands alone in it (a cross-encoder). */
int modules_read(struct model *model, char **ret_pooling_folder, struct err *err);

/* Reads the pooling module's config.json (`folder` may be NULL: pooling stays): pooling,
 * pooled_size, dimension. After the sizes are known. */
int modules_read_pooling(struct model *model, const char *folder, struct err *err);

/* Reads max_seq_length and do_lower_case: sentence_bert_config.json or an older name of it, else
 * tokenizer_config.json's model_max_length, capped by the positions. After the sizes are known. */
int modules_read_limits(struct model *model, struct err *err);

/* Reads config_sentence_transformers.json, where there is one: similarity and prompts. */
int modules_read_settings(struct model *model, struct err *err);

#endif
