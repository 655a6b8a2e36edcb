/* Removes what a file no longer holds. */
#ifndef SBERT_CLI_INDEX_PRUNE_H
#define SBERT_CLI_INDEX_PRUNE_H

#include "cli/client.h"
#include "cli/index/idset.h"

/* Drops the claim of the file `source` on each of the collection's documents whose id isn't in
 * `keep` (NULL: on all). *ret_deleted counts the documents that went with it. */
int prune_source(struct client *client, const char *collection, const char *source,
                 const struct idset *keep, uint64_t *ret_deleted, struct err *err);

/* Deletes the documents of an array of ids; with `source` (not NULL) only its claim on them. */
int prune_ids(struct client *client, const char *collection, json_t *ids, const char *source,
              uint64_t *ret_deleted, struct err *err);

#endif
