/* The set of weight files of a folder: opening shards, and where the numbers of tensors are as f32.
 *
 * It does not know which tensors a model needs; load.c asks for them.
 */
#include "encoder/model/weights.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/json.h"
#include "encoder/model/halves.h"
#include "encoder/model/safetensors.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are used as they lie in files");

enum { INDEX_LIMIT = 64 << 20, SHARD_LIMIT = 1000 };

struct model_storage {
    char **paths;
    struct safetensors **files; /* [count], as paths */
    size_t count;
    struct arena converted; /* tensors that were not f32 */
    struct weights_tensor *given;
    size_t given_count, given_capacity;
};

/* Adds a file to the set, which has room for it; takes `path` over. */
static int add_file(struct model_storage *weights, char *path, struct err *err)
{
    if (!path)
        return err_memory(err, "a path");
    int r = safetensors_open(&weights->files[weights->count], path, err);
    if (r < 0) {
        free(path);
        return r;
    }
    weights->paths[weights->count++] = path;
    return 0;
}

static int make_room(struct model_storage *weights, size_t count, struct err *err)
{
    weights->paths = calloc(count + 1, sizeof *weights->paths);
    weights->files = calloc(count + 1, sizeof *weights->files);
    return weights->paths && weights->files ? 0 : err_memory(err, "the list of weight files");
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Opens each different file that the index's weight_map names, in the order of their names. */
static int open_named_shards(struct model_storage *weights, const char *folder, json_t *map,
                             const char *index, struct err *err)
{
    size_t count = 0, different = 0;
    const char *key;
    json_t *value;
    int r = 0;
    const char **names = calloc(json_object_size(map) + 1, sizeof *names);
    if (!names)
        return err_memory(err, index);

    json_object_foreach(map, key, value)
    {
        const char *name = json_string_value(value);
        if (!name || !*name || strchr(name, '/')) {
            r = err_set(err, ERR_CORRUPT, "%s: weight_map names no file for %.100s", index, key);
            goto out;
        }
        names[count++] = name;
    }
    if (count)
        qsort(names, count, sizeof *names, compare_strings);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            names[different++] = names[i];
    if (different == 0 || different > SHARD_LIMIT) {
        r = err_set(err, ERR_CORRUPT, "%s: weight_map names %zu files", index, different);
        goto out;
    }
    r = make_room(weights, different, err);
    for (size_t i = 0; r == 0 && i < different; i++)
        r = add_file(weights, file_join(folder, names[i]), err);
out:
    free(names);
    return r;
}

static int open_shards(struct model_storage *weights, const char *folder, const char *index,
                       struct err *err)
{
    json_t *json;
    int r = json_read_object(&json, index, INDEX_LIMIT, err);
    if (r < 0)
        return r;
    json_t *map = json_object_get(json, "weight_map");
    if (json_is_object(map))
        r = open_named_shards(weights, folder, map, index, err);
    else
        r = err_set(err, ERR_CORRUPT, "%s has no weight_map", index);
    json_decref(json);
    return r;
}

/* What to say of a folder without safetensors. */
static int refuse_other_formats(const char *folder, struct err *err)
{
    int r;
    char *pickle = file_join(folder, "pytorch_model.bin");
    if (!pickle)
        return err_memory(err, folder);
    if (file_exists(pickle))
        r = err_set(err, ERR_UNSUPPORTED,
                    "%s is a pickle, which can run code when it is read. Convert it once: cd '%s' "
                    "&& python3 -c \"import torch, safetensors.torch as s; w = "
                    "torch.load('pytorch_model.bin', map_location='cpu', weights_only=True); "
                    "s.save_file({k: v.clone().contiguous() for k, v in w.items()}, "
                    "'model.safetensors')\"",
                    pickle, folder);
    else
        r = err_set(err, ERR_NOT_FOUND, "%s has no model.safetensors", folder);
    free(pickle);
    return r;
}

int weights_open(struct model_storage **ret_weights, const char *folder, struct err *err)
{
    int r;
    struct model_storage *weights = calloc(1, sizeof *weights);
    char *whole = file_join(folder, "model.safetensors");
    char *index = file_join(folder, "model.safetensors.index.json");

    if (!weights || !whole || !index) {
        r = err_memory(err, folder);
        goto out;
    }
    if (file_exists(whole)) {
        r = make_room(weights, 1, err);
        if (r == 0) {
            r = add_file(weights, whole, err);
            whole = NULL;
        }
    } else if (file_exists(index)) {
        r = open_shards(weights, folder, index, err);
    } else {
        r = refuse_other_formats(folder, err);
    }
    if (r < 0)
        goto out;
    *ret_weights = weights;
    weights = NULL;
out:
    weights_close(weights);
    free(whole);
    free(index);
    return r;
}

static size_t widened_size(const struct weights_tensor *tensor)
{
    return tensor->rows * tensor->columns * sizeof(float);
}

void weights_close(struct model_storage *weights)
{
    if (!weights)
        return;
    for (size_t i = 0; i < weights->count; i++) {
        safetensors_close(weights->files[i]);
        free(weights->paths[i]);
    }
    free(weights->files);
    free(weights->paths);
    for (size_t i = 0; i < weights->given_count; i++)
        if (weights->given[i].halves)
            (void)munmap((void *)(uintptr_t)weights->given[i].numbers,
                         widened_size(&weights->given[i]));
    arena_release(&weights->converted);
    free(weights->given);
    free(weights);
}

void weights_forget(const struct model_storage *weights)
{
    for (size_t i = 0; weights && i < weights->count; i++)
        safetensors_forget(weights->files[i]);
}

char *const *weights_paths(const struct model_storage *weights, size_t *ret_count)
{
    *ret_count = weights->count;
    return weights->paths;
}

static const struct tensor *find(const struct model_storage *weights, const char *name,
                                 const char **ret_path)
{
    for (size_t i = 0; i < weights->count; i++) {
        const struct tensor *tensor = safetensors_find(weights->files[i], name);
        if (tensor) {
            *ret_path = weights->paths[i];
            return tensor;
        }
    }
    return NULL;
}

bool weights_have(const struct model_storage *weights, const char *name)
{
    const char *path;
    return find(weights, name, &path) != NULL;
}

static const float *convert(struct model_storage *weights, const struct tensor *tensor)
{
    size_t count = tensor->size / sizeof(uint16_t);
    float *numbers = arena_alloc(&weights->converted, count, sizeof *numbers);

    if (numbers)
        halves_widen(tensor->dtype, tensor->data, count, numbers);
    return numbers;
}

static int note_given(struct model_storage *weights, const struct weights_tensor *tensor,
                      struct err *err)
{
    if (weights->given_count == weights->given_capacity) {
        size_t capacity = weights->given_capacity ? 2 * weights->given_capacity : 64;
        struct weights_tensor *given = reallocarray(weights->given, capacity, sizeof *given);
        if (!given)
            return err_memory(err, tensor->name);
        weights->given = given;
        weights->given_capacity = capacity;
    }
    weights->given[weights->given_count++] = *tensor;
    return 0;
}

const struct weights_tensor *weights_given(const struct model_storage *weights, size_t *ret_count)
{
    *ret_count = weights->given_count;
    return weights->given;
}

/* The tensor of that name, of this shape and with numbers that can be used. */
static int find_fitting(const struct model_storage *weights, const char *name, size_t rows,
                        size_t columns, const struct tensor **ret_tensor, struct err *err)
{
    const char *path;
    const struct tensor *tensor = find(weights, name, &path);

    if (!tensor)
        return err_set(err, ERR_CORRUPT, "%s: the tensor %s is missing", weights->paths[0], name);
    if (tensor->dimensions != (columns ? 2 : 1) || tensor->shape[0] != rows ||
        (columns && tensor->shape[1] != columns))
        return err_set(err, ERR_CORRUPT,
                       "%s: tensor %s has %zu dimensions (%zu, %zu) where config.json wants (%zu, "
                       "%zu)",
                       path, name, tensor->dimensions, tensor->dimensions ? tensor->shape[0] : 0,
                       tensor->dimensions > 1 ? tensor->shape[1] : 0, rows, columns);
    if (tensor->dtype == DTYPE_OTHER)
        return err_set(err, ERR_UNSUPPORTED, "%s: tensor %s is neither F32 nor F16 nor BF16", path,
                       name);
    *ret_tensor = tensor;
    return 0;
}

int weights_get(struct model_storage *weights, const char *name, size_t rows, size_t columns,
                const float **ret_numbers, struct err *err)
{
    const struct tensor *tensor;
    int r = find_fitting(weights, name, rows, columns, &tensor, err);
    if (r < 0)
        return r;
    const float *numbers = tensor->dtype == DTYPE_F32 ? (const float *)(const void *)tensor->data
                                                      : convert(weights, tensor);
    if (!numbers)
        return err_memory(err, name);
    struct weights_tensor given = {.name = tensor->name, numbers, rows, columns};
    r = note_given(weights, &given, err);
    if (r < 0)
        return r;
    *ret_numbers = numbers;
    return 0;
}

/* --- tables --- */

int weights_get_table(struct model_storage *weights, const char *name, size_t rows, size_t columns,
                      const float **ret_numbers, struct err *err)
{
    const struct tensor *tensor;
    int r = find_fitting(weights, name, rows, columns, &tensor, err);
    if (r < 0)
        return r;
    if (tensor->dtype == DTYPE_F32 || tensor->size == 0)
        return weights_get(weights, name, rows, columns, ret_numbers, err);

    struct weights_tensor given = {tensor->name, NULL, rows, columns, tensor->data, tensor->dtype};
    void *room = mmap(NULL, widened_size(&given), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return err_memory(err, name);
    given.numbers = room;
    r = note_given(weights, &given, err);
    if (r < 0) {
        (void)munmap(room, widened_size(&given));
        return r;
    }
    *ret_numbers = given.numbers;
    return 0;
}

const struct weights_tensor *weights_find(const struct model_storage *weights, const float *numbers)
{
    for (size_t i = 0; weights && i < weights->given_count; i++)
        if (weights->given[i].numbers == numbers)
            return &weights->given[i];
    return NULL;
}

void weights_widen(const struct model_storage *weights, const float *numbers)
{
    const struct weights_tensor *tensor = weights_find(weights, numbers);
    if (tensor && tensor->halves)
        halves_widen(tensor->dtype, tensor->halves, tensor->rows * tensor->columns,
                     (float *)(uintptr_t)numbers);
}

void weights_drop(const struct model_storage *weights, const float *numbers)
{
    const struct weights_tensor *tensor = weights_find(weights, numbers);
    if (tensor && tensor->halves)
        (void)madvise((void *)(uintptr_t)numbers, widened_size(tensor), MADV_DONTNEED);
}

const float *weights_row(const struct weights_tensor *table, size_t row, float *room)
{
    size_t first = row * table->columns;
    if (!table->halves)
        return table->numbers + first;
    halves_widen(table->dtype, table->halves + first * sizeof(uint16_t), table->columns, room);
    return room;
}
