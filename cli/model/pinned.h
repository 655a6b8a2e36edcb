/* Checking files against the sizes and SHA-256 that the registry has pinned. */
#ifndef SBERT_CLI_MODEL_PINNED_H
#define SBERT_CLI_MODEL_PINNED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "encoder/model/registry.h"

/* 0 where `path` is the file (by its size alone where it has no SHA-256); ERR_NOT_FOUND where there
 * is none, ERR_CORRUPT where it is another, and the message says in what. Reads the file itself,
 * never a remembered hash. */
int pinned_check_file(const char *path, const struct registry_file *file, struct err *err);

/* True where each of the model's files is in the folder and as pinned; false where none is pinned.
 */
bool pinned_whole(const char *folder, const struct registry_model *model);

/* The bytes of all of the model's files. */
uint64_t pinned_total(const struct registry_model *model);

#endif
