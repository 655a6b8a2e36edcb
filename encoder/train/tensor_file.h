/* Writing the safetensors format (encoder/model/safetensors.h reads it). */
#ifndef SBERT_ENCODER_TRAIN_TENSOR_FILE_H
#define SBERT_ENCODER_TRAIN_TENSOR_FILE_H

#include <stddef.h>

#include "base/err.h"

struct tensor_out {
    const char *name;
    const char *dtype; /* "F32", "U8" ... */
    size_t dimensions, shape[8];
    const void *data;
    size_t size; /* bytes */
};

/* Replaces `path` by a file of these tensors, in this order; names must differ. */
int tensor_file_write(const char *path, const struct tensor_out *tensors, size_t count,
                      struct err *err);

#endif
