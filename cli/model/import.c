/* sbert-model import: a model that is here already, as a folder or in a zip archive (a wheel). */
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/model/archive.h"
#include "cli/model/commands.h"
#include "cli/model/folders.h"
#include "cli/model/loads.h"
#include "cli/model/pinned.h"
#include "cli/model/recommend.h"
#include "cli/progress.h"
#include "cli/terminal.h"

enum { TREE_FDS = 16 };

/* nftw has no argument for its caller: what the walk needs stands here. */
static struct {
    const char *from, *to;
    struct err *err;
    int r;
} walk;

static int copy_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    const char *inside = path + strlen(walk.from);
    (void)status;
    (void)place;

    while (*inside == '/')
        inside++;
    if (kind != FTW_F || !archive_wants(inside))
        return 0;
    char *target = file_join(walk.to, inside);
    walk.r = target ? folders_copy_file(path, target, walk.err) : err_memory(walk.err, path);
    free(target);
    return walk.r;
}

/* Links are followed: the hub's own cache is a folder of links. */
static int copy_folder(const char *from, const char *to, struct err *err)
{
    walk.from = from;
    walk.to = to;
    walk.err = err;
    walk.r = 0;
    if (nftw(from, copy_entry, TREE_FDS, 0) != 0 && walk.r == 0)
        return err_set_errno(err, errno, "cannot read %s", from);
    return walk.r;
}

/* The name to import by where none is given: the folder's, or the archive's without its ending. */
static char *default_name(const char *path, bool folder)
{
    size_t end = strlen(path), start;

    while (end > 1 && path[end - 1] == '/')
        end--;
    for (start = end; start > 0 && path[start - 1] != '/'; start--)
        ;
    const char *dot = folder ? NULL : memrchr(path + start, '.', end - start);
    return strndup(path + start, dot ? (size_t)(dot - path) - start : end - start);
}

/* The known model whose files these are, or NULL. */
static const struct registry_model *recognise(const char *folder)
{
    for (size_t i = 0; i < registry_count(); i++)
        if (pinned_whole(folder, registry_at(i)))
            return registry_at(i);
    return NULL;
}

/* Fills the staging folder and checks that a model loads from it. */
static int stage(const char *source, bool folder, const struct staging *staging,
                 const struct model_options *options, struct err *err)
{
    struct progress progress;
    int r;

    progress_start(&progress, "unpacking", "bytes", 0, options->quiet);
    r = folder ? copy_folder(source, staging->path, err)
               : archive_extract(source, NULL, staging->path, &progress, err);
    progress_finish(&progress, false);
    return r == 0 ? model_loads(staging->path, err) : r;
}

/* Takes a fresh staging folder: what a broken-off pull left is not part of an import. */
static int open_fresh(struct staging *staging, const char *name, struct err *err)
{
    int r = staging_open(staging, name, err);
    if (r < 0)
        return r;
    staging_close(staging, false);
    return staging_open(staging, name, err);
}

/* The pinned files are what a known model's name stands for. */
static int check_name(const char *name, const struct registry_model *recognised, struct err *err)
{
    const struct registry_model *known = registry_find(name);
    char *folder;

    if (known && known->file_count > 0 && known != recognised)
        return err_set(err, ERR_CONFLICT,
                       "these are not the published files of %s; import them under another name: "
                       "--name NAME",
                       name);
    if (registry_models_folder(&folder, err) < 0)
        return err->code;
    char *path = file_join(folder, name);
    free(folder);
    if (!path)
        return err_memory(err, name);
    bool taken = file_exists(path);
    free(path);
    return taken ? err_set(err, ERR_CONFLICT,
                           "there is already a model %s; remove it first (sbert-model rm %s) or "
                           "give another name: --name NAME",
                           name, name)
                 : 0;
}

/* Gives the staged model the name that was asked for, else the one its files are known by, else
 * `own`. Changes where the staging folder goes. */
static int name_staged(struct staging *staging, const char *own,
                       const struct model_options *options, struct err *err)
{
    const struct registry_model *recognised = recognise(staging->path);
    const char *name = options->name ? options->name : recognised ? recognised->name : own;
    char *target;

    int r = check_name(name, recognised, err);
    if (r < 0)
        return r;
    if (asprintf(&target, "%.*s/%s", (int)(strrchr(staging->target, '/') - staging->target),
                 staging->target, name) < 0)
        return err_memory(err, "a folder's name");
    free(staging->target);
    staging->target = target;
    return 0;
}

/* The prompts that are known for the name it gets, else for the one it came by. */
static int add_prompts(const struct staging *staging, const char *own, bool *ret_added,
                       struct err *err)
{
    const struct registry_model *known = registry_find(strrchr(staging->target, '/') + 1);

    if (!known)
        known = registry_find(own);
    int r = recommend_check(known, own, err);
    return r == 0 ? recommend_prompts(known, staging->path, ret_added, err) : r;
}

static int import(const struct model_options *options, bool folder, char **ret_target,
                  bool *ret_prompts, struct err *err)
{
    struct staging staging = {0};
    char *target = NULL, *own = default_name(options->argument, folder);
    const char *name = options->name ? options->name : own;

    int r = own ? folders_check_name(name, err) : err_memory(err, "a name");
    if (r == 0)
        r = open_fresh(&staging, name, err);
    if (r == 0)
        r = stage(options->argument, folder, &staging, options, err);
    if (r == 0)
        r = name_staged(&staging, own, options, err);
    if (r == 0 && options->prompts == PROMPTS_KNOWN)
        r = add_prompts(&staging, own, ret_prompts, err);
    if (r == 0 && !(target = strdup(staging.target)))
        r = err_memory(err, "a folder's name");
    if (r == 0)
        r = staging_install(&staging, err);
    staging_close(&staging, false);
    free(own);
    if (r < 0) {
        free(target);
        return r;
    }
    *ret_target = target;
    return 0;
}

int sbert_model_import(const struct model_options *options)
{
    struct err err = {0};
    struct stat status;
    char *target = NULL;
    bool prompts = false;
    int r = 0;

    /* A folder is loaded where it is, before anything is copied. */
    if (stat(options->argument, &status) < 0)
        r = err_set_errno(&err, errno, "cannot read %s", options->argument);
    else if (S_ISDIR(status.st_mode))
        r = model_loads(options->argument, &err);
    if (r == 0)
        r = import(options, S_ISDIR(status.st_mode), &target, &prompts, &err);
    if (r < 0)
        return terminal_fail(&err);
    printf("the model is in %s\n", target);
    if (prompts)
        recommend_print(strrchr(target, '/') + 1);
    free(target);
    return EXIT_FOUND;
}
