/* Sends batches of documents and keeps several under way, so that the daemon's cores have work
 * while the next batch is read. Answers are taken in the order of the batches.
 *
 * Where the daemon refuses a request for one of its documents, that one is left out (found by the
 * field it names, or by halving) and the rest sent again. One thread; the events are called from
 * within sender_submit and sender_finish.
 */
#ifndef SBERT_CLI_INDEX_SENDER_H
#define SBERT_CLI_INDEX_SENDER_H

#include "cli/client.h"
#include "cli/index/batch.h"

struct sender;

struct sender_counts {
    uint64_t added, replaced, unchanged, truncated;
};

struct sender_events {
    void *argument;
    /* The document is on disk under `id`, or was refused for the reason in `err`. */
    int (*taken)(void *argument, const struct batch_document *document, const char *id,
                 struct err *err);
    int (*refused)(void *argument, const struct batch_document *document, const struct err *why,
                   struct err *err);
    /* Every document of the batch was one or the other; what an answer counted. */
    void (*counted)(void *argument, const struct sender_counts *counts);
    void (*done)(void *argument, const struct batch *batch);
};

/* The message of a refusal without the place in a request that nobody sees: "text: too long" of
 * "documents[3].text: too long". */
const char *sender_reason(const struct err *why);

int sender_open(struct sender **ret_sender, const struct client_options *options,
                const char *collection, const struct sender_events *events, struct err *err);
/* Closes it; answers that are under way are not waited for. Accepts NULL. */
void sender_close(struct sender *sender);

/* The batch to fill now. */
struct batch *sender_batch(struct sender *sender);

/* Sends that batch (an empty one is left), then waits for the oldest answer where no other batch
 * is free. An error of an event ends it, too. */
int sender_submit(struct sender *sender, struct err *err);

/* Waits for all answers. */
int sender_finish(struct sender *sender, struct err *err);

#endif
