/* Picking a table of kernels by name and by what the CPU can do. */
#include "encoder/kernels/kernels.h"

#include <stdbool.h>
#include <string.h>

#ifdef __x86_64__
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
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
    const struct kernels *kernels;
    bool (*runs_here)(void);
} candidates[] = {
#ifdef __x86_64__
    {&kernels_avx512, has_avx512},
    {&kernels_avx2, has_avx2},
#endif
    {&kernels_generic, always},
};

int kernels_choose(const struct kernels **ret_kernels, const char *isa, struct err *err)
{
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        const struct candidate *candidate = &candidates[i];
        if (isa && strcmp(isa, candidate->kernels->isa) != 0)
            continue;
        if (candidate->runs_here()) {
            *ret_kernels = candidate->kernels;
            return 0;
        }
        if (isa)
            return err_set(err, ERR_UNSUPPORTED,
                           "this CPU cannot run the instruction set '%s' (SBERT_ISA)", isa);
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "no instruction set '%s' (SBERT_ISA): generic, avx2 and avx512 are known", isa);
}

size_t attention_scratch_size(size_t tokens, size_t head_size)
{
    const size_t widest_vector = 16;
    return ATTENTION_QUERY_BLOCK * (tokens + head_size) + tokens * (head_size + widest_vector);
}
