/* Staging folders, renames, and removal of trees. It knows nothing of what a model is. */
#include "cli/model/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "encoder/model/registry.h"

enum { NAME_LIMIT = 64, TREE_FDS = 16 };

int folders_check_name(const char *name, struct err *err)
{
    size_t length = strlen(name);
    size_t good = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    if (length == 0 || length > NAME_LIMIT || good != length || name[0] == '.' || name[0] == '-')
        return err_set(err, ERR_INVALID,
                       "%.80s is not a model's name: 1 to %d letters, digits, '.', '_' and '-'",
                       name, NAME_LIMIT);
    return 0;
}

/* Locks the staging folder. Its last owner may have renamed it away between our opening and our
 * locking, so the path must still lead to what was locked. */
static int lock_staging(struct staging *staging, const char *name, struct err *err)
{
    struct stat ours, there;

    staging->lock = open(staging->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (staging->lock < 0)
        return err_set_errno(err, errno, "cannot open %s", staging->path);
    bool locked = flock(staging->lock, LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno != EWOULDBLOCK)
        return err_set_errno(err, errno, "cannot lock %s", staging->path);
    if (!locked || fstat(staging->lock, &ours) < 0 || stat(staging->path, &there) < 0 ||
        ours.st_ino != there.st_ino)
        return err_set(err, ERR_BUSY, "another program is installing %s", name);
    return 0;
}

int staging_open(struct staging *ret_staging, const char *name, struct err *err)
{
    struct staging staging = {.lock = -1};
    char *models = NULL;

    int r = folders_check_name(name, err);
    if (r == 0)
        r = registry_models_folder(&models, err);
    if (r < 0)
        return r;
    if (asprintf(&staging.path, "%s/.staging-%s", models, name) < 0)
        staging.path = NULL;
    staging.target = file_join(models, name);
    free(models);
    if (!staging.path || !staging.target)
        r = err_memory(err, "a folder's name");
    if (r == 0)
        r = file_make_folder(staging.path, 0755, err);
    if (r == 0)
        r = lock_staging(&staging, name, err);
    if (r < 0) {
        staging_close(&staging, true);
        return r;
    }
    *ret_staging = staging;
    return 0;
}

int staging_install(struct staging *staging, struct err *err)
{
    int r = 0;

    if (rename(staging->path, staging->target) == 0) {
        r = file_sync_parent(staging->target, err);
        goto out;
    }
    /* Something has the name: it changes places with the new folder and then goes. */
    if (renameat2(AT_FDCWD, staging->path, AT_FDCWD, staging->target, RENAME_EXCHANGE) < 0) {
        r = err_set_errno(err, errno, "cannot put %s in its place", staging->target);
        goto out;
    }
    r = file_sync_parent(staging->target, err);
    if (r == 0)
        r = folders_remove(staging->path, err);
out:
    if (r == 0)
        *staging->path = '\0'; /* the name may be another program's by now */
    staging_close(staging, true);
    return r;
}

void staging_close(struct staging *staging, bool keep)
{
    if (!staging->path)
        return;
    if (!keep && *staging->path)
        (void)folders_remove(staging->path, NULL);
    else
        (void)rmdir(staging->path); /* there is nothing to keep in an empty one */
    if (staging->lock >= 0)
        close(staging->lock);
    free(staging->path);
    free(staging->target);
    *staging = (struct staging){.lock = -1};
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path) < 0 ? errno : 0;
}

int folders_remove(const char *path, struct err *err)
{
    const char *name = strrchr(path, '/');
    char *hidden = NULL;
    int r = 0;

    name = name ? name + 1 : path;
    if (asprintf(&hidden, "%.*s.removing-%d-%s", (int)(name - path), path, (int)getpid(), name) < 0)
        return err_memory(err, path);
    if (rename(path, hidden) < 0) {
        r = err_set_errno(err, errno, "cannot remove %s", path);
        goto out;
    }
    int failure = nftw(hidden, remove_entry, TREE_FDS, FTW_DEPTH | FTW_PHYS);
    if (failure != 0)
        r = err_set_errno(err, failure > 0 ? failure : errno, "cannot remove all of %s", hidden);
out:
    free(hidden);
    return r;
}

int folders_make_above(const char *path, struct err *err)
{
    int r = 0;
    char *folder = strdup(path);
    if (!folder)
        return err_memory(err, path);
    char *slash = strrchr(folder, '/');
    if (slash && slash != folder) {
        *slash = '\0';
        r = file_make_folder(folder, 0755, err);
    }
    free(folder);
    return r;
}

int folders_copy_file(const char *from, const char *to, struct err *err)
{
    struct file_map map;
    int r = folders_make_above(to, err);
    if (r == 0)
        r = file_map(&map, from, err);
    if (r < 0)
        return r;
    r = file_write(to, map.data, map.size, 0644, err);
    file_unmap(&map);
    return r;
}
