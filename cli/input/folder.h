/* What to read: the files that a command line names, and those found in the folders it names. */
#ifndef SBERT_CLI_INPUT_FOLDER_H
#define SBERT_CLI_INPUT_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct folder_file {
    char *path;     /* as named, or the folder as named and the path in it */
    bool in_folder; /* found, not named */
    uint64_t size;  /* bytes; 0 where that isn't known before reading */
};

/* A zeroed struct is an empty list. */
struct folder_files {
    struct folder_file *files;
    size_t count, capacity;
};

/* Appends `path` itself ("-" is standard input), or, where it is a folder, the regular files in it
 * and below, in the order of their names. Hidden ones (whose name begins with a dot) and links
 * inside it are left out, and with `globs` every file that matches none: a pattern with a slash is
 * for the path inside the folder, one without for the name. What can't be read is given to
 * `complain`, and the rest goes on. ERR_MEMORY only. */
int folder_collect(struct folder_files *files, const char *path, char *const *globs,
                   size_t glob_count, void (*complain)(void *argument, const struct err *err),
                   void *argument, struct err *err);

void folder_release(struct folder_files *files);

#endif
