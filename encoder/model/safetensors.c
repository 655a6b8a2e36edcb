/* Reading the safetensors format: every statement of the header is checked, nothing is copied.
 *
 * It knows tensors, not models: names and shapes mean nothing here. Constant after opening.
 */
#include "encoder/model/safetensors.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

/* The reference reader refuses longer headers too. */
enum { LENGTH_SIZE = 8, HEADER_LIMIT = 100 * 1000 * 1000 };

struct safetensors {
    struct file_map map; /* empty where the bytes are the caller's */
    json_t *header;      /* owns the tensors' names */
    struct tensor *tensors;
    size_t count;
};

/* The element types of the format with their size in bits. */
static const struct {
    const char *name;
    enum dtype dtype;
    unsigned bits;
} dtypes[] = {
    {"F32", DTYPE_F32, 32},      {"F16", DTYPE_F16, 16},      {"BF16", DTYPE_BF16, 16},
    {"F64", DTYPE_OTHER, 64},    {"I64", DTYPE_OTHER, 64},    {"U64", DTYPE_OTHER, 64},
    {"I32", DTYPE_OTHER, 32},    {"U32", DTYPE_OTHER, 32},    {"I16", DTYPE_OTHER, 16},
    {"U16", DTYPE_OTHER, 16},    {"I8", DTYPE_OTHER, 8},      {"U8", DTYPE_OTHER, 8},
    {"BOOL", DTYPE_OTHER, 8},    {"C64", DTYPE_OTHER, 64},    {"F8_E5M2", DTYPE_OTHER, 8},
    {"F8_E4M3", DTYPE_OTHER, 8}, {"F8_E8M0", DTYPE_OTHER, 8}, {"F6_E2M3", DTYPE_OTHER, 6},
    {"F6_E3M2", DTYPE_OTHER, 6}, {"F4", DTYPE_OTHER, 4},
};

/* Reads a count that must be a JSON integer of at least 0. */
static bool read_size(const json_t *json, size_t *ret_size)
{
    if (!json_is_integer(json) || json_integer_value(json) < 0)
        return false;
    *ret_size = (size_t)json_integer_value(json);
    return true;
}

static int read_dtype(struct tensor *tensor, const json_t *info, unsigned *ret_bits,
                      const char *file, struct err *err)
{
    const char *name = json_string_value(json_object_get(info, "dtype"));

    if (!name)
        return err_set(err, ERR_CORRUPT, "%s: tensor %s has no dtype", file, tensor->name);
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            tensor->dtype = dtypes[i].dtype;
            *ret_bits = dtypes[i].bits;
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED, "%s: tensor %s has the unknown dtype %.32s", file,
                   tensor->name, name);
}

/* The shape, and in *ret_bytes what shape and element size make. */
static int read_shape(struct tensor *tensor, const json_t *info, unsigned bits, size_t *ret_bytes,
                      const char *file, struct err *err)
{
    const json_t *shape = json_object_get(info, "shape");
    size_t total = bits;

    if (!json_is_array(shape))
        return err_set(err, ERR_CORRUPT, "%s: tensor %s has no shape", file, tensor->name);
    tensor->dimensions = json_array_size(shape);
    if (tensor->dimensions > TENSOR_MAX_DIMENSIONS)
        return err_set(err, ERR_UNSUPPORTED, "%s: tensor %s has %zu dimensions, more than %d", file,
                       tensor->name, tensor->dimensions, TENSOR_MAX_DIMENSIONS);
    for (size_t i = 0; i < tensor->dimensions; i++) {
        if (!read_size(json_array_get(shape, i), &tensor->shape[i]))
            return err_set(err, ERR_CORRUPT, "%s: tensor %s: dimension %zu is not a count", file,
                           tensor->name, i);
        if (__builtin_mul_overflow(total, tensor->shape[i], &total))
            return err_set(err, ERR_CORRUPT, "%s: tensor %s: its shape overflows", file,
                           tensor->name);
    }
    if (total % 8)
        return err_set(err, ERR_CORRUPT, "%s: tensor %s does not end on a byte", file,
                       tensor->name);
    *ret_bytes = total / 8;
    return 0;
}

static int read_range(struct tensor *tensor, const json_t *info, size_t bytes,
                      const unsigned char *data, size_t data_size, const char *file,
                      struct err *err)
{
    const json_t *offsets = json_object_get(info, "data_offsets");
    size_t begin, end;

    if (json_array_size(offsets) != 2 || !read_size(json_array_get(offsets, 0), &begin) ||
        !read_size(json_array_get(offsets, 1), &end) || begin > end)
        return err_set(err, ERR_CORRUPT, "%s: tensor %s: data_offsets is not a range", file,
                       tensor->name);
    if (end > data_size)
        return err_set(err, ERR_CORRUPT,
                       "%s: tensor %s ends at byte %zu of the data, which has only %zu: the file "
                       "is cut short or damaged",
                       file, tensor->name, end, data_size);
    if (end - begin != bytes)
        return err_set(err, ERR_CORRUPT,
                       "%s: tensor %s has %zu bytes where its shape and dtype make %zu", file,
                       tensor->name, end - begin, bytes);
    tensor->data = data + begin;
    tensor->size = bytes;
    if (tensor->dtype == DTYPE_F32 && (uintptr_t)tensor->data % sizeof(float) != 0)
        return err_set(err, ERR_CORRUPT, "%s: tensor %s is not aligned to 4 bytes", file,
                       tensor->name);
    return 0;
}

static int by_place(const void *left, const void *right)
{
    const struct tensor *a = left, *b = right;
    if (a->data != b->data)
        return a->data < b->data ? -1 : 1;
    return (a->size > b->size) - (a->size < b->size);
}

static int by_name(const void *left, const void *right)
{
    const struct tensor *a = left, *b = right;
    return strcmp(a->name, b->name);
}

/* Sorted by place, each tensor must begin where the one before it ended, and the last end the
 * data: so nothing overlaps and no byte is left unexplained. */
static int check_cover(struct safetensors *file, const unsigned char *data, size_t data_size,
                       const char *name, struct err *err)
{
    const unsigned char *expected = data;

    qsort(file->tensors, file->count, sizeof *file->tensors, by_place);
    for (size_t i = 0; i < file->count; i++) {
        const struct tensor *tensor = &file->tensors[i];
        if (tensor->data != expected)
            return err_set(
                err, ERR_CORRUPT, "%s: tensor %s %s byte %zu of the data", name, tensor->name,
                tensor->data < expected ? "overlaps another before" : "leaves a gap after",
                (size_t)(expected - data));
        expected += tensor->size;
    }
    if (expected != data + data_size)
        return err_set(err, ERR_CORRUPT, "%s: the last %zu bytes belong to no tensor", name,
                       (size_t)(data + data_size - expected));
    return 0;
}

static int read_tensors(struct safetensors *file, const unsigned char *data, size_t data_size,
                        const char *name, struct err *err)
{
    const char *key;
    json_t *info;
    unsigned bits = 0;
    size_t bytes = 0;

    file->tensors = calloc(json_object_size(file->header) + 1, sizeof *file->tensors);
    if (!file->tensors)
        return err_memory(err, name);
    json_object_foreach(file->header, key, info)
    {
        if (!json_is_object(info))
            return err_set(err, ERR_CORRUPT, "%s: the header's entry %.64s is not an object", name,
                           key);
        if (strcmp(key, "__metadata__") == 0)
            continue;
        struct tensor *tensor = &file->tensors[file->count++];
        tensor->name = key;
        int r = read_dtype(tensor, info, &bits, name, err);
        if (r == 0)
            r = read_shape(tensor, info, bits, &bytes, name, err);
        if (r == 0)
            r = read_range(tensor, info, bytes, data, data_size, name, err);
        if (r < 0)
            return r;
    }
    return check_cover(file, data, data_size, name, err);
}

static int parse_header(struct safetensors *file, const unsigned char *bytes, size_t size,
                        const char *name, size_t *ret_data_offset, struct err *err)
{
    uint64_t length = 0;

    if (size < LENGTH_SIZE)
        return err_set(err, ERR_CORRUPT, "%s: %zu bytes are too few for a safetensors file", name,
                       size);
    for (int i = LENGTH_SIZE - 1; i >= 0; i--)
        length = length << 8 | bytes[i];
    if (length > size - LENGTH_SIZE || length > HEADER_LIMIT)
        return err_set(err, ERR_CORRUPT,
                       "%s: a header of %llu bytes cannot be in a file of %zu: not a safetensors "
                       "file, or cut short",
                       name, (unsigned long long)length, size);
    int r = json_parse(&file->header, (const char *)bytes + LENGTH_SIZE, (size_t)length, name, err);
    if (r == ERR_INVALID) {
        r = ERR_CORRUPT;
        if (err)
            err->code = r;
    }
    if (r < 0)
        return r;
    if (!json_is_object(file->header))
        return err_set(err, ERR_CORRUPT, "%s: the header is not a JSON object", name);
    *ret_data_offset = LENGTH_SIZE + (size_t)length;
    return 0;
}

int safetensors_parse(struct safetensors **ret_file, const void *data, size_t size,
                      const char *name, struct err *err)
{
    const unsigned char *bytes = data;
    size_t data_offset = 0;
    struct safetensors *file = calloc(1, sizeof *file);
    if (!file)
        return err_memory(err, name);

    int r = parse_header(file, bytes, size, name, &data_offset, err);
    if (r == 0)
        r = read_tensors(file, bytes + data_offset, size - data_offset, name, err);
    if (r < 0) {
        safetensors_close(file);
        return r;
    }
    qsort(file->tensors, file->count, sizeof *file->tensors, by_name);
    *ret_file = file;
    return 0;
}

int safetensors_open(struct safetensors **ret_file, const char *path, struct err *err)
{
    struct file_map map;
    struct safetensors *file;
    int r = file_map(&map, path, err);
    if (r < 0)
        return r;
    r = safetensors_parse(&file, map.data, map.size, path, err);
    if (r < 0) {
        file_unmap(&map);
        return r;
    }
    file->map = map;
    *ret_file = file;
    return 0;
}

void safetensors_close(struct safetensors *file)
{
    if (!file)
        return;
    json_decref(file->header);
    free(file->tensors);
    file_unmap(&file->map);
    free(file);
}

void safetensors_forget(const struct safetensors *file)
{
    file_forget(&file->map);
}

const struct tensor *safetensors_find(const struct safetensors *file, const char *name)
{
    struct tensor wanted = {.name = name};
    return bsearch(&wanted, file->tensors, file->count, sizeof *file->tensors, by_name);
}

size_t safetensors_count(const struct safetensors *file)
{
    return file->count;
}

const struct tensor *safetensors_at(const struct safetensors *file, size_t i)
{
    return &file->tensors[i];
}
