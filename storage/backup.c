/* Backups: made beside the work that goes on, checked, and put back. */
#include "storage/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "storage/internal.h"
#include "storage/schema.h"

enum {
    BACKUP_STEP = 256,    /* pages copied at once */
    COPY_BYTES = 1 << 20, /* read and written at once where a backup is put back */
};

static char *joined(const char *path, const char *suffix)
{
    struct buf buf = {0};
    if (buf_printf(&buf, "%s%s", path, suffix) < 0)
        buf_release(&buf);
    return buf.data;
}

/* An empty file of that name that nobody else has made. */
static int make_new(const char *path, struct err *err)
{
    int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (descriptor < 0 && errno == EEXIST)
        return err_set(err, ERR_CONFLICT, "%s is there already", path);
    if (descriptor < 0)
        return err_set_errno(err, errno, "cannot make %s", path);
    close(descriptor);
    return 0;
}

static int sync_file(const char *path, struct err *err)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    int r = 0;
    if (descriptor < 0 || fsync(descriptor) < 0)
        r = err_set_errno(err, errno, "cannot sync %s", path);
    if (descriptor >= 0)
        close(descriptor);
    return r;
}

/* --- making one --- */

/* The read transaction that the caller has begun holds the source still, so that the copy is of one
 * moment and never begins anew because of a writer. */
static int copy_pages(struct connection *from, struct connection *to,
                      int (*progress)(void *argument, int64_t done, int64_t total), void *argument,
                      struct err *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to->db, "main", from->db, "main");
    int r = 0, rc = SQLITE_OK;
    if (!backup)
        return connection_fail(to, sqlite3_errcode(to->db), err);
    while (r == 0 && rc == SQLITE_OK) {
        rc = sqlite3_backup_step(backup, BACKUP_STEP);
        int64_t total = sqlite3_backup_pagecount(backup);
        if (progress && progress(argument, total - sqlite3_backup_remaining(backup), total) != 0)
            r = err_set(err, ERR_CANCELLED, "the backup was ended early");
    }
    int finished = sqlite3_backup_finish(backup);
    if (r == 0 && rc != SQLITE_DONE)
        r = connection_fail(to, rc, err);
    else if (r == 0 && finished != SQLITE_OK)
        r = connection_fail(to, finished, err);
    return r;
}

static int copy_store(struct store *store, const char *path,
                      int (*progress)(void *argument, int64_t done, int64_t total), void *argument,
                      struct err *err)
{
    struct connection *from = NULL, to = {0};
    int64_t tables = 0;
    int r = store_read_begin(store, &from, err);
    if (r < 0)
        return r;
    r = connection_number(from, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (r == 0)
        r = connection_open_plain(&to, path, err);
    if (r == 0)
        r = copy_pages(from, &to, progress, argument, err);
    store_read_end(store, from);
    if (r == 0) /* one file, without a log */
        r = connection_execute(&to, "PRAGMA journal_mode = DELETE", err);
    if (r == 0)
        r = check_connection(&to, err);
    connection_close(&to);
    return r;
}

int store_backup(struct store *store, const char *path,
                 int (*progress)(void *argument, int64_t done, int64_t total), void *argument,
                 struct err *err)
{
    char *temporary = joined(path, ".part"), *journal = joined(path, ".part-journal");
    int r = temporary && journal ? 0 : err_memory(err, "a backup");
    bool made = false;
    if (r == 0 && file_exists(path))
        r = err_set(err, ERR_CONFLICT, "%s is there already", path);
    if (r == 0)
        r = make_new(temporary, err);
    made = r == 0;
    if (r == 0)
        r = copy_store(store, temporary, progress, argument, err);
    if (r == 0)
        r = sync_file(temporary, err);
    if (r == 0 && link(temporary, path) < 0) /* unlike rename, it replaces nothing */
        r = err_set_errno(err, errno, "cannot make %s", path);
    if (made) {
        (void)unlink(temporary);
        (void)unlink(journal);
    }
    if (r == 0)
        r = file_sync_parent(path, err);
    free(temporary);
    free(journal);
    return r;
}

/* --- checking one --- */

int store_verify(const char *path, struct err *err)
{
    struct connection connection = {0};
    int64_t application = 0, version = 0;
    if (!file_exists(path))
        return err_set(err, ERR_NOT_FOUND, "there is no file %s", path);
    int r = connection_open_plain(&connection, path, err);
    if (r == 0)
        r = connection_number(&connection, "PRAGMA application_id", &application, err);
    if (r == 0)
        r = connection_number(&connection, "PRAGMA user_version", &version, err);
    if (r == 0 && application != SCHEMA_APPLICATION_ID)
        r = err_set(err, ERR_CORRUPT, "%s is no store of sbertd", path);
    if (r == 0 && (version < 1 || (size_t)version > schema_step_count))
        r = err_set(err, ERR_UNSUPPORTED,
                    "%s was written by a newer sbertd (its schema is %lld, this program knows up "
                    "to %zu)",
                    path, (long long)version, schema_step_count);
    if (r == 0)
        r = check_connection(&connection, err);
    connection_close(&connection);
    return r;
}

/* --- putting one back --- */

int store_set_aside(const char *path, const char *suffix, char **ret_kept, struct err *err)
{
    struct buf kept = {0};
    char *log = joined(path, "-wal"), *kept_log = NULL;
    int r = 0;
    if (!file_exists(path)) {
        *ret_kept = NULL;
        free(log);
        return 0;
    }
    r = buf_printf(&kept, "%s.%s-%lld", path, suffix, (long long)time(NULL));
    for (int i = 1; r == 0 && file_exists(kept.data); i++) /* twice in a second */
        r = buf_printf(&kept, ".%d", i);
    kept_log = r == 0 ? joined(kept.data, "-wal") : NULL;
    if (!log || !kept_log)
        r = err_memory(err, "the name of a file");
    /* The log first: without it the database is whole, if older; the other way round the log would
     * be taken for that of the next one. */
    if (r == 0 && rename(log, kept_log) < 0 && errno != ENOENT)
        r = err_set_errno(err, errno, "cannot rename %s", log);
    if (r == 0 && rename(path, kept.data) < 0)
        r = err_set_errno(err, errno, "cannot rename %s", path);
    if (r == 0)
        r = file_sync_parent(path, err);
    free(log);
    free(kept_log);
    if (r == 0)
        *ret_kept = kept.data;
    else
        buf_release(&kept);
    return r;
}

static int copy_bytes(FILE *from, FILE *to, const char *path, struct err *err)
{
    char *bytes = malloc(COPY_BYTES);
    int r = bytes ? 0 : err_memory(err, "a copy");
    size_t size;
    while (r == 0 && (size = fread(bytes, 1, COPY_BYTES, from)) > 0)
        if (fwrite(bytes, 1, size, to) != size)
            r = err_set_errno(err, errno, "cannot write the copy of %s", path);
    if (r == 0 && ferror(from))
        r = err_set_errno(err, errno, "cannot read %s", path);
    free(bytes);
    return r;
}

/* Copies the backup beside the store under a temporary name, then lets both change places. */
static int put_in_place(const char *backup, const char *path, char **ret_kept, struct err *err)
{
    struct file_replace replace;
    char *kept = NULL;
    FILE *from = fopen(backup, "re");
    int r = from ? file_replace_begin(&replace, path, 0600, err)
                 : err_set_errno(err, errno, "cannot read %s", backup);
    if (r < 0)
        goto out;
    r = copy_bytes(from, replace.stream, backup, err);
    if (r == 0 && fflush(replace.stream) != 0)
        r = err_set_errno(err, errno, "cannot write the copy of %s", backup);
    if (r == 0)
        r = store_set_aside(path, "replaced", &kept, err);
    if (r < 0)
        file_replace_abort(&replace);
    else
        r = file_replace_commit(&replace, err);
    if (r == 0) {
        *ret_kept = kept;
        kept = NULL;
    }
out:
    if (from)
        fclose(from);
    free(kept);
    return r;
}

int store_restore(const char *backup, const char *path, bool replace, char **ret_kept,
                  struct err *err)
{
    char *lock_path = joined(path, ".lock");
    int lock = -1;
    int r = lock_path ? lock_take(&lock, lock_path, path, err) : err_memory(err, "a restore");
    if (r == 0)
        r = store_verify(backup, err);
    if (r == 0 && !replace && file_exists(path))
        r = err_set(err, ERR_CONFLICT, "there is a store already: %s", path);
    if (r == 0)
        r = put_in_place(backup, path, ret_kept, err);
    lock_release(lock);
    free(lock_path);
    return r;
}
