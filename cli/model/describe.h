/* What a model is, for people and for programs. */
#ifndef SBERT_CLI_MODEL_DESCRIBE_H
#define SBERT_CLI_MODEL_DESCRIBE_H

#include "base/json.h"
#include "encoder/model/model.h"

/* An object that says what the model in the folder `name` is: sizes, modules, prompts. NULL when
 * memory runs out. */
json_t *model_describe(const char *name, const struct model *model);

/* The same, a line for each thing, on standard output. */
void model_print(const json_t *description);

#endif
