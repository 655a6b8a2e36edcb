/* Matrix products with constant weights: y = activation(x W^T + b), the one product the transformer
 * needs for its linear layers, behind one header so that backends can stand side by side:
 *
 *   "packed"    our own kernels; weights are packed once into panels that they read in order
 *   "openblas"  cblas_sgemm, which arranges the weights anew at every call; f32 alone; refused
 *               where its kernels for this CPU do not keep the promise below
 *
 * A backend is of one precision. Its products read rows either as floats or in a form of its own,
 * which matmul_convert makes of floats and a product can write itself for the next one to read.
 *
 * Every output element is summed in one order whatever the number of rows and whichever of them it
 * stands in, and what a row is converted to depends on that row alone, so a text's vector does not
 * depend on what it is batched with. Thread-safe after preparing; a product uses the calling thread
 * alone and allocates nothing.
 */
#ifndef SBERT_ENCODER_KERNELS_MATMUL_H
#define SBERT_ENCODER_KERNELS_MATMUL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "encoder/kernels/kernels.h"
#include "encoder/model/model.h"
#include "encoder/precision.h"

/* Of packed weights and of rows. */
enum { MATMUL_ALIGNMENT = 64 };

/* Linear layers that take the same input, prepared as one whose outputs stand side by side (query,
 * key, value). */
struct matmul_weight {
    const struct matmul_backend *backend;
    const struct kernels *kernels;
    size_t in, out;     /* out: of all its linears together */
    const void *packed; /* NULL where the backend does not pack */
    void *own;          /* the memory of `packed` where it is the weight's own */
    size_t count;
    struct linear linears[]; /* their pointers into the model mean nothing where `packed` was given
                                by the caller without them */
};

/* One product: y (rows, out) = activation(x (rows, in) W^T + bias). x and y must not overlap, rows
 * are MATMUL_ALIGNMENT-aligned where the backend does not read floats, strides are bytes. */
struct matmul_product {
    const struct matmul_weight *weight;
    const void *x; /* as matmul_input gives it */
    size_t x_stride;
    size_t rows;
    enum activation activation;
    bool convert; /* y gets rows as this backend's products read them; else floats */
    void *y;
    size_t y_stride;
};

struct matmul_backend {
    const char *name;
    enum precision precision;

    /* Whether it can be had on this machine; NULL: always. */
    int (*check)(const struct kernels *kernels, struct err *err);
    /* Whether it takes a layer; NULL: every one. */
    int (*accept)(const struct linear *linear, struct err *err);

    /* The packed form: bytes without pointers, which depend on nothing but the linears, the name of
     * the backend, its precision, kernels->isa and `layout`, a version to be raised with every
     * change of the form. packed_size NULL: nothing is packed, and the linears are read where they
     * lie. */
    unsigned layout;
    size_t (*packed_size)(const struct kernels *kernels, size_t in, size_t out);
    void (*pack)(const struct kernels *kernels, const struct linear *linears, size_t count,
                 void *ret_packed);

    /* Bytes of a row of `size` numbers as its products read them, and making one of floats. NULL:
     * they read floats. */
    size_t (*row_size)(size_t size);
    void (*convert)(const struct kernels *kernels, const float *x, size_t size, void *ret_row);

    /* One part of a product. rows > 0; `convert` is set only where the backend has the function. */
    void (*run)(const struct matmul_product *product, size_t part, size_t parts);
};
extern const struct matmul_backend matmul_packed;
extern const struct matmul_backend matmul_bf16;
extern const struct matmul_backend matmul_openblas;
extern const struct matmul_backend matmul_int8; /* "packed" too */

/* The backend of that precision (not PRECISION_AUTO) and name. A NULL name asks for the best:
 * "packed" where `kernels` has vectors or the precision is not f32, else "openblas" where it can be
 * had, else "packed". ERR_UNSUPPORTED names what there is not, or says why it cannot be had;
 * nothing else is picked in its stead. */
int matmul_choose(const struct matmul_backend **ret_backend, enum precision precision,
                  const char *name, const struct kernels *kernels, struct err *err);

/* Bytes of the packed form of `linears` as one weight, a multiple of MATMUL_ALIGNMENT; 0 where the
 * backend does not pack. Checks what matmul_prepare checks. */
int matmul_packed_size(const struct matmul_backend *backend, const struct kernels *kernels,
                       const struct linear *linears, size_t count, size_t *ret_size,
                       struct err *err);

/* Writes it to `ret_packed` (of that size, aligned). */
void matmul_pack(const struct matmul_backend *backend, const struct kernels *kernels,
                 const struct linear *linears, size_t count, void *ret_packed);

/* Prepares `linears` as one weight. `packed` is their packed form, which must outlive the weight,
 * or NULL: then it is made here, and the linears (the mapped file behind them) must outlive the
 * weight where the backend does not pack. Either all have a bias or none has. */
int matmul_prepare(struct matmul_weight **ret_weight, const struct matmul_backend *backend,
                   const struct kernels *kernels, const struct linear *linears, size_t count,
                   const void *packed, struct err *err);
void matmul_release(struct matmul_weight *weight); /* accepts NULL */

/* Bytes of a row of `size` numbers as the backend's products read them; a multiple of
 * MATMUL_ALIGNMENT where that is not as floats. */
size_t matmul_row_size(const struct matmul_backend *backend, size_t size);

/* Makes a row of `size` floats one that products read; nothing where they read floats. */
void matmul_convert(const struct matmul_backend *backend, const struct kernels *kernels,
                    const float *x, size_t size, void *ret_row);

/* A product may be done as one of more rows: x and y must have room for so many beyond `rows`, and
 * what y gets in them means nothing. */
enum { MATMUL_SPARE_ROWS = 64 };

void matmul_run(const struct matmul_product *product);

/* The same for one part, in [0, parts), of y's columns: all parts together give bit for bit what
 * matmul_run gives, whichever threads do them. Of y's spare rows each part writes its columns. */
void matmul_run_part(const struct matmul_product *product, size_t part, size_t parts);

#endif
