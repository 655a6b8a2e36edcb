/* Where texts come from: the command line's --text, or a file. And chunks of them in memory. */
#ifndef SBERT_CLI_ENCODE_SOURCE_H
#define SBERT_CLI_ENCODE_SOURCE_H

#include "base/arena.h"
#include "cli/encode/encode.h"
#include "encoder/encoder.h"

struct source {
    const struct encode_options *options;
    struct texts *texts; /* NULL: the command line's */
    size_t next;         /* of the command line's */
};

int source_open(struct source *source, const struct encode_options *options, struct err *err);
void source_close(struct source *source);

/* The next text, which stays until the next call: 1, or 0 at the end, or an error. */
int source_next(struct source *source, const char **ret_text, size_t *ret_size, struct err *err);

/* A chunk of texts; a zeroed struct is empty. */
struct chunk {
    struct encoder_text *texts; /* (count) */
    size_t count, capacity;
    struct arena arena; /* owns the bytes */
};
void chunk_release(struct chunk *chunk);

/* Fills the chunk, whose old texts go, with the next options->batch texts (or pairs, where the
 * options say so), or fewer where they are long or the source ends. */
int source_fill(struct source *source, struct chunk *chunk, struct err *err);

/* Fills the chunk again and again and gives each to `work`, whose first error ends it. However the
 * end was asked for, it is ERR_CANCELLED, "interrupted". */
int source_each_chunk(struct source *source, struct chunk *chunk,
                      int (*work)(void *argument, struct err *err), void *argument,
                      struct err *err);

/* Warns of texts (`what`, in the plural) that were cut at `limit` tokens, and of lines passed over.
 */
void source_report(const struct source *source, const char *what, size_t limit, uint64_t truncated);

#endif
