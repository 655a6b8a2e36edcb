/* sbert-index add: files in, documents at the daemon. */
#ifndef SBERT_CLI_INDEX_ADD_H
#define SBERT_CLI_INDEX_ADD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/client.h"
#include "cli/input/folder.h"
#include "cli/input/input.h"

struct add_options {
    struct input_options input;
    const char *collection;
    const char *source;   /* recorded in the place of the one file's path; NULL: the path */
    bool no_source;       /* no file is recorded */
    bool keep;            /* nothing is removed */
    size_t batch;         /* documents of a request */
    uint64_t max_refused; /* give up at so many; UINT64_MAX: never */
    bool dry_run;         /* print the documents, one JSON object a line, and send nothing */
    bool quiet;           /* neither progress nor warnings; errors stay */
    const volatile sig_atomic_t *cancel; /* not 0 ends it with ERR_CANCELLED */
};

struct add_summary {
    uint64_t added, replaced, unchanged, truncated;
    uint64_t removed;             /* documents that their files no longer hold */
    uint64_t refused;             /* documents and files, each named on standard error */
    uint64_t empty, invalid_utf8; /* passed over */
    uint64_t binary;              /* files in folders, passed over */
    uint64_t files;               /* opened */
    uint64_t found;               /* documents read from them */
    double seconds;
};

/* Adds the files in their order. What is refused is named on standard error, and the rest goes on;
 * an error ends it. The summary is filled in either case: what it counts is committed. `client` may
 * be NULL in a dry run. */
int add_files(const struct folder_files *files, const struct add_options *options,
              const struct client_options *client_options, struct add_summary *ret_summary,
              struct err *err);

#endif
