/* Removes what a file no longer holds. */
#ifndef SBERT_CLI_INDEX_PRUNE_H
#define SBERT_CLI_INDEX_PRUNE_H

#include "cli/client.h"
#include "cli/index/idset.h"

struct prune_counts {
    uint64_t deleted; /* documents that went with the file's claim on them */
    uint64_t kept;    /* those that something else claims, too */
};

/* Drops the claim of the file `source` on each of the collection's documents whose id isn't in
 * `keep` (NULL: on all), and adds to `counts`; where it fails, what was done by then. */
int prune_source(struct client *client, const char *collection, const char *source,
                 const struct idset *keep, struct prune_counts *counts, struct err *err);

/* Deletes the documents of an array of ids; with `source` (not NULL) only its claim on them. Adds
 * those that went to *ret_deleted. */
int prune_ids(struct client *client, const char *collection, json_t *ids, const char *source,
              uint64_t *ret_deleted, struct err *err);

#endif
