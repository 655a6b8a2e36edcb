/* Writing a safetensors file: the header's length, the header, filled up with spaces so that the
 * data is aligned, and the data. */
#include "encoder/train/tensor_file.h"

#include <stdint.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

enum { ALIGNMENT = 8 };

static json_t *describe(const struct tensor_out *tensor, size_t begin)
{
    json_t *shape = json_array();
    for (size_t i = 0; i < tensor->dimensions; i++)
        json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", tensor->dtype, "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)(begin + tensor->size));
}

static int make_header(struct buf *header, const struct tensor_out *tensors, size_t count,
                       const char *path, struct err *err)
{
    size_t at = 0;
    /* What the reference's reader for PyTorch wants to see. */
    json_t *json = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    int r = json ? 0 : ERR_MEMORY;

    for (size_t i = 0; r == 0 && i < count; i++) {
        r = json_object_set_new(json, tensors[i].name, describe(&tensors[i], at));
        at += tensors[i].size;
    }
    if (r == 0)
        r = json_append(header, json, JSON_COMPACT);
    while (r == 0 && header->size % ALIGNMENT != 0)
        r = buf_append_byte(header, ' ');
    json_decref(json);
    return r < 0 ? err_memory(err, path) : 0;
}

int tensor_file_write(const char *path, const struct tensor_out *tensors, size_t count,
                      struct err *err)
{
    struct buf header = {0};
    struct file_replace replace;
    unsigned char length[8];

    int r = make_header(&header, tensors, count, path, err);
    if (r == 0)
        r = file_replace_begin(&replace, path, 0644, err);
    if (r < 0)
        goto out;
    for (size_t i = 0; i < sizeof length; i++)
        length[i] = (unsigned char)((uint64_t)header.size >> 8 * i);
    /* A write that fails is told by commit. */
    fwrite(length, 1, sizeof length, replace.stream);
    fwrite(header.data, 1, header.size, replace.stream);
    for (size_t i = 0; i < count; i++)
        fwrite(tensors[i].data, 1, tensors[i].size, replace.stream);
    r = file_replace_commit(&replace, err);
out:
    buf_release(&header);
    return r;
}
