/* Reading modules.json, the token limit, and the settings that
 * sentence-transformers keeps beside them, each in its old and its new spelling. */
#include "encoder/model/modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "encoder/model/config.h"
#include "encoder/model/head.h"
#include "encoder/model/pooling_config.h"
#include "encoder/model/prompts.h"

/* Reads a file that need not be there; *ret_json is NULL then. */
static int read_optional(json_t **ret_json, const char *folder, const char *name, struct err *err)
{
    char *path = file_join(folder, name);
    if (!path)
        return err_memory(err, name);
    bool there = file_exists(path);
    free(path);
    if (!there) {
        *ret_json = NULL;
        return 0;
    }
    return config_read_object(ret_json, folder, name, err);
}

/* --- modules.json --- */

int module_folder(const char *folder, const json_t *module, char **ret_folder, struct err *err)
{
    const char *path = json_string_value(json_object_get(module, "path"));

    if (!path || path[0] == '/' || strstr(path, ".."))
        return err_set(err, ERR_CORRUPT, "%s/modules.json: a module's path is %s", folder,
                       path ? "outside the model's folder" : "missing");
    *ret_folder = *path ? file_join(folder, path) : strdup(folder);
    return *ret_folder ? 0 : err_memory(err, "a folder's name");
}

const char *module_type(const json_t *module)
{
    const char *type = json_string_value(json_object_get(module, "type"));
    const char *dot = type ? strrchr(type, '.') : NULL;
    return dot ? dot + 1 : type;
}

/* The modules must begin with Transformer and Pooling. */
static int read_modules(struct model *model, const json_t *list, char **ret_pooling_folder,
                        struct err *err)
{
    static const char *const order[] = {"Transformer", "Pooling"};
    size_t count = json_array_size(list);
    int r;

    if (!json_is_array(list) || count == 0)
        return err_set(err, ERR_CORRUPT, "%s/modules.json is not a list of modules", model->folder);
    for (size_t i = 0; i < count; i++) {
        const char *type = module_type(json_array_get(list, i));
        if (!type)
            return err_set(err, ERR_CORRUPT, "%s/modules.json: module %zu has no type",
                           model->folder, i);
        if (i < 2 && strcmp(type, order[i]) != 0)
            return err_set(err, ERR_UNSUPPORTED,
                           "%s/modules.json: module %zu is %.64s where %s is supported",
                           model->folder, i, type, order[i]);
    }
    r = module_folder(model->folder, json_array_get(list, 0), &model->transformer_folder, err);
    if (r == 0 && count > 1)
        r = module_folder(model->folder, json_array_get(list, 1), ret_pooling_folder, err);
    return r == 0 ? head_list(model, list, err) : r;
}

int modules_read(struct model *model, char **ret_pooling_folder, struct err *err)
{
    json_t *list = NULL;
    char *path = file_join(model->folder, "modules.json");
    int r = path ? 0 : err_memory(err, model->folder);

    *ret_pooling_folder = NULL;
    if (r < 0)
        goto out;
    if (!file_exists(path)) {
        model->transformer_folder = strdup(model->folder);
        model->pooling = pooling_by_default();
        r = model->transformer_folder ? 0 : err_memory(err, model->folder);
        goto out;
    }
    r = json_read(&list, path, CONFIG_LIMIT, err);
    if (r == 0)
        r = read_modules(model, list, ret_pooling_folder, err);
out:
    json_decref(list);
    free(path);
    return r;
}

/* --- the token limit --- */

/* Reads a limit of tokens; 0 where the key is absent or null. */
static int read_limit(const json_t *json, const char *key, const char *name, size_t *ret_limit,
                      struct err *err)
{
    const json_t *value = json_object_get(json, key);
    double number = json_number_value(value);

    if (!value || json_is_null(value)) {
        *ret_limit = 0;
        return 0;
    }
    if (!json_is_number(value) || number < 1)
        return err_set(err, ERR_CORRUPT, "%s: %s is not a number of tokens", name, key);
    *ret_limit = number < 1e9 ? (size_t)number : 1000 * 1000 * 1000;
    return 0;
}

static int read_sentence_config(struct model *model, size_t *ret_limit, struct err *err)
{
    static const char *const names[] = {
        "sentence_bert_config.json",       "sentence_roberta_config.json",
        "sentence_distilbert_config.json", "sentence_camembert_config.json",
        "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
        "sentence_xlnet_config.json",
    };
    json_t *json = NULL;
    int r = 0;

    *ret_limit = 0;
    for (size_t i = 0; r == 0 && !json && i < sizeof names / sizeof names[0]; i++) {
        r = read_optional(&json, model->transformer_folder, names[i], err);
        if (r == 0 && json)
            r = read_limit(json, "max_seq_length", names[i], ret_limit, err);
    }
    model->do_lower_case = json_is_true(json_object_get(json, "do_lower_case")) ? 1 : -1;
    json_decref(json);
    return r;
}

int modules_read_limits(struct model *model, struct err *err)
{
    size_t positions = model->max_positions - model->position_offset, limit;
    json_t *json;
    int r = read_sentence_config(model, &limit, err);
    if (r == 0 && limit == 0) {
        r = read_optional(&json, model->transformer_folder, "tokenizer_config.json", err);
        if (r == 0)
            r = read_limit(json, "model_max_length", "tokenizer_config.json", &limit, err);
        if (r == 0)
            json_decref(json);
    }
    if (r < 0)
        return err_prefix(err, "%s", model->transformer_folder);
    model->max_seq_length = limit == 0 || limit > positions ? positions : limit;
    return 0;
}

/* --- config_sentence_transformers.json --- */

static int read_similarity(struct model *model, const json_t *json, struct err *err)
{
    static const char *const names[] = {"cosine", "dot", "euclidean", "manhattan"};
    const json_t *value = json_object_get(json, "similarity_fn_name");
    const char *name = !value || json_is_null(value) ? "cosine" : json_string_value(value);

    for (size_t i = 0; name && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            snprintf(model->similarity, sizeof model->similarity, "%s", name);
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "%s/config_sentence_transformers.json: similarity_fn_name %.64s is not one of "
                   "cosine, dot, euclidean, manhattan",
                   model->folder, name ? name : "(not a string)");
}

/* More than there is leaves all, as in the reference. */
static int read_truncate_dim(struct model *model, const json_t *json, struct err *err)
{
    const json_t *value = json_object_get(json, "truncate_dim");
    json_int_t dimension = json_integer_value(value);

    if (!value || json_is_null(value))
        return 0;
    if (dimension < 1)
        return err_set(err, ERR_CORRUPT,
                       "%s/config_sentence_transformers.json: truncate_dim is not a number of "
                       "floats",
                       model->folder);
    if ((size_t)dimension < model->dimension)
        model->dimension = (size_t)dimension;
    return 0;
}

int modules_read_settings(struct model *model, struct err *err)
{
    json_t *json;
    int r = read_optional(&json, model->folder, "config_sentence_transformers.json", err);
    if (r < 0)
        return r;
    r = read_truncate_dim(model, json, err);
    if (r == 0)
        r = read_similarity(model, json, err);
    if (r == 0)
        r = prompts_read(model, json, err);
    json_decref(json);
    return r;
}
