/* Picking a table of bfloat16 products, and rounding one number. */
#include "encoder/kernels/bf16.h"

#include <string.h>

const struct bf16_kernels *bf16_kernels_of(const struct kernels *kernels)
{
#ifdef __x86_64__
    if (kernels == &kernels_avx512)
        return __builtin_cpu_supports("avx512bf16") ? &bf16_avx512bf16 : &bf16_avx512;
    if (kernels == &kernels_avx2)
        return &bf16_avx2;
#endif
    (void)kernels;
    return &bf16_generic;
}

uint16_t bf16_of_float(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40); /* quiet, so that no bit is left out of it */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
