/* Going through the documents of a collection, page by page. */
#ifndef SBERT_CLI_INDEX_PAGES_H
#define SBERT_CLI_INDEX_PAGES_H

#include <stdint.h>

#include "cli/client.h"

/* Puts "/v1/collections/NAME" and what comes after it into `target`. 0 or ERR_MEMORY. */
int pages_target(struct buf *target, const char *collection, const char *after);

/* Calls `page` with each array of documents, by id; only those of the file `source` where it isn't
 * NULL, at most `limit` in all (0: no limit). An error of `page` ends it. */
int pages_each(struct client *client, const char *collection, const char *source, uint64_t limit,
               int (*page)(void *argument, const json_t *documents, struct err *err),
               void *argument, struct err *err);

#endif
