/* A model that was named, and a crew at work on it: what the programs encode with. One owner at a
 * time. */
#ifndef SBERT_CLI_WORKER_H
#define SBERT_CLI_WORKER_H

#include "encoder/encoder.h"

/* A zeroed struct is closed. */
struct worker {
    struct encoder *encoder;
    struct encoder_crew *crew;
};

/* Opens the model of that name, or in that folder; `options` may be NULL. */
int worker_open(struct worker *ret_worker, const char *model, const struct encoder_options *options,
                int threads, struct err *err);
void worker_close(struct worker *worker); /* accepts a closed one */

#endif
