/* The texts of a file, all in memory, and their vectors: what pairs, duplicates and clusters are
 * looked for in. One owner at a time. */
#ifndef SBERT_CLI_MINE_SENTENCES_H
#define SBERT_CLI_MINE_SENTENCES_H

#include <signal.h>
#include <stdbool.h>

#include "base/arena.h"
#include "cli/input/input.h"
#include "cli/worker.h"

struct sentence {
    const char *id; /* NULL: the file gives none */
    uint64_t line;  /* on which it begins, from 1 */
};

/* A zeroed struct is empty. */
struct sentences {
    const char *path;
    struct encoder_text *texts; /* (count) */
    struct sentence *where;     /* (count) */
    size_t count, capacity;
    struct arena arena; /* owns the bytes */
    struct input_skipped skipped;
    float *vectors; /* (count, dimension), of length 1; NULL before sentences_encode */
    size_t dimension;
};
void sentences_release(struct sentences *sentences);

/* Reads all of a file ("-": standard input). `path` outlives the sentences. What input_next refuses
 * is an error here: ERR_INVALID, ERR_LIMIT, ERR_CANCELLED ... */
int sentences_read(struct sentences *sentences, const char *path,
                   const struct input_options *options, const volatile sig_atomic_t *cancel,
                   struct err *err);

/* Gives every text its vector, or only those `chosen` (count; NULL: all), with the model's default
 * prompt, and shows how it gets on. */
int sentences_encode(struct sentences *sentences, const struct worker *worker, const bool *chosen,
                     bool quiet, const volatile sig_atomic_t *cancel, struct err *err);

#endif
