/* Picking the functions for 8-bit products by what the CPU can do. */
#include "encoder/kernels/int8.h"

#include <stdbool.h>

#ifdef __x86_64__
#include <cpuid.h>
#include <stdatomic.h>

/* Compilers of the day do not all know this feature by name; with AVX2, which the kernels' table
 * implies, the operating system saves the registers that it needs. The CPU is asked once: each row
 * wants to know, and a virtual machine is left for the answer. */
static bool has_avxvnni(void)
{
    static atomic_int known; /* 0: not yet, 1: no, 2: yes */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == 0) {
        unsigned eax, ebx, ecx, edx;
        bool has = __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1);
        answer = has ? 2 : 1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
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
