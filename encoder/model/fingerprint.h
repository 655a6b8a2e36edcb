/* A model's identity: what its document vectors depend on.
 *
 * SHA-256 over a canonical text that names the SHA-256 of the weights and of the tokenizer's files,
 * the modules with their settings, the truncation, and the document prompt. The query prompt and
 * the precision are not in it. Hashing 90 MB takes longer than a start may, so the hashes of large
 * files are remembered (hash_cache.h).
 */
#ifndef SBERT_ENCODER_MODEL_FINGERPRINT_H
#define SBERT_ENCODER_MODEL_FINGERPRINT_H

#include <stddef.h>

#include "base/err.h"

struct model;

/* Fills model->fingerprint and weights_fingerprint from its folder and settings. `weights` and
 * `weights_count` are the paths of the weight files. */
int fingerprint_model(struct model *model, char *const *weights, size_t weights_count,
                      struct err *err);

#endif
