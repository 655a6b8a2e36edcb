/* The safetensors file format: an 8-byte little-endian header length, a JSON header that names each
 * tensor's dtype, shape and byte range, and the bytes. Mapped, never copied; every statement of the
 * header is checked before anything relies on it.
 * Source of the format: the README of the `safetensors` project.
 */
#ifndef SBERT_ENCODER_MODEL_SAFETENSORS_H
#define SBERT_ENCODER_MODEL_SAFETENSORS_H

#include <stddef.h>

#include "base/err.h"

enum dtype { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_OTHER };

enum { TENSOR_MAX_DIMENSIONS = 8 };

struct tensor {
    const char *name;
    enum dtype dtype;
    size_t dimensions;
    size_t shape[TENSOR_MAX_DIMENSIONS];
    const unsigned char *data; /* into the mapped file; f32 data is 4-byte aligned there or the
                                  file is refused */
    size_t size;               /* bytes */
};

struct safetensors;

/* Maps and validates a file. ERR_CORRUPT says what is wrong with it and where: header length, JSON,
 * duplicate names, overlapping or uncovered ranges, alignment, shape x dtype against byte length,
 * offsets outside the file. */
int safetensors_open(struct safetensors **ret_file, const char *path, struct err *err);

/* The same over bytes in memory, which must outlive the result (for tests and fuzzing). */
int safetensors_parse(struct safetensors **ret_file, const void *data, size_t size,
                      const char *name, struct err *err);
void safetensors_close(struct safetensors *file); /* accepts NULL */

/* Gives back the memory of what was read of the mapped file; what is read again is mapped again. */
void safetensors_forget(const struct safetensors *file);

/* The tensor of that name, or NULL. Lives as long as the file. Thread-safe. */
const struct tensor *safetensors_find(const struct safetensors *file, const char *name);

size_t safetensors_count(const struct safetensors *file);
const struct tensor *safetensors_at(const struct safetensors *file, size_t i);

#endif
