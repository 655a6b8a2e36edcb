/* Walking folders, by fts(3). It opens no file. */
#include "cli/input/folder.h"

#include <errno.h>
#include <fnmatch.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int append(struct folder_files *files, const char *path, bool in_folder, off_t size)
{
    if (files->count == files->capacity) {
        size_t capacity = files->capacity ? files->capacity * 2 : 16;
        struct folder_file *grown = reallocarray(files->files, capacity, sizeof *grown);
        if (!grown)
            return ERR_MEMORY;
        files->files = grown;
        files->capacity = capacity;
    }
    char *copy = strdup(path);
    if (!copy)
        return ERR_MEMORY;
    files->files[files->count++] = (struct folder_file){
        .path = copy, .in_folder = in_folder, .size = size > 0 ? (uint64_t)size : 0};
    return 0;
}

static int append_standard_input(struct folder_files *files, struct err *err)
{
    struct stat status;
    bool known = fstat(STDIN_FILENO, &status) == 0 && S_ISREG(status.st_mode);
    if (append(files, "-", false, known ? status.st_size : 0) < 0)
        return err_memory(err, "the list of files");
    return 0;
}

void folder_release(struct folder_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->files[i].path);
    free(files->files);
    *files = (struct folder_files){0};
}

/* `inside` is the path below the folder. */
static bool matches(const char *inside, char *const *globs, size_t glob_count)
{
    const char *slash = strrchr(inside, '/');
    const char *name = slash ? slash + 1 : inside;
    for (size_t i = 0; i < glob_count; i++) {
        bool path = strchr(globs[i], '/') != NULL;
        if (fnmatch(globs[i], path ? inside : name, path ? FNM_PATHNAME : 0) == 0)
            return true;
    }
    return glob_count == 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static const char *path_inside(const FTSENT *entry, const char *folder)
{
    const char *inside = entry->fts_path + strlen(folder);
    return inside + strspn(inside, "/");
}

int folder_collect(struct folder_files *files, const char *path, char *const *globs,
                   size_t glob_count, void (*complain)(void *argument, const struct err *err),
                   void *argument, struct err *err)
{
    char *roots[] = {(char *)path, NULL};
    struct err found = {0};
    int r = 0;
    if (strcmp(path, "-") == 0)
        return append_standard_input(files, err);
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    if (!walk && errno == ENOMEM)
        return err_memory(err, path);
    if (!walk) { /* an empty name */
        err_set_errno(&found, errno, "cannot read \"%s\"", path);
        complain(argument, &found);
        return 0;
    }

    FTSENT *entry;
    while (r == 0 && (errno = 0, entry = fts_read(walk)) != NULL) {
        bool root = entry->fts_level == FTS_ROOTLEVEL;
        if (!root && entry->fts_name[0] == '.') {
            fts_set(walk, entry, FTS_SKIP);
            continue;
        }
        switch (entry->fts_info) {
        case FTS_F:
            if (root || matches(path_inside(entry, path), globs, glob_count))
                r = append(files, entry->fts_path, !root, entry->fts_statp->st_size);
            break;
        case FTS_DEFAULT: /* a pipe or a device: only where it was named */
            r = root ? append(files, entry->fts_path, false, 0) : 0;
            break;
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
        case FTS_SLNONE:
            if (root || entry->fts_info != FTS_SLNONE) {
                err_set_errno(&found, entry->fts_errno ? entry->fts_errno : ENOENT,
                              "cannot read %s", entry->fts_path);
                complain(argument, &found);
            }
            break;
        default: /* folders, before and after what is in them; links */
            break;
        }
    }
    if (r == 0 && errno) { /* the walk itself could not go on */
        err_set_errno(&found, errno, "cannot read all of %s", path);
        complain(argument, &found);
    }
    fts_close(walk);
    return r < 0 ? err_memory(err, path) : 0;
}
