/* sbert-model verify: reads every byte again, and loads the model. */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/model/commands.h"
#include "cli/model/loads.h"
#include "cli/model/pinned.h"
#include "cli/terminal.h"

/* Checks the pinned files; adds {"path", "ok", "reason"?} for each to `list`. Returns how many are
 * not as they were published. */
static size_t check_files(const char *folder, const struct registry_model *model, json_t *list)
{
    size_t bad = 0;

    for (size_t i = 0; i < model->file_count; i++) {
        struct err err = {0};
        char *path = file_join(folder, model->files[i].path);
        int r = path ? pinned_check_file(path, &model->files[i], &err)
                     : err_memory(&err, model->files[i].path);
        json_t *entry = json_pack("{s:s, s:b}", "path", model->files[i].path, "ok", r == 0);
        if (r < 0) {
            bad++;
            json_object_set_new(entry, "reason", json_string(err.message));
        }
        json_array_append_new(list, entry);
        free(path);
    }
    return bad;
}

static void print_bad_files(const json_t *list)
{
    size_t i;
    json_t *entry;

    json_array_foreach(list, i, entry)
    {
        const char *reason = json_string_value(json_object_get(entry, "reason"));
        if (reason)
            terminal_error("%s", reason);
    }
}

static int print_json(const struct model_options *options, const char *folder, bool pinned,
                      const json_t *files, const struct err *err, bool good)
{
    json_t *report = json_pack("{s:s, s:s, s:b, s:b, s:O}", "name", options->argument, "folder",
                               folder, "pinned", pinned, "ok", good, "files", files);
    if (!report)
        return terminal_error("out of memory");
    if (err->code)
        json_object_set_new(report, "reason", json_string(err->message));
    json_dumpf(report, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(report);
    return good ? EXIT_FOUND : EXIT_ERROR;
}

int sbert_model_verify(const struct model_options *options)
{
    struct err err = {0};
    char *folder;
    const struct registry_model *named = registry_find(options->argument);
    const struct registry_model *known = named && named->file_count > 0 ? named : NULL;
    json_t *files = json_array();

    if (registry_resolve(&folder, options->argument, &err) < 0) {
        json_decref(files);
        return terminal_fail(&err);
    }
    size_t bad = known ? check_files(folder, known, files) : 0;
    bool good = model_loads(folder, &err) == 0 && bad == 0;
    int code = good ? EXIT_FOUND : EXIT_ERROR;

    if (options->json) {
        code = print_json(options, folder, known != NULL, files, &err, good);
    } else if (good && known) {
        printf("%s: all %zu files are as they were published, and it loads\n", folder,
               known->file_count);
    } else if (good) {
        printf("%s: it loads; nothing is pinned for it\n", folder);
    } else {
        print_bad_files(files);
        if (err.code)
            terminal_fail(&err);
        if (known)
            terminal_error("mend it by: sbert-model pull %s", known->name);
    }
    json_decref(files);
    free(folder);
    return code;
}
