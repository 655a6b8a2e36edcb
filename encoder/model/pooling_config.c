/* Reading 1_Pooling/config.json: old saves have a key for each mode and one order, new ones a list.
 */
#include "encoder/model/pooling_config.h"

#include <stdio.h>
#include <string.h>

#include "encoder/model/config.h"

/* In the order of concatenation that the old keys have. */
static const struct {
    const char *name;    /* in the new `pooling_mode` */
    const char *old_key; /* true or false */
} pooling_modes[] = {
    [POOLING_CLS] = {"cls", "pooling_mode_cls_token"},
    [POOLING_MAX] = {"max", "pooling_mode_max_tokens"},
    [POOLING_MEAN] = {"mean", "pooling_mode_mean_tokens"},
    [POOLING_MEAN_SQRT_LEN] = {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens"},
    [POOLING_WEIGHTED_MEAN] = {"weightedmean", "pooling_mode_weightedmean_tokens"},
    [POOLING_LAST_TOKEN] = {"lasttoken", "pooling_mode_lasttoken"},
};
enum { POOLING_MODES = sizeof pooling_modes / sizeof pooling_modes[0] };

void model_pooling_name(const struct pooling *pooling, char ret_name[POOLING_NAME_SIZE])
{
    size_t used = 0;

    ret_name[0] = '\0';
    for (size_t i = 0; i < pooling->count; i++)
        used += (size_t)snprintf(ret_name + used, POOLING_NAME_SIZE - used, "%s%s", i ? "+" : "",
                                 pooling_modes[pooling->modes[i]].name);
}

struct pooling pooling_by_default(void)
{
    return (struct pooling){.modes = {POOLING_MEAN}, .count = 1};
}

static int add_mode(struct pooling *pooling, const char *name, const char *folder, struct err *err)
{
    for (int mode = 0; name && mode < POOLING_MODES; mode++) {
        if (strcmp(pooling_modes[mode].name, name) == 0) {
            pooling->modes[pooling->count++] = (enum pooling_mode)mode;
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "%s/config.json: the pooling_mode %.64s is not one of cls, max, mean, "
                   "mean_sqrt_len_tokens, weightedmean, lasttoken",
                   folder, name ? name : "(not a string)");
}

/* The new key: a name, or a list of names whose order is that of concatenation. */
static int read_modes(struct pooling *pooling, const json_t *value, const char *folder,
                      struct err *err)
{
    size_t count = json_array_size(value);
    int r = 0;

    if (!json_is_array(value))
        return add_mode(pooling, json_string_value(value), folder, err);
    if (count < 1 || count > POOLING_LIMIT)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s/config.json: pooling_mode lists %zu modes, where 1 to %d are supported",
                       folder, count, POOLING_LIMIT);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = add_mode(pooling, json_string_value(json_array_get(value, i)), folder, err);
    return r;
}

static void read_old_keys(struct pooling *pooling, const json_t *json)
{
    for (int mode = 0; mode < POOLING_MODES; mode++)
        if (json_is_true(json_object_get(json, pooling_modes[mode].old_key)))
            pooling->modes[pooling->count++] = (enum pooling_mode)mode;
    if (pooling->count == 0)
        *pooling = pooling_by_default();
}

static int read_pooling(struct model *model, const json_t *json, const char *folder,
                        struct err *err)
{
    const json_t *size = json_object_get(json, "embedding_dimension");
    const json_t *modes = json_object_get(json, "pooling_mode");
    const json_t *include_prompt = json_object_get(json, "include_prompt");
    struct pooling pooling = {.count = 0};
    int r = 0;

    if (!size)
        size = json_object_get(json, "word_embedding_dimension");
    if (json_number_value(size) != (double)model->hidden_size)
        return err_set(err, ERR_CORRUPT,
                       "%s/config.json: embedding_dimension is not the transformer's hidden size "
                       "%zu",
                       folder, model->hidden_size);
    if (include_prompt && !json_is_boolean(include_prompt))
        return err_set(err, ERR_CORRUPT, "%s/config.json: include_prompt is neither true nor false",
                       folder);
    if (modes)
        r = read_modes(&pooling, modes, folder, err);
    else
        read_old_keys(&pooling, json);
    pooling.without_prompt = json_is_false(include_prompt);
    if (r == 0)
        model->pooling = pooling;
    return r;
}

int pooling_config_read(struct model *model, const char *folder, struct err *err)
{
    if (folder) {
        json_t *json;
        int r = config_read_object(&json, folder, "config.json", err);
        if (r < 0)
            return r;
        r = read_pooling(model, json, folder, err);
        json_decref(json);
        if (r < 0)
            return r;
    }
    model->pooled_size = model->hidden_size * model->pooling.count;
    return 0;
}
