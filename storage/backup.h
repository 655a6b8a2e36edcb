/* The store copied while it is used, a copy put back, and what can be read of a damaged one.
 *
 * A backup is one SQLite file without a log, of one moment, checked before it gets its name. The
 * calls about files want that no process has them open as a store.
 *
 * Threads: store_backup as store.h; the others have no state.
 */
#ifndef SBERT_STORAGE_BACKUP_H
#define SBERT_STORAGE_BACKUP_H

#include "storage/store.h"

/* Copies the store into a new file by SQLite's online backup; readers and writers go on meanwhile.
 * ERR_CONFLICT where the file is there. `progress` (may be NULL) is called with pages done and all
 * pages; non-zero from it ends the backup with ERR_CANCELLED. */
int store_backup(struct store *store, const char *path,
                 int (*progress)(void *argument, int64_t done, int64_t total), void *argument,
                 struct err *err);

/* Checks a backup as store_check does; ERR_CORRUPT, or ERR_UNSUPPORTED where it is a newer
 * program's. */
int store_verify(const char *path, struct err *err);

/* Puts a backup, checked first, in the place of the store at `path`. ERR_CONFLICT where there is
 * one, unless `replace`: then the old one is kept beside it under `ret_kept` (fresh memory; NULL
 * where there was none). */
int store_restore(const char *backup, const char *path, bool replace, char **ret_kept,
                  struct err *err);

struct store_salvage {
    int64_t documents, passages; /* saved */
    int64_t lost_documents;      /* that could not be read, whole or at all, as far as is known */
};

/* Reads what can be read of a damaged store into a new one at `path`, which must not be there:
 * rows of damaged pages are passed over, and documents that are not whole are left out.
 * ERR_CORRUPT where nothing can be read at all. */
int store_salvage(const char *damaged, const char *path, struct store_salvage *ret_salvage,
                  struct err *err);

/* Moves the files of a store (the database and its log) to a name of their own beside it,
 * "<path>.<suffix>-<time>"; NULL in *ret_kept where there is none. */
int store_set_aside(const char *path, const char *suffix, char **ret_kept, struct err *err);

#endif
