/* Files: mapped whole for reading, replaced whole for writing.
 *
 * Thread-safe: nothing here keeps state. Errors name the path and the system's reason.
 */
#ifndef SBERT_BASE_FILE_H
#define SBERT_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/err.h"

/* A file mapped read-only. `data` is NULL for an empty file. Reading it raises SIGBUS when somebody
 * shortens the file meanwhile: what is mapped is replaced, never rewritten in place. */
struct file_map {
    const unsigned char *data;
    size_t size;
};

/* Maps a regular file whole (MAP_PRIVATE, read-only). The caller releases it. Anything but a
 * regular file is ERR_INVALID here and in file_read. */
int file_map(struct file_map *ret_map, const char *path, struct err *err);
void file_unmap(struct file_map *map); /* accepts a zeroed map */

/* Gives back the memory of what was read of it; what is read again is taken from the file again. */
void file_forget(const struct file_map *map); /* accepts a zeroed map */

/* Reads a regular file of at most `limit` bytes into fresh memory with a NUL after it; the caller
 * frees it. ERR_LIMIT when the file is larger. */
int file_read(char **ret_data, size_t *ret_size, const char *path, size_t limit, struct err *err);

/* Whole-file replacement: after `file_replace_commit` the new contents are on disk under the name
 * (temporary file in the same folder, fsync, rename, fsync of the folder), or the old file stands
 * as it was. Write to `stream` in between. Whoever checks his writes can say why one failed; at
 * commit that is only ERR_IO. Either commit or abort must follow a successful begin; both end it,
 * whatever commit returns. A temporary file left by a crash is "<path>.tmp.<random>". */
struct file_replace {
    FILE *stream;
    char *path;
    char *temporary;
};
int file_replace_begin(struct file_replace *ret_replace, const char *path, mode_t mode,
                       struct err *err);
int file_replace_commit(struct file_replace *replace, struct err *err);
void file_replace_abort(struct file_replace *replace);

/* The same in one call, for contents that are in memory. */
int file_write(const char *path, const void *data, size_t size, mode_t mode, struct err *err);

/* Makes a folder and those above it that are missing (each with `mode`). ERR_INVALID where the name
 * is empty or is that of something else. */
int file_make_folder(const char *path, mode_t mode, struct err *err);

/* Syncs a folder, so that a rename or unlink in it survives a power cut. */
int file_sync_folder(const char *path, struct err *err);
/* The same for the folder that `path` is in. */
int file_sync_parent(const char *path, struct err *err);

/* True when the path leads to something, whatever it is; false for a link that leads nowhere. */
bool file_exists(const char *path);

/* "folder/name" in fresh memory; NULL when memory runs out. */
char *file_join(const char *folder, const char *name);

#endif
