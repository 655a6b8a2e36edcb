/* Picking a table of kernels, and the conversion to halves. */
#include "index/kernels/kernels.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
/* Not every compiler knows this one by name. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}
#endif

static bool always(void)
{
    return true;
}

/* Best first. */
static const struct candidate {
    const struct index_kernels *kernels;
    bool (*runs_here)(void);
} candidates[] = {
#ifdef __x86_64__
    {&index_kernels_avx512, has_avx512},
    {&index_kernels_avx2, has_avx2},
#endif
    {&index_kernels_generic, always},
};

int index_kernels_find(const struct index_kernels **ret_kernels, const char *isa, struct err *err)
{
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (strcmp(isa, candidates[i].kernels->isa) == 0 && candidates[i].runs_here()) {
            *ret_kernels = candidates[i].kernels;
            return 0;
        }
    return err_set(err, ERR_UNSUPPORTED, "no instruction set '%s' that runs here", isa);
}

const struct index_kernels *index_kernels_best(void)
{
    const struct index_kernels *named;
    const char *isa = getenv("SBERT_ISA");
    struct err ignored; /* the encoder says what is wrong with it */
    if (isa && index_kernels_find(&named, isa, &ignored) == 0)
        return named;
    size_t i = 0;
    while (!candidates[i].runs_here())
        i++;
    return candidates[i].kernels;
}

uint16_t half_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    const uint32_t largest = 0x477fe000, least_normal = 0x38800000; /* 65504, 2^-14 */

    if (magnitude >= largest)
        return (uint16_t)(sign | 0x7bff);
    if (magnitude < least_normal) {
        /* A multiple of 2^-24: adding 0.5 shifts the bits into place and rounds them. */
        float small;
        memcpy(&small, &magnitude, sizeof small);
        small += 0.5F;
        memcpy(&magnitude, &small, sizeof magnitude);
        return (uint16_t)(sign | (magnitude - 0x3f000000));
    }
    uint32_t odd = magnitude >> 13 & 1;
    return (uint16_t)(sign | ((magnitude - (112U << 23) + 0xfff + odd) >> 13));
}

float half_to_float(uint16_t half)
{
    /* As a float of an exponent that is 112 too small, subnormals included. */
    uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    float value, signed_value;
    memcpy(&value, &magnitude, sizeof value);
    value *= 0x1p112F;
    memcpy(&magnitude, &value, sizeof magnitude);
    magnitude |= sign;
    memcpy(&signed_value, &magnitude, sizeof signed_value);
    return signed_value;
}
