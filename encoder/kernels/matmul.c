/* Picking a backend for matrix products, and what all backends check alike. */
#include "encoder/kernels/matmul.h"

#include <stdint.h>
#include <string.h>

int matmul_choose(const struct matmul_backend **ret_backend, const char *name,
                  const struct kernels *kernels, struct err *err)
{
    if (!name)
        name = kernels == &kernels_generic ? matmul_openblas.name : matmul_packed.name;
    if (strcmp(name, matmul_packed.name) == 0)
        *ret_backend = &matmul_packed;
    else if (strcmp(name, matmul_openblas.name) == 0)
        *ret_backend = &matmul_openblas;
    else
        return err_set(err, ERR_UNSUPPORTED,
                       "no backend '%s' (SBERT_BACKEND): packed and openblas are known", name);
    return 0;
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
