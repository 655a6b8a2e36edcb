/* Reading and finding prompts. What is put before which text is said by the caller: queries and
 * documents have prompts of well-known names. */
#include "encoder/model/prompts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTINGS "config_sentence_transformers.json"

static const struct model_prompt *look_up(const struct model *model, const char *name)
{
    for (size_t i = 0; name && i < model->prompt_count; i++)
        if (strcmp(model->prompts[i].name, name) == 0)
            return &model->prompts[i];
    return NULL;
}

static int read_list(struct model *model, const json_t *prompts, struct err *err)
{
    const char *name;
    json_t *value;

    if (!prompts || json_is_null(prompts))
        return 0;
    if (!json_is_object(prompts))
        return err_set(err, ERR_CORRUPT, "%s/" SETTINGS ": prompts are not an object",
                       model->folder);
    model->prompts = calloc(json_object_size(prompts) + 1, sizeof *model->prompts);
    if (!model->prompts)
        return err_memory(err, "the prompts");
    json_object_foreach((json_t *)(uintptr_t)prompts, name, value)
    {
        if (!json_is_string(value))
            return err_set(err, ERR_CORRUPT, "%s/" SETTINGS ": the prompt %.64s is no text",
                           model->folder, name);
        struct model_prompt *prompt = &model->prompts[model->prompt_count++];
        prompt->name = strdup(name);
        prompt->text = strdup(json_string_value(value));
        if (!prompt->name || !prompt->text)
            return err_memory(err, "a prompt");
    }
    return 0;
}

/* The first of `names` that there is, else the default; NULL where it is empty. */
static const char *choose(const struct model *model, const char *const *names,
                          const struct model_prompt *otherwise)
{
    const struct model_prompt *prompt = NULL;

    for (; !prompt && *names; names++)
        prompt = look_up(model, *names);
    if (!prompt)
        prompt = otherwise;
    return prompt && prompt->text[0] ? prompt->text : NULL;
}

int prompts_read(struct model *model, const json_t *json, struct err *err)
{
    static const char *const query[] = {"query", NULL};
    static const char *const document[] = {"document", "passage", "corpus", NULL};
    static const char *const none[] = {NULL};
    const json_t *by_default = json_object_get(json, "default_prompt_name");
    int r = read_list(model, json_object_get(json, "prompts"), err);

    if (r < 0)
        return r;
    const struct model_prompt *otherwise = look_up(model, json_string_value(by_default));
    if (by_default && !json_is_null(by_default) && !otherwise)
        return err_set(err, ERR_CORRUPT,
                       "%s/" SETTINGS ": default_prompt_name %.64s is none of its prompts",
                       model->folder,
                       json_is_string(by_default) ? json_string_value(by_default) : "(not a text)");
    model->query_prompt = choose(model, query, otherwise);
    model->document_prompt = choose(model, document, otherwise);
    model->default_prompt = choose(model, none, otherwise);
    model->default_prompt_name = otherwise ? otherwise->name : NULL;
    return 0;
}

int prompts_find(const struct model *model, const char *name, const char **ret_text,
                 struct err *err)
{
    const struct model_prompt *prompt = look_up(model, name);
    char names[256] = "";
    size_t used = 0;

    if (prompt) {
        *ret_text = prompt->text;
        return 0;
    }
    for (size_t i = 0; i < model->prompt_count && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                                 model->prompts[i].name);
    if (model->prompt_count == 0)
        return err_set(err, ERR_INVALID, "there is no prompt %.64s: the model has none", name);
    return err_set(err, ERR_INVALID, "there is no prompt %.64s; the model has: %s", name, names);
}

void prompts_close(struct model *model)
{
    for (size_t i = 0; i < model->prompt_count; i++) {
        free(model->prompts[i].name);
        free(model->prompts[i].text);
    }
    free(model->prompts);
}
