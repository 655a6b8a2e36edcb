/* Picking a backend for matrix products, and what all backends check alike. */
#include "encoder/kernels/matmul.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const struct matmul_backend *const backends[] = {&matmul_packed, &matmul_openblas};

static int check(const struct matmul_backend *backend, struct err *err)
{
    return backend->check ? backend->check(err) : 0;
}

int matmul_choose(const struct matmul_backend **ret_backend, const char *name,
                  const struct kernels *kernels, struct err *err)
{
    if (!name) {
        bool plain = kernels == &kernels_generic;
        *ret_backend =
            plain && check(&matmul_openblas, NULL) == 0 ? &matmul_openblas : &matmul_packed;
        return 0;
    }
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        if (strcmp(name, backends[i]->name) != 0)
            continue;
        int r = check(backends[i], err);
        if (r == 0)
            *ret_backend = backends[i];
        return r;
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "no backend '%s' (SBERT_BACKEND): packed and openblas are known", name);
}

int matmul_prepare(struct matmul_weight **ret_weight, const struct matmul_backend *backend,
                   const struct kernels *kernels, const struct linear *linears, size_t count,
                   struct err *err)
{
    const size_t limit = INT32_MAX; /* what cblas takes for a size */
    size_t in = linears[0].in, out = 0;
    for (size_t i = 0; i < count; i++) {
        if (linears[i].in != in || !linears[i].bias != !linears[0].bias)
            return err_set(err, ERR_INTERNAL, "linear layers of unlike inputs prepared as one");
        if (linears[i].out > limit - out)
            return err_set(err, ERR_LIMIT, "a linear layer with more than %zu outputs", limit);
        out += linears[i].out;
    }
    if (in == 0 || out == 0 || in > limit || out > SIZE_MAX / sizeof(float) / in / 2)
        return err_set(err, ERR_LIMIT, "a linear layer of %zu by %zu is out of range", out, in);

    struct matmul_weight *weight;
    int r = backend->prepare(&weight, kernels, linears, count, err);
    if (r < 0)
        return r;
    weight->backend = backend;
    weight->kernels = kernels;
    weight->in = in;
    weight->out = out;
    *ret_weight = weight;
    return 0;
}

void matmul_release(struct matmul_weight *weight)
{
    if (weight)
        weight->backend->release(weight);
}

void matmul_run_part(const struct matmul_weight *weight, size_t part, size_t parts, const float *x,
                     size_t x_stride, size_t rows, enum activation activation, float *y,
                     size_t y_stride)
{
    if (rows > 0)
        weight->backend->run(weight, part, parts, x, x_stride, rows, activation, y, y_stride);
}

void matmul_run(const struct matmul_weight *weight, const float *x, size_t x_stride, size_t rows,
                enum activation activation, float *y, size_t y_stride)
{
    matmul_run_part(weight, 0, 1, x, x_stride, rows, activation, y, y_stride);
}
