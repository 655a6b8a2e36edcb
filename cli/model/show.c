/* sbert-model list, show and rm: what is installed, what a model is, and taking it away. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/model/commands.h"
#include "cli/model/describe.h"
#include "cli/model/folders.h"
#include "cli/model/pinned.h"
#include "cli/numbers.h"
#include "cli/terminal.h"
#include "encoder/model/model.h"
#include "encoder/model/registry.h"

int sbert_model_show(const struct model_options *options)
{
    struct err err;
    struct model *model;
    char *folder;

    if (registry_resolve(&folder, options->argument, &err) < 0)
        return terminal_fail(&err);
    int r = model_open(&model, folder, &err);
    free(folder);
    if (r < 0)
        return terminal_fail(&err);
    json_t *json = model_describe(options->argument, model);
    model_close(model);
    if (!json)
        return terminal_error("out of memory");
    if (options->json) {
        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        model_print(json);
    }
    json_decref(json);
    return EXIT_FOUND;
}

/* Adds {"name", "folder", "ok", ...} of each model in `folder` that is not in `list` yet: a name
 * means the first folder that has it. */
static void list_folder(json_t *list, const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        char *path = name[0] == '.' ? NULL : file_join(folder, name);
        struct stat status;
        if (path && stat(path, &status) == 0 && S_ISDIR(status.st_mode) &&
            !json_object_get(list, name)) {
            struct err err = {0};
            struct model *model;
            json_t *json;
            if (model_open(&model, path, &err) == 0) {
                json = model_describe(name, model);
                json_object_set_new(json, "ok", json_true());
                model_close(model);
            } else {
                json = json_pack("{s:s, s:s, s:b, s:s}", "name", name, "folder", path, "ok", 0,
                                 "reason", err.message);
            }
            json_object_set_new(list, name, json);
        }
        free(path);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void print_list(const json_t *list)
{
    const char *name;
    json_t *json;

    json_object_foreach((json_t *)(uintptr_t)list, name, json)
    {
        if (json_is_true(json_object_get(json, "ok")) &&
            json_integer_value(json_object_get(json, "dimension")) == 0)
            printf("%-32s %s, a cross-encoder, %lld tokens, %s\n", name,
                   json_string_value(json_object_get(json, "architecture")),
                   (long long)json_integer_value(json_object_get(json, "max_seq_length")),
                   json_string_value(json_object_get(json, "folder")));
        else if (json_is_true(json_object_get(json, "ok")))
            printf("%-32s %s, %lld dimensions, %lld tokens, %s\n", name,
                   json_string_value(json_object_get(json, "architecture")),
                   (long long)json_integer_value(json_object_get(json, "dimension")),
                   (long long)json_integer_value(json_object_get(json, "max_seq_length")),
                   json_string_value(json_object_get(json, "folder")));
        else
            printf("%-32s does not load: %s\n", name,
                   json_string_value(json_object_get(json, "reason")));
    }
}

/* The known models that `list` has not, one a line. */
static void print_known(const json_t *list)
{
    bool any = false;

    for (size_t i = 0; i < registry_count(); i++) {
        char size[NUMBER_SIZE];
        const struct registry_model *model = registry_at(i);
        if (json_object_get(list, model->name))
            continue;
        if (!any)
            printf("%sKnown and not installed (sbert-model pull %s):\n",
                   json_object_size(list) ? "\n" : "", model->name);
        any = true;
        printf("  %-38s %s, %zu dimensions, %s%s, %s\n", model->name, model->architecture,
               model->dimension, model->weights_size ? "about " : "",
               model->weights_size ? number_bytes(size, model->weights_size) : "size unknown",
               model->hub_name);
    }
}

/* Adds the known models that `list` has not to `array`. */
static void add_known(json_t *array, const json_t *list)
{
    for (size_t i = 0; i < registry_count(); i++) {
        const struct registry_model *model = registry_at(i);
        if (json_object_get(list, model->name))
            continue;
        json_t *json = json_pack("{s:s, s:b, s:s, s:s, s:I, s:b, s:s?}", "name", model->name,
                                 "installed", 0, "hub_name", model->hub_name, "architecture",
                                 model->architecture, "dimension", (json_int_t)model->dimension,
                                 "pinned", model->file_count > 0, "licence", model->licence);
        if (json && model->weights_size)
            json_object_set_new(json, "size", json_integer((json_int_t)model->weights_size));
        json_array_append_new(array, json);
    }
}

int sbert_model_list(const struct model_options *options)
{
    struct err err;
    char *own;
    json_t *list = json_object();

    if (registry_models_folder(&own, &err) < 0) {
        json_decref(list);
        return terminal_fail(&err);
    }
    list_folder(list, own);
    free(own);
    for (size_t i = 0; registry_shared_folder(i); i++)
        list_folder(list, registry_shared_folder(i));
    if (options->json) {
        const char *name;
        json_t *json, *array = json_array();
        json_object_foreach(list, name, json) json_array_append(array, json);
        if (options->all)
            add_known(array, list);
        json_dumpf(array, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(array);
    } else {
        print_list(list);
        print_known(list);
    }
    json_decref(list);
    return EXIT_FOUND;
}

static bool confirmed(const char *path)
{
    char answer[16];

    fprintf(stderr, "Remove %s? [y/N] ", path);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

int sbert_model_rm(const struct model_options *options)
{
    struct err err;
    char *folder;
    int r = folders_check_name(options->argument, &err);

    if (r == 0)
        r = registry_models_folder(&folder, &err);
    if (r < 0)
        return terminal_fail(&err);
    char *path = file_join(folder, options->argument);
    free(folder);
    if (!path)
        return terminal_error("out of memory");
    int code = EXIT_FOUND;
    if (!file_exists(path)) {
        code = terminal_error("there is no model %s", path);
    } else if (!options->yes && !isatty(STDIN_FILENO)) {
        code =
            terminal_error("%s is not removed: there is no terminal to ask on; give --yes", path);
    } else if (!options->yes && !confirmed(path)) {
        code = EXIT_NOTHING;
    } else if (folders_remove(path, &err) < 0) {
        code = terminal_fail(&err);
    } else {
        printf("removed %s\n", path);
    }
    free(path);
    return code;
}
