/* What the hub says a model consists of: the files that are needed of its listing, as an unpinned
 * model of the registry's form.
 */
#ifndef SBERT_CLI_MODEL_LISTING_H
#define SBERT_CLI_MODEL_LISTING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "encoder/model/registry.h"

struct listing {
    struct registry_model model; /* of the branch "main" */
    struct arena arena;          /* owns its strings and files */
};

/* True for "owner/name" as the hub spells it. */
bool listing_is_hub_name(const char *name);

/* Reads the JSON of the hub's /api/models/OWNER/NAME/tree/main?recursive=true: a list of {"type",
 * "path", "size", "lfs": {"oid"}}. Taken are configurations, tokenizers and safetensors, of the
 * folder and of the modules below it; of weights that are there whole the shards are not. `known`
 * may be NULL. ERR_CORRUPT where it is no such list, ERR_UNSUPPORTED where there are no safetensors
 * (the message says how to convert a pytorch_model.bin), ERR_NOT_FOUND where there is no model in
 * it. The caller releases it. */
int listing_parse(struct listing *ret_listing, const char *hub_name,
                  const struct registry_model *known, const char *json, size_t size,
                  struct err *err);
void listing_release(struct listing *listing);

/* The address of rel="next" in a Link header (RFC 8288), as it stands there, in fresh memory: where
 * a listing of several pages goes on. NULL where there is none. */
char *listing_next(const char *links);

#endif
