/* Picking the functions for 8-bit products by what the CPU can do. */
#include "encoder/kernels/int8.h"

#include <stdbool.h>

#ifdef __x86_64__
#include <cpuid.h>

/* Compilers of the day do not all know this feature by name; with AVX2, which the kernels' table
 * implies, the operating system saves the registers that it needs. */
static bool has_avxvnni(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1);
}

static bool has_avx512vnni(void)
{
    return __builtin_cpu_supports("avx512vnni");
}
#endif

const struct int8_kernels *int8_choose(const struct kernels *kernels)
{
#ifdef __x86_64__
    if (kernels == &kernels_avx512)
        return has_avx512vnni() ? &int8_avx512vnni : &int8_avx512;
    if (kernels == &kernels_avx2)
        return has_avxvnni() ? &int8_avxvnni : &int8_avx2;
#else
    (void)kernels;
#endif
    return &int8_generic;
}
