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

#endif
