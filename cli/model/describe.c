/* Composing and printing a model's description. */
#include "cli/model/describe.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "encoder/model/registry.h"
#include "encoder/transformer/weight_cache.h"

static json_t *describe_head(const struct head_module *head)
{
    switch (head->kind) {
    case HEAD_DENSE:
        return json_pack("{s:s, s:I, s:I, s:s, s:b, s:b}", "type", "Dense", "in_features",
                         (json_int_t)head->in, "out_features", (json_int_t)head->out, "activation",
                         activation_name(head->activation), "bias", head->linear.bias != NULL,
                         "residual", (int)head->residual);
    case HEAD_LAYER_NORM:
        return json_pack("{s:s, s:I}", "type", "LayerNorm", "dimension", (json_int_t)head->in);
    case HEAD_NORMALIZE:
        break;
    }
    return json_pack("{s:s}", "type", "Normalize");
}

/* The modules in their order, Transformer and Pooling among them. */
static json_t *describe_modules(const struct model *model, const char *pooling)
{
    json_t *list = json_array();

    json_array_append_new(list, json_pack("{s:s, s:s}", "type", "Transformer", "activation",
                                          activation_name(model->activation)));
    if (model->pooling.count)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:b}", "type", "Pooling", "pooling_mode",
                                        pooling, "include_prompt", !model->pooling.without_prompt));
    for (size_t i = 0; i < model->head_count; i++)
        json_array_append_new(list, describe_head(&model->head[i]));
    if (model->normalize)
        json_array_append_new(list, json_pack("{s:s}", "type", "Normalize"));
    return list;
}

static json_t *describe_prompts(const struct model *model)
{
    json_t *prompts = json_object();

    for (size_t i = 0; i < model->prompt_count; i++)
        json_object_set_new(prompts, model->prompts[i].name, json_string(model->prompts[i].text));
    return prompts;
}

/* truncate_dim where it cuts something, else null. */
static json_t *describe_cut(const struct model *model)
{
    size_t whole = model->head_count ? model->head[model->head_count - 1].out : model->pooled_size;
    return model->dimension < whole ? json_integer((json_int_t)model->dimension) : json_null();
}

static int is_packed(const struct dirent *entry)
{
    return fnmatch(WEIGHT_CACHE_PATTERN, entry->d_name, 0) == 0;
}

/* [{"file", "bytes"}] of the packed weights that stand beside the model; NULL where there are none.
 */
static json_t *describe_packed(const struct model *model)
{
    struct dirent **entries = NULL;
    int count = scandir(model->transformer_folder, &entries, is_packed, alphasort);
    json_t *list = count > 0 ? json_array() : NULL;

    for (int i = 0; i < count; i++) {
        struct stat status;
        char *path = file_join(model->transformer_folder, entries[i]->d_name);
        if (path && stat(path, &status) == 0)
            json_array_append_new(
                list, json_pack("{s:s, s:I}", "file", path, "bytes", (json_int_t)status.st_size));
        free(path);
        free(entries[i]);
    }
    free(entries);
    return list;
}

json_t *model_describe(const char *name, const struct model *model)
{
    char pooling[POOLING_NAME_SIZE];
    const struct registry_model *known = registry_find(name);

    model_pooling_name(&model->pooling, pooling);
    if (!model->pooling.count)
        snprintf(pooling, sizeof pooling, "none");
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:s, s:b, s:s, s:s?, s:s?, "
        "s:s?, s:o, s:o}",
        "name", name, "folder", model->folder, "fingerprint", model->fingerprint, "architecture",
        model->architecture, "layers", (json_int_t)model->layers, "hidden_size",
        (json_int_t)model->hidden_size, "heads", (json_int_t)model->heads, "intermediate_size",
        (json_int_t)model->intermediate_size, "vocabulary_size", (json_int_t)model->vocabulary_size,
        "max_seq_length", (json_int_t)model->max_seq_length, "dimension",
        (json_int_t)model->dimension, "truncate_dim", describe_cut(model), "pooling", pooling,
        "normalize", (int)model->normalize, "similarity", model->similarity, "query_prompt",
        model->query_prompt, "document_prompt", model->document_prompt, "default_prompt_name",
        model->default_prompt_name, "prompts", describe_prompts(model), "modules",
        describe_modules(model, pooling));
    json_t *packed = describe_packed(model);
    if (json && packed)
        json_object_set_new(json, "packed_weights", packed);
    if (json && known && known->licence)
        json_object_set_new(json, "licence", json_string(known->licence));
    return json;
}

static void print_scalar(const json_t *value)
{
    if (json_is_string(value))
        printf("%s", json_string_value(value));
    else if (json_is_boolean(value))
        printf("%s", json_is_true(value) ? "yes" : "no");
    else
        printf("%lld", (long long)json_integer_value(value));
}

/* "Dense, in_features 768, out_features 256, ...". */
static void print_module(const json_t *module)
{
    const char *key;
    json_t *value;

    printf("%-18s %s", "module", json_string_value(json_object_get(module, "type")));
    json_object_foreach((json_t *)(uintptr_t)module, key, value)
    {
        if (strcmp(key, "type") == 0)
            continue;
        printf(", %s ", key);
        print_scalar(value);
    }
    putchar('\n');
}

static void print_prompts(const json_t *prompts)
{
    const char *name;
    json_t *text;

    json_object_foreach((json_t *)(uintptr_t)prompts, name, text)
        printf("%-18s %s: \"%s\"\n", "prompt", name, json_string_value(text));
}

static void print_packed(const json_t *file)
{
    printf("%-18s %s, %lld bytes\n", "packed_weights",
           json_string_value(json_object_get(file, "file")),
           (long long)json_integer_value(json_object_get(file, "bytes")));
}

void model_print(const json_t *description)
{
    const char *key;
    json_t *value;
    size_t i;
    json_t *module;

    json_object_foreach((json_t *)(uintptr_t)description, key, value)
    {
        if (json_is_array(value)) {
            bool packed = strcmp(key, "packed_weights") == 0;
            json_array_foreach(value, i, module)(packed ? print_packed : print_module)(module);
        } else if (json_is_object(value)) {
            print_prompts(value);
        } else if (!json_is_null(value)) {
            printf("%-18s ", key);
            print_scalar(value);
            putchar('\n');
        }
    }
}
