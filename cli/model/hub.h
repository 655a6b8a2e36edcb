/* Fetching a model's files from the model hub, by HTTPS, with resume.
 *
 * The hub is https://huggingface.co, or what HF_ENDPOINT says. What comes is believed only when its
 * SHA-256 is the pinned or listed one; small files of a listing have a size alone.
 */
#ifndef SBERT_CLI_MODEL_HUB_H
#define SBERT_CLI_MODEL_HUB_H

#include "base/buf.h"
#include "base/err.h"
#include "cli/progress.h"
#include "encoder/model/registry.h"

/* Appends to `json` the hub's listing of a model's files (listing.h), all pages of it as one.
 * ERR_NOT_FOUND where the hub shows no such model, ERR_IO, ERR_LIMIT. */
int hub_list(const char *hub_name, int connect_seconds, struct buf *json, struct err *err);

/* Puts each file that is not there yet into `folder`. A file on its way is "<path>.part" there, and
 * a later call goes on where it ends. `connect_seconds` is how long to wait for the hub to answer
 * at all. ERR_NOT_FOUND (the hub has no such file), ERR_CORRUPT (it has another), ERR_IO (it cannot
 * be reached or broke off again and again). */
int hub_fetch(const struct registry_model *model, const char *folder, int connect_seconds,
              struct progress *progress, struct err *err);

#endif
