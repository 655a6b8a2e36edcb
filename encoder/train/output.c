/* A trained model as a folder: the base's tensors with their new numbers, and the base's other
 * files copied beside them, so that what loaded the base loads the result. */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "encoder/model/config.h"
#include "encoder/model/safetensors.h"
#include "encoder/model/weights.h"
#include "encoder/train/tensor_file.h"
#include "encoder/train/trainer.h"
#include "encoder/transformer/weight_cache.h"

enum { NAME_SIZE = 256, COPY_LIMIT = 64 << 20 };

/* --- the small files --- */

/* Weights, packed ones too, are written anew or would be those of the base, and its card is not the
 * result's. */
static bool is_left_out(const char *name)
{
    static const char *const endings[] = {".safetensors", ".bin",        ".h5", ".onnx", ".msgpack",
                                          ".ot",          ".index.json", ".md", ".tmp"};
    size_t length = strlen(name);

    if (name[0] == '.' || strcmp(name, "config.json") == 0 ||
        fnmatch(WEIGHT_CACHE_PATTERN "*", name, 0) == 0)
        return true;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t ending = strlen(endings[i]);
        if (length >= ending && strcmp(name + length - ending, endings[i]) == 0)
            return true;
    }
    return false;
}

static int copy_file(const char *from_folder, const char *to_folder, const char *name,
                     struct err *err)
{
    char *from = file_join(from_folder, name), *to = file_join(to_folder, name), *data = NULL;
    struct stat status;
    size_t size;
    int r = from && to ? 0 : err_memory(err, name);

    if (r == 0 && stat(from, &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_size <= COPY_LIMIT) {
        r = file_read(&data, &size, from, COPY_LIMIT, err);
        if (r == 0)
            r = file_write(to, data, size, 0644, err);
    }
    free(data);
    free(from);
    free(to);
    return r;
}

/* Copies the small files of a folder, to which all that describes a model belongs; `with_config`
 * its config.json too. */
static int copy_files(const char *from, const char *to, bool with_config, struct err *err)
{
    DIR *folder = opendir(from);
    const struct dirent *entry;
    int r = folder ? file_make_folder(to, 0755, err)
                   : err_set_errno(err, errno, "cannot read the folder %s", from);

    while (r == 0 && (entry = readdir(folder)))
        if (!is_left_out(entry->d_name))
            r = copy_file(from, to, entry->d_name, err);
    if (r == 0 && with_config)
        r = copy_file(from, to, "config.json", err);
    if (folder)
        closedir(folder);
    return r;
}

/* The transformer's configuration, with the precision and the layers that were written. */
static int write_config(const struct model *model, const char *to, struct err *err)
{
    static const char *const precisions[] = {"dtype", "torch_dtype"};
    static const char *const layers[] = {"num_hidden_layers", "n_layers"};
    json_t *json;
    struct buf text = {0};
    char *path = file_join(to, "config.json");

    int r = config_read_object(&json, model->transformer_folder, "config.json", err);
    if (r < 0) {
        free(path);
        return r;
    }
    for (int i = 0; i < 2; i++) {
        if (json_object_get(json, precisions[i]))
            json_object_set_new(json, precisions[i], json_string("float32"));
        if (json_object_get(json, layers[i]))
            json_object_set_new(json, layers[i], json_integer((json_int_t)model->layers));
    }
    if (!path || json_append(&text, json, JSON_INDENT(2)) < 0 || buf_append_byte(&text, '\n') < 0)
        r = err_memory(err, "config.json");
    else
        r = file_write(path, text.data, text.size, 0644, err);
    json_decref(json);
    buf_release(&text);
    free(path);
    return r;
}

/* --- the weights --- */

/* The tensors of one folder's new model.safetensors. */
struct tensor_list {
    struct tensor_out *tensors;
    char (*names)[NAME_SIZE];
    size_t count;
};

/* Where the number of a layer begins in a tensor's name, or NULL: "encoder.layer.3.output" has one
 * after the family's "encoder.layer.". */
static char *layer_number(const char *name)
{
    static const char *const befores[] = {"encoder.layer.", "transformer.layer."};
    for (int i = 0; i < 2; i++) {
        char *at = strstr(name, befores[i]);
        if (at)
            return at + strlen(befores[i]);
    }
    return NULL;
}

/* The name that a tensor has where only some layers are kept; false where its layer is not. */
static bool rename_layer(const struct train_settings *settings, const char *name,
                         char ret_name[NAME_SIZE])
{
    const char *number = layer_number(name);
    char *rest;

    snprintf(ret_name, NAME_SIZE, "%s", name);
    if (settings->keep_count == 0 || !number)
        return true;
    size_t layer = strtoul(number, &rest, 10);
    for (size_t i = 0; i < settings->keep_count; i++) {
        if (settings->keep_layers[i] != layer)
            continue;
        snprintf(ret_name, NAME_SIZE, "%.*s%zu%s", (int)(number - name), name, i, rest);
        return true;
    }
    return false;
}

static const struct parameter *find_parameter(const struct parameters *parameters, int place,
                                              const char *name)
{
    for (size_t i = 0; i < parameters->count; i++)
        if (parameters->list[i].place == place && strcmp(parameters->list[i].name, name) == 0)
            return &parameters->list[i];
    return NULL;
}

static const char *dtype_name(enum dtype dtype)
{
    return dtype == DTYPE_F32 ? "F32" : dtype == DTYPE_F16 ? "F16" : "BF16";
}

/* Takes a tensor of the base over: with its new numbers, or as it is. Those that are no floats
 * (position_ids) are what the library makes itself. */
static void list_tensor(const struct trainer *trainer, int place, const struct tensor *base,
                        struct tensor_list *list)
{
    const struct parameters *parameters = &trainer->parameters;
    const struct parameter *parameter = find_parameter(parameters, place, base->name);
    struct tensor_out *tensor = &list->tensors[list->count];

    if (base->dtype == DTYPE_OTHER ||
        !rename_layer(&trainer->settings, base->name, list->names[list->count]))
        return;
    *tensor = (struct tensor_out){.name = list->names[list->count],
                                  .dtype = dtype_name(base->dtype),
                                  .dimensions = base->dimensions,
                                  .data = base->data,
                                  .size = base->size};
    memcpy(tensor->shape, base->shape, sizeof tensor->shape);
    if (parameter) {
        tensor->dtype = "F32";
        tensor->data = parameters->numbers + parameter->offset;
        tensor->size = parameter->size * sizeof(float);
    }
    list->count++;
}

/* Opens the base's weight files of one folder again and writes what they become. */
static int write_weights(const struct trainer *trainer, int place, const char *from, const char *to,
                         struct err *err)
{
    struct model_storage *weights = NULL;
    struct safetensors **files = NULL;
    struct tensor_list list = {0};
    size_t count = 0, opened = 0, most = 0;
    char *path = file_join(to, "model.safetensors");

    int r = path ? weights_open(&weights, from, err) : err_memory(err, to);
    if (r < 0)
        goto out;
    char *const *paths = weights_paths(weights, &count);
    files = calloc(count, sizeof(struct safetensors *));
    for (; r == 0 && files && opened < count; opened += r == 0) {
        r = safetensors_open(&files[opened], paths[opened], err);
        most += r == 0 ? safetensors_count(files[opened]) : 0;
    }
    list.tensors = calloc(most + 1, sizeof *list.tensors);
    list.names = calloc(most + 1, sizeof *list.names);
    if (!files || !list.tensors || !list.names)
        r = err_memory(err, path);
    for (size_t f = 0; r == 0 && f < count; f++)
        for (size_t i = 0; i < safetensors_count(files[f]); i++)
            list_tensor(trainer, place, safetensors_at(files[f], i), &list);
    if (r == 0)
        r = tensor_file_write(path, list.tensors, list.count, err);
out:
    for (size_t f = 0; f < opened; f++)
        safetensors_close(files[f]);
    weights_close(weights);
    free(files);
    free(list.tensors);
    free(list.names);
    free(path);
    return r;
}

static int write_classifier(const struct trainer *trainer, const char *folder, struct err *err)
{
    const struct linear *linear = &trainer->parameters.classifier;
    char *below = file_join(folder, "training");
    char *path = below ? file_join(below, "classifier.safetensors") : NULL;
    const struct tensor_out tensors[] = {
        {"classifier.weight",
         "F32",
         2,
         {linear->out, linear->in},
         linear->weight,
         linear->out * linear->in * sizeof(float)},
        {"classifier.bias", "F32", 1, {linear->out}, linear->bias, linear->out * sizeof(float)},
    };

    int r = path ? file_make_folder(below, 0755, err) : err_memory(err, folder);
    if (r == 0)
        r = tensor_file_write(path, tensors, 2, err);
    free(path);
    free(below);
    return r;
}

/* The place below `folder` that `part` has below the base's folder. */
static char *folder_below(const struct model *model, const char *part, const char *folder)
{
    const char *below = part + strlen(model->folder);
    return *below ? file_join(folder, below + strspn(below, "/")) : strdup(folder);
}

static int write_module(const struct trainer *trainer, size_t i, const char *folder,
                        struct err *err)
{
    const struct model *model = trainer->parameters.model;
    const struct head_module *head = &model->head[i];

    if (head->kind == HEAD_NORMALIZE)
        return 0;
    char *to = folder_below(model, head->folder, folder);
    int r = to ? copy_files(head->folder, to, true, err) : err_memory(err, folder);
    if (r == 0)
        r = write_weights(trainer, (int)i, head->folder, to, err);
    free(to);
    return r;
}

/* The pooling's folder has a configuration and nothing else. */
static int write_pooling(const struct model *model, const char *folder, struct err *err)
{
    json_t *list = NULL;
    char *path = file_join(model->folder, "modules.json"), *from = NULL, *to = NULL;
    int r = path ? 0 : err_memory(err, folder);

    if (r < 0 || !file_exists(path))
        goto out;
    r = json_read(&list, path, CONFIG_LIMIT, err);
    const char *below = json_string_value(json_object_get(json_array_get(list, 1), "path"));
    if (r < 0 || !below || !*below)
        goto out;
    from = file_join(model->folder, below);
    to = file_join(folder, below);
    r = from && to ? copy_files(from, to, true, err) : err_memory(err, folder);
out:
    json_decref(list);
    free(path);
    free(from);
    free(to);
    return r;
}

int trainer_write_model(const struct trainer *trainer, const char *folder, struct err *err)
{
    const struct model *model = trainer->parameters.model;
    char *transformer = folder_below(model, model->transformer_folder, folder);

    int r = transformer ? copy_files(model->folder, folder, false, err) : err_memory(err, folder);
    if (r == 0 && strcmp(model->transformer_folder, model->folder) != 0)
        r = copy_files(model->transformer_folder, transformer, false, err);
    if (r == 0)
        r = write_config(model, transformer, err);
    if (r == 0)
        r = write_pooling(model, folder, err);
    for (size_t i = 0; r == 0 && i < model->head_count; i++)
        r = write_module(trainer, i, folder, err);
    if (r == 0)
        r = write_weights(trainer, PARAMETER_IN_TRANSFORMER, model->transformer_folder, transformer,
                          err);
    if (r == 0 && trainer->parameters.classifier.out)
        r = write_classifier(trainer, folder, err);
    free(transformer);
    return r;
}
