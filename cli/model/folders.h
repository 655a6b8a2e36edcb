/* Models' folders: putting one in place whole, and taking one away whole.
 *
 * A model is made in a hidden staging folder beside its place, which is locked, and gets its name
 * by one rename; so what has a model's name is never half written. Removing renames first too.
 */
#ifndef SBERT_CLI_MODEL_FOLDERS_H
#define SBERT_CLI_MODEL_FOLDERS_H

#include <stdbool.h>

#include "base/err.h"

/* ERR_INVALID unless the name is 1 to 64 of A-Z a-z 0-9 . _ - and begins with none of . and -. */
int folders_check_name(const char *name, struct err *err);

struct staging {
    char *path;   /* the hidden folder, which exists */
    char *target; /* the model's folder to be */
    int lock;
};

/* Opens the staging folder of a model, keeping what an earlier attempt left in it. ERR_BUSY while
 * another program has it. Either staging_install or staging_close must follow. */
int staging_open(struct staging *ret_staging, const char *name, struct err *err);

/* Gives the folder its name, in the place of what had it (which goes). Closes the staging. */
int staging_install(struct staging *staging, struct err *err);

/* Lets it go: removed, or kept for a later attempt where `keep`. Accepts a zeroed struct. */
void staging_close(struct staging *staging, bool keep);

/* Removes a folder with all in it; the name is gone at once. */
int folders_remove(const char *path, struct err *err);

/* Copies a file, making the folders above it. */
int folders_copy_file(const char *from, const char *to, struct err *err);

/* Makes the folders above a path. */
int folders_make_above(const char *path, struct err *err);

#endif
