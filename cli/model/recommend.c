/* Editing config_sentence_transformers.json of a model that is being installed; nobody reads it
 * yet.
 */
#include "cli/model/recommend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

#define SETTINGS "config_sentence_transformers.json"

enum { SETTINGS_LIMIT = 1 << 20 };

static bool known(const struct registry_model *model)
{
    return model && (model->query_prompt || model->document_prompt);
}

static bool has_prompts(const json_t *settings)
{
    const char *name;
    json_t *text;

    json_object_foreach(json_object_get(settings, "prompts"), name, text)
    {
        if (json_string_length(text) > 0)
            return true;
    }
    return false;
}

static int write_settings(const json_t *settings, const char *path, struct err *err)
{
    char *text = json_dumps(settings, JSON_INDENT(2) | JSON_SORT_KEYS);
    int r = text ? file_write(path, text, strlen(text), 0644, err) : err_memory(err, path);
    free(text);
    return r;
}

int recommend_prompts(const struct registry_model *model, const char *folder, bool *ret_added,
                      struct err *err)
{
    json_t *settings = NULL, *prompts;
    char *path = file_join(folder, SETTINGS);
    int r = 0;

    *ret_added = false;
    if (!known(model))
        goto out;
    if (!path) {
        r = err_memory(err, folder);
        goto out;
    }
    if (file_exists(path))
        r = json_read_object(&settings, path, SETTINGS_LIMIT, err);
    else
        settings = json_object();
    if (r < 0 || has_prompts(settings))
        goto out;
    prompts = json_pack("{s:s, s:s}", "query", model->query_prompt ? model->query_prompt : "",
                        "document", model->document_prompt ? model->document_prompt : "");
    if (!prompts || json_object_set_new(settings, "prompts", prompts) < 0) {
        r = err_memory(err, "the prompts");
        goto out;
    }
    r = write_settings(settings, path, err);
    *ret_added = r == 0;
out:
    json_decref(settings);
    free(path);
    return r;
}

int recommend_check(const struct registry_model *model, const char *name, struct err *err)
{
    return known(model)
               ? 0
               : err_set(err, ERR_NOT_FOUND, "no prompts are known for %s (--prompts=none)", name);
}

void recommend_print(const char *name)
{
    printf("Its folder had no prompts, so it has those that its authors recommend now (see\n"
           "sbert-model show %s); --prompts=none leaves them out.\n",
           name);
}
