/* Going through the documents of a collection, page by page. */
#ifndef SBERT_CLI_INDEX_PAGES_H
#define SBERT_CLI_INDEX_PAGES_H

#include <stdint.h>

#include "cli/client.h"

/* Puts "/v1/collections/NAME" and what comes after it into `target`. 0 or ERR_MEMORY. */
int pages_target(struct buf *target, const char *collection, const char *after);

/* Which documents: all, those of a file, or those that match. */
struct pages_wanted {
    const char *source;   /* or NULL */
    const json_t *filter; /* or NULL */
    uint64_t limit;       /* in all; 0: none */
};

/* Calls `page` with each array of documents, by id. An error of `page` ends it. */
int pages_each(struct client *client, const char *collection, const struct pages_wanted *wanted,
               int (*page)(void *argument, const json_t *documents, struct err *err),
               void *argument, struct err *err);

#endif
