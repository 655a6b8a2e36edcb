/* The prompts that a known model's authors recommend, put into its folder. */
#ifndef SBERT_CLI_MODEL_RECOMMEND_H
#define SBERT_CLI_MODEL_RECOMMEND_H

#include <stdbool.h>

#include "encoder/model/registry.h"

/* Where the model in `folder` has no prompts of its own and the registry knows some, adds them to
 * its config_sentence_transformers.json as "query" and "document", with no default: encode() of
 * sentence-transformers gives what it gave, and encode_query() and encode_document() there use them
 * as this program does. */
int recommend_prompts(const struct registry_model *model, const char *folder, bool *ret_added,
                      struct err *err);

/* ERR_NOT_FOUND unless prompts are known for the model, which may be NULL; `name` is for the
 * message. */
int recommend_check(const struct registry_model *model, const char *name, struct err *err);

/* Tells a person that the model installed as `name` has been given prompts. */
void recommend_print(const char *name);

#endif
