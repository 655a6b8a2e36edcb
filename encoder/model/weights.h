/* The weights of a model's folder: one safetensors file or several shards, looked up by name, with
 * the shape checked and the numbers as f32.
 *
 * An f32 tensor is used where it is mapped. Small f16 and bf16 tensors are widened once into memory
 * of the set; of large ones, the tables, only what is wanted is, while it is wanted, so that a
 * model in half precision takes no more memory than its file. Filled by one thread, constant
 * afterwards.
 */
#ifndef SBERT_ENCODER_MODEL_WEIGHTS_H
#define SBERT_ENCODER_MODEL_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "encoder/model/safetensors.h"

/* What is behind a model's pointers. */
struct model_storage;

/* Opens `folder`/model.safetensors, else the shards that model.safetensors.index.json names.
 * ERR_UNSUPPORTED where there is only a pytorch_model.bin: the message shows how to convert it. */
int weights_open(struct model_storage **ret_weights, const char *folder, struct err *err);
void weights_close(struct model_storage *weights); /* accepts NULL */

/* The paths of the files, in an order that does not depend on the folder's listing. */
char *const *weights_paths(const struct model_storage *weights, size_t *ret_count);

/* Gives back the memory of mapped tensors that were read; what is read again is mapped again.
 * Accepts NULL. */
void weights_forget(const struct model_storage *weights);

bool weights_have(const struct model_storage *weights, const char *name);

/* The numbers of the tensor `name`, which must have exactly this shape: (rows, columns), or (rows)
 * where `columns` is 0. ERR_CORRUPT names the tensor that is missing or has another shape,
 * ERR_UNSUPPORTED the element type. The pointer lives as long as `weights`. */
int weights_get(struct model_storage *weights, const char *name, size_t rows, size_t columns,
                const float **ret_numbers, struct err *err);

/* The same for a large tensor of two dimensions. Where it is of half precision, *ret_numbers is an
 * address only: numbers stand there between weights_widen and weights_drop, and weights_row reads a
 * row without them. */
int weights_get_table(struct model_storage *weights, const char *name, size_t rows, size_t columns,
                      const float **ret_numbers, struct err *err);

/* Makes the numbers of a table be where weights_get_table said, and no more. One thread at a time.
 * Other numbers than a table's of half precision are left as they are; `weights` may be NULL. */
void weights_widen(const struct model_storage *weights, const float *numbers);
void weights_drop(const struct model_storage *weights, const float *numbers);

/* The tensors that weights_get and weights_get_table gave out, in the order they were asked for:
 * which name in the files stands behind which pointer. Names and numbers live as long as `weights`.
 */
struct weights_tensor {
    const char *name;
    const float *numbers;
    size_t rows, columns;        /* columns 0: a vector */
    const unsigned char *halves; /* a table of half precision: as it is in the file; else NULL */
    enum dtype dtype;            /* of `halves` */
};
const struct weights_tensor *weights_given(const struct model_storage *weights, size_t *ret_count);

/* The one behind a pointer, or NULL. Accepts NULL. */
const struct weights_tensor *weights_find(const struct model_storage *weights,
                                          const float *numbers);

/* A row of a table, in place or widened into `room` (columns). */
const float *weights_row(const struct weights_tensor *table, size_t row, float *room);

#endif
