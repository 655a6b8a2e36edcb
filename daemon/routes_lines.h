/* An NDJSON add: documents committed in batches while the upload goes on.
 *
 * The loop appends what arrives; whenever a batch is together a worker commits it, and the loop
 * takes no more until it has. So memory is bounded whatever the length of the upload. One thread
 * owns an upload at a time.
 */
#ifndef SBERT_DAEMON_ROUTES_LINES_H
#define SBERT_DAEMON_ROUTES_LINES_H

#include "daemon/routes.h"

struct lines_upload {
    struct buf pending; /* not yet committed; begins at the start of a line */
    size_t newlines;    /* in it */
    size_t lines;       /* that came before it */
    size_t batches;
    size_t added, replaced, unchanged, truncated;
    bool failed; /* the answer is complete and ends with an error */
};

/* Takes bytes in. Without memory the upload fails. */
void lines_append(struct lines_upload *upload, struct call *call, const char *data, size_t size);

/* True when a batch is together. */
bool lines_ready(const struct lines_upload *upload);

/* Commits all whole lines that are pending, with `last` also one without a newline, and writes an
 * answer line for each batch; with `last` also the totals. */
void lines_process(struct lines_upload *upload, struct call *call, bool last);

/* Ends the upload with an error from outside. */
void lines_refuse(struct lines_upload *upload, struct call *call, const char *code, int status,
                  const char *message);

void lines_release(struct lines_upload *upload);

#endif
