/* The frame of pairs, dedup and clusters on a collection: the daemon's job, started, watched, and
 * cancelled with Ctrl-C; and its result, entry by entry. One owner at a time. */
#ifndef SBERT_CLI_MINE_JOB_H
#define SBERT_CLI_MINE_JOB_H

#include "cli/index/command.h"

struct job_frame {
    const struct command_common *common;
    struct client *client;
    const volatile sig_atomic_t *cancel;
    char id[64];
};

/* Has the daemon do the job that `request` asks for (which is taken over; NULL: no memory), calls
 * `print`, which returns 1, 0 where there is nothing, or an error; forgets the job, and gives the
 * program's exit code. */
int job_main(const struct command_common *common, json_t *request,
             int (*print)(struct job_frame *frame, const void *argument, struct err *err),
             const void *argument);

/* Calls `entry` with each entry of the result. An error of it ends that. */
int job_each(struct job_frame *frame,
             int (*entry)(void *argument, const json_t *entry, struct err *err), void *argument,
             struct err *err);

/* The same with the documents of each group together, in an array; `size` is what the group had. */
int job_each_group(struct job_frame *frame,
                   int (*group)(void *argument, const json_t *documents, size_t size,
                                struct err *err),
                   void *argument, struct err *err);

/* Prints a document on one line, cut to the terminal where standard output is one: first `lead`,
 * then its id. */
int job_print_document(const char *lead, const json_t *document, struct err *err);

#endif
