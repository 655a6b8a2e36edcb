/* Whether a folder is a model that this program can use. */
#ifndef SBERT_CLI_MODEL_LOADS_H
#define SBERT_CLI_MODEL_LOADS_H

#include "base/err.h"

/* Loads the folder's model, one of vectors or a cross-encoder, and its tokenizer and lets them go:
 * 0, or the error that says why not. */
int model_loads(const char *folder, struct err *err);

#endif
