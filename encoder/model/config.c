/* Reading config.json. What the forward pass does not do is refused by its name here. */
#include "encoder/model/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* Sizes beyond any model there is: a larger one is damage. */
enum { SIZE_LIMIT = 1 << 24, LAYERS_LIMIT = 1 << 10 };

int config_read_object(json_t **ret_json, const char *folder, const char *name, struct err *err)
{
    char *path = file_join(folder, name);
    int r = path ? json_read_object(ret_json, path, CONFIG_LIMIT, err) : err_memory(err, name);
    free(path);
    return r;
}

static int read_size(const json_t *json, const char *key, size_t minimum, size_t limit,
                     size_t *ret_size, const char *folder, struct err *err)
{
    const json_t *value = json_object_get(json, key);
    double number = json_number_value(value);

    if (!value)
        return err_set(err, ERR_CORRUPT, "%s/config.json has no %s", folder, key);
    if (!json_is_number(value) || number != floor(number) || number < (double)minimum ||
        number > (double)limit)
        return err_set(err, ERR_CORRUPT, "%s/config.json: %s is not a number from %zu to %zu",
                       folder, key, minimum, limit);
    *ret_size = (size_t)number;
    return 0;
}

static int read_sizes(struct model *model, const json_t *json, const struct family_keys *keys,
                      struct err *err)
{
    const struct {
        const char *key;
        size_t limit;
        size_t *ret_size;
    } sizes[] = {
        {keys->vocabulary_size, SIZE_LIMIT, &model->vocabulary_size},
        {keys->hidden_size, SIZE_LIMIT, &model->hidden_size},
        {keys->layers, LAYERS_LIMIT, &model->layers},
        {keys->heads, SIZE_LIMIT, &model->heads},
        {keys->intermediate_size, SIZE_LIMIT, &model->intermediate_size},
        {keys->max_positions, SIZE_LIMIT, &model->max_positions},
        {keys->type_vocabulary_size, SIZE_LIMIT, &model->type_vocabulary_size},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i].key)
            r = read_size(json, sizes[i].key, 1, sizes[i].limit, sizes[i].ret_size,
                          model->transformer_folder, err);
    if (r == 0 && model->hidden_size % model->heads != 0)
        r = err_set(err, ERR_CORRUPT, "%s/config.json: %zu heads do not divide %s %zu",
                    model->transformer_folder, model->heads, keys->hidden_size, model->hidden_size);
    return r;
}

/* Where positions begin, and how many kinds of relative ones there are. After the sizes. */
static int read_positions(struct model *model, const json_t *json, const struct family *family,
                          struct err *err)
{
    const struct family_keys *keys = &family->keys;
    const char *folder = model->transformer_folder;
    size_t padding_id = family->padding_id;
    int r = 0;

    if (keys->padding_id && json_object_get(json, keys->padding_id))
        r = read_size(json, keys->padding_id, 0, SIZE_LIMIT, &padding_id, folder, err);
    model->positions_after_padding = family->positions_after_padding;
    model->position_offset = family->positions_after_padding ? padding_id + 1 : 0;
    model->relative_buckets = family->relative_buckets;
    if (r == 0 && keys->relative_buckets && json_object_get(json, keys->relative_buckets))
        r = read_size(json, keys->relative_buckets, 4, SIZE_LIMIT, &model->relative_buckets, folder,
                      err);
    if (r == 0 && model->relative_buckets != family->relative_buckets)
        r = err_set(err, ERR_UNSUPPORTED, "%s/config.json: %s is not %zu", folder,
                    keys->relative_buckets, family->relative_buckets);
    if (r == 0 && model->max_positions <= model->position_offset)
        r = err_set(err, ERR_CORRUPT, "%s/config.json: %s is too small", folder,
                    keys->max_positions);
    return r;
}

static int read_activation(struct model *model, const json_t *json, const char *key,
                           struct err *err)
{
    const json_t *value = json_object_get(json, key);
    const char *name = value ? json_string_value(value) : "gelu";

    if (name && activation_of_transformers(name, &model->activation))
        return 0;
    return err_set(err, ERR_UNSUPPORTED, "%s/config.json: the activation %s %.64s is not one of %s",
                   model->transformer_folder, key, name ? name : "(not a string)",
                   activation_transformers_names);
}

static int find_family(const json_t *json, const char *folder, const struct family **ret_family,
                       struct err *err)
{
    const char *type = json_string_value(json_object_get(json, "model_type"));
    const json_t *classes = json_object_get(json, "architectures");
    const char *class_name = json_string_value(json_array_get(classes, 0));
    const struct family *family = family_find(type, class_name);

    if (!family)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s/config.json: models of the type %.64s are not supported (%s are)",
                       folder,
                       type         ? type
                       : class_name ? class_name
                                    : "(none given)",
                       FAMILY_NAMES);
    if (class_name && !family_has_class(family, class_name))
        return err_set(err, ERR_UNSUPPORTED,
                       "%s/config.json: the architecture %.64s is not supported (%sModel is)",
                       folder, class_name, family->classes);
    *ret_family = family;
    return 0;
}

/* Settings that would change the arithmetic. */
static int refuse_variants(const json_t *json, const char *folder, struct err *err)
{
    const json_t *positions = json_object_get(json, "position_embedding_type");
    const char *type = json_string_value(positions);

    if (positions && !json_is_null(positions) && (!type || strcmp(type, "absolute") != 0))
        return err_set(err, ERR_UNSUPPORTED,
                       "%s/config.json: position_embedding_type %.64s is not supported (absolute "
                       "is)",
                       folder, type ? type : "(not a string)");
    if (json_is_true(json_object_get(json, "is_decoder")))
        return err_set(err, ERR_UNSUPPORTED,
                       "%s/config.json: is_decoder is true, and decoders are not supported",
                       folder);
    return 0;
}

int config_read(struct model *model, const struct family **ret_family, float *ret_eps,
                struct err *err)
{
    const char *folder = model->transformer_folder;
    const struct family *family = NULL;
    json_t *json;
    int r = config_read_object(&json, folder, "config.json", err);
    if (r < 0)
        return r;
    r = find_family(json, folder, &family, err);
    if (r == 0)
        r = refuse_variants(json, folder, err);
    if (r < 0)
        goto out;
    model->architecture = family->model_type;
    r = read_sizes(model, json, &family->keys, err);
    if (r == 0)
        r = read_positions(model, json, family, err);
    if (r == 0)
        r = read_activation(model, json, family->keys.activation, err);
    if (r < 0)
        goto out;
    const json_t *eps = NULL;
    if (family->keys.layer_norm_eps)
        eps = json_object_get(json, family->keys.layer_norm_eps);
    double value = eps ? json_number_value(eps) : family->layer_norm_eps;
    if (!(value > 0 && value < 1)) {
        r = err_set(err, ERR_CORRUPT, "%s/config.json: %s is not between 0 and 1", folder,
                    family->keys.layer_norm_eps);
        goto out;
    }
    *ret_family = family;
    *ret_eps = (float)value;
out:
    json_decref(json);
    return r;
}
