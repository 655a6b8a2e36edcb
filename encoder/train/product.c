/* Matrix products of training, as calls of cblas_sgemm. */
#include "encoder/train/product.h"

#include <cblas-openblas.h>
#include <string.h>

void product_setup(void)
{
    openblas_set_num_threads(1);
}

void product_linear(const float *x, size_t rows, size_t in, const float *weight, const float *bias,
                    size_t out, float *y)
{
    for (size_t r = 0; bias && r < rows; r++)
        memcpy(y + r * out, bias, out * sizeof *y);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)rows, (blasint)out, (blasint)in,
                1, x, (blasint)in, weight, (blasint)in, bias ? 1 : 0, y, (blasint)out);
}

void product_to_input(const float *y_gradient, size_t rows, size_t out, const float *weight,
                      size_t in, float keep, float *x_gradient)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)rows, (blasint)in, (blasint)out,
                1, y_gradient, (blasint)out, weight, (blasint)in, keep, x_gradient, (blasint)in);
}

void product_to_weight(const float *y_gradient, size_t y_stride, const float *x, size_t rows,
                       size_t out, size_t in, float keep, float *weight_gradient)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)out, (blasint)in, (blasint)rows,
                1, y_gradient, (blasint)y_stride, x, (blasint)in, keep, weight_gradient,
                (blasint)in);
}
