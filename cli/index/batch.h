/* Documents on their way to the daemon: the JSON of each, and where it came from. */
#ifndef SBERT_CLI_INDEX_BATCH_H
#define SBERT_CLI_INDEX_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/input/input.h"

struct batch_document {
    size_t start, end; /* its JSON in the batch's */
    void *file;        /* whose it is: the caller's */
    uint64_t line;     /* 0: the whole file */
    bool refused;      /* by the daemon */
};

/* A zeroed struct is an empty batch. */
struct batch {
    struct buf json; /* the documents, one after another */
    struct batch_document *documents;
    size_t count, capacity;
    uint64_t position; /* what was read when the batch was full, for progress: the caller's */
};

/* Appends a document. `source` is the path it is told to come from, or NULL. ERR_MEMORY. */
int batch_add(struct batch *batch, const struct input_document *document, const char *source,
              void *file, struct err *err);

/* The same for a document that is JSON text on one line already. */
int batch_add_text(struct batch *batch, const char *json, size_t size, void *file, uint64_t line,
                   struct err *err);

/* Empties it and keeps the memory. */
void batch_clear(struct batch *batch);
void batch_release(struct batch *batch);

/* Puts the body of a request for documents [first, last), without the refused, into `body`;
 * *ret_count says how many they are. ERR_MEMORY. */
int batch_body(const struct batch *batch, size_t first, size_t last, struct buf *body,
               size_t *ret_count, struct err *err);

/* The place of the `index`th document in [first, last) that isn't refused; SIZE_MAX where there
 * are fewer. */
size_t batch_find(const struct batch *batch, size_t first, size_t last, size_t index);

#endif
