/* The sentence-transformers side of a model's folder: its list of modules and their settings. */
#ifndef SBERT_ENCODER_MODEL_MODULES_H
#define SBERT_ENCODER_MODEL_MODULES_H

#include "base/json.h"
#include "encoder/model/model.h"

/* The last component of a module's type, or NULL: old and new saves spell it
 * "sentence_transformers.models.Pooling" and "sentence_transformers....modules.pooling.Pooling". */
const char *module_type(const json_t *module);

/* The folder of a module, in fresh memory: one below the model's, never one elsewhere. */
int module_folder(const char *folder, const json_t *module, char **ret_folder, struct err *err);

/* Reads modules.json: fills transformer_folder, head and normalize, and *ret_pooling_folder with
 * fresh memory, or NULL where there is no such module: then model->pooling is the mean where
 * there is no list of modules, and empty where a Transformer stands alone in it (a cross-encoder).
 */
int modules_read(struct model *model, char **ret_pooling_folder, struct err *err);

/* Reads max_seq_length and do_lower_case: sentence_bert_config.json or an older name of it, else
 * tokenizer_config.json's model_max_length, capped by the positions. After the sizes are known. */
int modules_read_limits(struct model *model, struct err *err);

/* Reads config_sentence_transformers.json, where there is one: similarity, prompts and
 * truncate_dim. After the dimension is known. */
int modules_read_settings(struct model *model, struct err *err);

#endif
