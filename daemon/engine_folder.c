/* The data folder: its layout, its lock, and the files in it that no longer belong to anything.
 *
 *     <data>/lock                      held by flock; has the daemon's process id in it
 *     <data>/store.sqlite3             the truth (storage/)
 *     <data>/index/<key>.snapshot      a collection's index (index/), by the collection's key
 *
 * It doesn't read or write what those files hold.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/lock.h"
#include "daemon/engine_internal.h"

static int take_lock(struct data_folder *folder, struct err *err)
{
    struct buf what = {0};
    char *path = file_join(folder->path, "lock");
    int r = path ? buf_printf(&what, "the data folder %s", folder->path) : ERR_MEMORY;
    r = r < 0 ? err_memory(err, "the data folder") : lock_take(&folder->lock, path, what.data, err);
    buf_release(&what);
    free(path);
    return r;
}

int data_folder_open(struct data_folder *ret_folder, const char *path, struct err *err)
{
    struct data_folder folder = {.lock = -1};
    int r = file_make_folder(path, 0700, err);
    if (r)
        return r;
    if (access(path, W_OK | X_OK) != 0)
        return err_set_errno(
            err, errno, "cannot write in the data folder %s (run as its owner, or use another)",
            path);
    folder.path = strdup(path);
    folder.store = file_join(path, "store.sqlite3");
    folder.index = file_join(path, "index");
    if (!folder.path || !folder.store || !folder.index)
        r = err_memory(err, "the data folder");
    if (!r)
        r = take_lock(&folder, err);
    if (!r)
        r = file_make_folder(folder.index, 0700, err);
    if (r)
        data_folder_close(&folder);
    else
        *ret_folder = folder;
    return r;
}

void data_folder_close(struct data_folder *folder)
{
    lock_release(folder->lock);
    free(folder->path);
    free(folder->store);
    free(folder->index);
    *folder = (struct data_folder){.lock = -1};
}

char *data_folder_snapshot(const struct data_folder *folder, int64_t key)
{
    char name[48];
    snprintf(name, sizeof name, "%lld.snapshot", (long long)key);
    return file_join(folder->index, name);
}

/* True for a snapshot of a collection that is not listed, or the temporary file of any. */
static bool is_stray(const char *name, const struct store_collection *collections, size_t count)
{
    static const char suffix[] = ".snapshot";
    char *end;
    errno = 0;
    long long key = strtoll(name, &end, 10);
    if (end == name || errno || strncmp(end, suffix, sizeof suffix - 1) != 0)
        return false;
    end += sizeof suffix - 1;
    if (strncmp(end, ".tmp.", 5) == 0)
        return true;
    if (*end)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (collections[i].key == key)
            return false;
    }
    return true;
}

int data_folder_sweep(const struct data_folder *folder, const struct store_collection *collections,
                      size_t count, size_t *ret_removed, struct err *err)
{
    DIR *stream = opendir(folder->index);
    if (!stream)
        return err_set_errno(err, errno, "cannot read %s", folder->index);
    int r = 0;
    size_t removed = 0;
    struct dirent *entry;
    while (!r && (entry = readdir(stream))) {
        if (!is_stray(entry->d_name, collections, count))
            continue;
        if (unlinkat(dirfd(stream), entry->d_name, 0) == 0)
            removed++;
        else if (errno != ENOENT)
            r = err_set_errno(err, errno, "cannot remove %s/%s", folder->index, entry->d_name);
    }
    closedir(stream);
    if (!r)
        *ret_removed = removed;
    return r;
}
