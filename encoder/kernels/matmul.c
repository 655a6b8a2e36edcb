/* Picking a backend for matrix products, and what all backends do alike: checking layers, holding
 * packed weights. */
#include "encoder/kernels/matmul.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct matmul_backend *const backends[] = {&matmul_packed, &matmul_openblas,
                                                        &matmul_bf16, &matmul_int8};
enum { BACKENDS = sizeof backends / sizeof backends[0] };

static int check(const struct matmul_backend *backend, const struct kernels *kernels,
                 struct err *err)
{
    return backend->check ? backend->check(kernels, err) : 0;
}

static int name_what_there_is(enum precision precision, const char *name, struct err *err)
{
    if (name && strcmp(name, "packed") != 0 && strcmp(name, "openblas") != 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "no backend '%s' (SBERT_BACKEND): packed and openblas are known", name);
    if (name)
        return err_set(err, ERR_UNSUPPORTED, "the backend '%s' (SBERT_BACKEND) has no %s", name,
                       precision_name(precision));
    return err_set(err, ERR_UNSUPPORTED, "the precision %s is not built in",
                   precision_name(precision));
}

int matmul_choose(const struct matmul_backend **ret_backend, enum precision precision,
                  const char *name, const struct kernels *kernels, struct err *err)
{
    bool plain = kernels == &kernels_generic && precision == PRECISION_F32;

    if (!name && plain && check(&matmul_openblas, kernels, NULL) == 0) {
        *ret_backend = &matmul_openblas;
        return 0;
    }
    for (size_t i = 0; i < BACKENDS; i++) {
        if (backends[i]->precision != precision ||
            strcmp(name ? name : "packed", backends[i]->name))
            continue;
        int r = check(backends[i], kernels, err);
        if (r == 0)
            *ret_backend = backends[i];
        return r;
    }
    return name_what_there_is(precision, name, err);
}

/* What the linears make together, in range. */
static int add_up(const struct matmul_backend *backend, const struct linear *linears, size_t count,
                  size_t *ret_in, size_t *ret_out, struct err *err)
{
    const size_t limit = INT32_MAX; /* what cblas takes for a size */
    size_t in = linears[0].in, out = 0;

    for (size_t i = 0; i < count; i++) {
        if (linears[i].in != in || !linears[i].bias != !linears[0].bias)
            return err_set(err, ERR_INTERNAL, "linear layers of unlike inputs prepared as one");
        if (linears[i].out > limit - out)
            return err_set(err, ERR_LIMIT, "a linear layer with more than %zu outputs", limit);
        out += linears[i].out;
        int r = backend->accept ? backend->accept(&linears[i], err) : 0;
        if (r < 0)
            return r;
    }
    if (in == 0 || out == 0 || in > limit || out > SIZE_MAX / sizeof(float) / in / 4)
        return err_set(err, ERR_LIMIT, "a linear layer of %zu by %zu is out of range", out, in);
    *ret_in = in;
    *ret_out = out;
    return 0;
}

static size_t packed_size(const struct matmul_backend *backend, const struct kernels *kernels,
                          size_t in, size_t out)
{
    if (!backend->packed_size)
        return 0;
    size_t size = backend->packed_size(kernels, in, out);
    return (size + MATMUL_ALIGNMENT - 1) / MATMUL_ALIGNMENT * MATMUL_ALIGNMENT;
}

int matmul_packed_size(const struct matmul_backend *backend, const struct kernels *kernels,
                       const struct linear *linears, size_t count, size_t *ret_size,
                       struct err *err)
{
    size_t in, out;
    int r = add_up(backend, linears, count, &in, &out, err);
    if (r == 0)
        *ret_size = packed_size(backend, kernels, in, out);
    return r;
}

void matmul_pack(const struct matmul_backend *backend, const struct kernels *kernels,
                 const struct linear *linears, size_t count, void *ret_packed)
{
    if (backend->pack)
        backend->pack(kernels, linears, count, ret_packed);
}

int matmul_prepare(struct matmul_weight **ret_weight, const struct matmul_backend *backend,
                   const struct kernels *kernels, const struct linear *linears, size_t count,
                   const void *packed, struct err *err)
{
    size_t in, out;
    int r = add_up(backend, linears, count, &in, &out, err);
    if (r < 0)
        return r;
    struct matmul_weight *weight = malloc(sizeof *weight + count * sizeof linears[0]);
    if (!weight)
        return err_memory(err, "a weight");
    *weight = (struct matmul_weight){backend, kernels, in, out, packed, NULL, count};
    memcpy(weight->linears, linears, count * sizeof linears[0]);
    if (backend->pack && !packed) {
        weight->own = aligned_alloc(MATMUL_ALIGNMENT, packed_size(backend, kernels, in, out));
        if (!weight->own) {
            free(weight);
            return err_memory(err, "packed weights");
        }
        backend->pack(kernels, linears, count, weight->own);
        weight->packed = weight->own;
    }
    *ret_weight = weight;
    return 0;
}

void matmul_release(struct matmul_weight *weight)
{
    if (!weight)
        return;
    free(weight->own);
    free(weight);
}

size_t matmul_row_size(const struct matmul_backend *backend, size_t size)
{
    return backend->row_size ? backend->row_size(size) : size * sizeof(float);
}

void matmul_convert(const struct matmul_backend *backend, const struct kernels *kernels,
                    const float *x, size_t size, void *ret_row)
{
    if (backend->convert)
        backend->convert(kernels, x, size, ret_row);
}

void matmul_run_part(const struct matmul_product *product, size_t part, size_t parts)
{
    const struct matmul_backend *backend = product->weight->backend;
    struct matmul_product run = *product;

    run.convert = product->convert && backend->convert;
    if (product->rows > 0)
        backend->run(&run, part, parts);
}

void matmul_run(const struct matmul_product *product)
{
    matmul_run_part(product, 0, 1);
}
