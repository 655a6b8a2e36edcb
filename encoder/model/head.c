/* Reading what follows pooling. Each module must take as many floats as the one before it gives. */
#include "encoder/model/head.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "encoder/model/config.h"
#include "encoder/model/modules.h"
#include "encoder/model/weights.h"

/* Wider vectors than any model's are damage. */
enum { WIDTH_LIMIT = 1 << 20 };

static const struct {
    const char *type;
    enum head_kind kind;
} kinds[] = {
    {"Normalize", HEAD_NORMALIZE},
    {"Dense", HEAD_DENSE},
    {"LayerNorm", HEAD_LAYER_NORM},
};

static int list_one(struct model *model, const json_t *module, struct err *err)
{
    const char *type = module_type(module);
    struct head_module *head = &model->head[model->head_count];

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(type, kinds[i].type) != 0)
            continue;
        head->kind = kinds[i].kind;
        int r = module_folder(model->folder, module, &head->folder, err);
        if (r == 0)
            model->head_count++;
        return r;
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "%s/modules.json: after Pooling stands %.64s; supported there are Dense, "
                   "LayerNorm and Normalize",
                   model->folder, type);
}

int head_list(struct model *model, const json_t *modules, struct err *err)
{
    size_t count = json_array_size(modules);

    if (count <= 2)
        return 0;
    model->head = calloc(count - 2, sizeof *model->head);
    if (!model->head)
        return err_memory(err, "the list of modules");
    for (size_t i = 2; i < count; i++) {
        int r = list_one(model, json_array_get(modules, i), err);
        if (r < 0)
            return r;
    }
    if (model->head[model->head_count - 1].kind == HEAD_NORMALIZE) {
        model->normalize = true;
        free(model->head[--model->head_count].folder);
    }
    return 0;
}

/* --- settings --- */

static int read_width(const json_t *json, const char *key, const char *folder, size_t *ret_width,
                      struct err *err)
{
    const json_t *value = json_object_get(json, key);
    json_int_t width = json_integer_value(value);

    if (width < 1 || width > WIDTH_LIMIT)
        return err_set(err, ERR_CORRUPT, "%s/config.json: %s is not a number from 1 to %d", folder,
                       key, WIDTH_LIMIT);
    *ret_width = (size_t)width;
    return 0;
}

/* A class by its dotted path: "torch.nn.modules.activation.Tanh". Without one it is Tanh. */
static int read_activation(const json_t *json, struct head_module *head, struct err *err)
{
    const json_t *value = json_object_get(json, "activation_function");
    const char *path = value ? json_string_value(value) : "torch.nn.Tanh";

    if (path && activation_of_torch(path, &head->activation))
        return 0;
    return err_set(err, ERR_UNSUPPORTED,
                   "%s/config.json: the activation_function %.100s is not one of torch.nn's %s",
                   head->folder, path ? path : "(not a string)", activation_torch_names);
}

/* A Dense module may work on something else than the vector, which nothing here would give it. */
static int check_place(const json_t *json, const char *key, const char *folder, struct err *err)
{
    const json_t *value = json_object_get(json, key);
    const char *name = json_string_value(value);

    if (!value || json_is_null(value) || (name && strcmp(name, "sentence_embedding") == 0))
        return 0;
    return err_set(err, ERR_UNSUPPORTED, "%s/config.json: %s is not sentence_embedding", folder,
                   key);
}

static int read_flag(const json_t *json, const char *key, bool otherwise, const char *folder,
                     bool *ret_flag, struct err *err)
{
    const json_t *value = json_object_get(json, key);
    if (value && !json_is_boolean(value))
        return err_set(err, ERR_CORRUPT, "%s/config.json: %s is neither true nor false", folder,
                       key);
    *ret_flag = value ? json_is_true(value) : otherwise;
    return 0;
}

static int read_dense(struct head_module *head, const json_t *json, struct err *err)
{
    struct linear *linear = &head->linear, *projection = &head->projection;
    bool bias = true;
    int r = read_width(json, "in_features", head->folder, &linear->in, err);
    if (r == 0)
        r = read_width(json, "out_features", head->folder, &linear->out, err);
    if (r == 0)
        r = read_activation(json, head, err);
    if (r == 0)
        r = check_place(json, "module_input_name", head->folder, err);
    if (r == 0)
        r = check_place(json, "module_output_name", head->folder, err);
    if (r == 0)
        r = read_flag(json, "bias", true, head->folder, &bias, err);
    if (r == 0)
        r = read_flag(json, "use_residual", false, head->folder, &head->residual, err);
    if (r == 0)
        r = weights_open(&head->storage, head->folder, err);
    if (r == 0)
        r = weights_get(head->storage, "linear.weight", linear->out, linear->in, &linear->weight,
                        err);
    if (r == 0 && bias)
        r = weights_get(head->storage, "linear.bias", linear->out, 0, &linear->bias, err);
    *projection = (struct linear){.in = linear->in, .out = linear->out};
    if (r == 0 && head->residual && linear->in != linear->out)
        r = weights_get(head->storage, "residual.weight", linear->out, linear->in,
                        &projection->weight, err);
    head->in = linear->in;
    head->out = linear->out;
    return r;
}

static int read_layer_norm(struct head_module *head, const json_t *json, struct err *err)
{
    head->norm.eps = 1e-5f; /* torch.nn.LayerNorm's, which the module leaves as it is */
    int r = read_width(json, "dimension", head->folder, &head->in, err);
    head->out = head->in;
    if (r == 0)
        r = weights_open(&head->storage, head->folder, err);
    if (r == 0)
        r = weights_get(head->storage, "norm.weight", head->in, 0, &head->norm.weight, err);
    if (r == 0)
        r = weights_get(head->storage, "norm.bias", head->in, 0, &head->norm.bias, err);
    return r;
}

static int read_one(struct head_module *head, size_t width, struct err *err)
{
    json_t *json;

    head->in = head->out = width;
    if (head->kind == HEAD_NORMALIZE)
        return 0;
    int r = config_read_object(&json, head->folder, "config.json", err);
    if (r < 0)
        return r;
    r = head->kind == HEAD_DENSE ? read_dense(head, json, err) : read_layer_norm(head, json, err);
    json_decref(json);
    if (r == 0 && head->in != width)
        r = err_set(err, ERR_CORRUPT,
                    "%s/config.json: it takes %zu floats, but the module before gives %zu",
                    head->folder, head->in, width);
    return r;
}

int head_read(struct model *model, struct err *err)
{
    size_t width = model->pooled_size;
    int r = 0;

    model->widest = width;
    for (size_t i = 0; r == 0 && i < model->head_count; i++) {
        r = read_one(&model->head[i], width, err);
        width = model->head[i].out;
        if (width > model->widest)
            model->widest = width;
    }
    model->dimension = width;
    return r;
}

int head_each_file(const struct model *model,
                   int (*each)(void *argument, const char *path, struct err *err), void *argument,
                   struct err *err)
{
    for (size_t i = 0; i < model->head_count; i++) {
        if (!model->head[i].storage)
            continue;
        size_t count;
        char *const *paths = weights_paths(model->head[i].storage, &count);
        for (size_t f = 0; f < count; f++) {
            int r = each(argument, paths[f], err);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

void head_close(struct model *model)
{
    for (size_t i = 0; i < model->head_count; i++) {
        weights_close(model->head[i].storage);
        free(model->head[i].folder);
    }
    free(model->head);
}
