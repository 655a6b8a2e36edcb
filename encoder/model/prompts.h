/* The prompts of a model: texts by name, to be put before other texts. */
#ifndef SBERT_ENCODER_MODEL_PROMPTS_H
#define SBERT_ENCODER_MODEL_PROMPTS_H

#include "base/json.h"
#include "encoder/model/model.h"

/* Takes `prompts` and default_prompt_name of config_sentence_transformers.json (NULL where there is
 * none) into model->prompts and its fields beside that. ERR_CORRUPT where one is no text, or the
 * default is none of them. */
int prompts_read(struct model *model, const json_t *json, struct err *err);

/* The text of the prompt of that name, which may be empty; lives as long as the model.
 * ERR_INVALID lists the names that there are. */
int prompts_find(const struct model *model, const char *name, const char **ret_text,
                 struct err *err);

void prompts_close(struct model *model);

#endif
