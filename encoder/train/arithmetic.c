/* Which table of training goes with which table of the forward pass. */
#include "encoder/train/arithmetic.h"

#include <string.h>

const struct arithmetic *arithmetic_for(const struct kernels *kernels)
{
#ifdef __x86_64__
    if (strcmp(kernels->isa, "avx512") == 0)
        return &arithmetic_avx512;
    if (strcmp(kernels->isa, "avx2") == 0)
        return &arithmetic_avx2;
#endif
    (void)kernels;
    return &arithmetic_generic;
}

/* Keys are padded to whole vectors in the transposed copies and in the rows of weights. */
size_t arithmetic_head_scratch(size_t tokens, size_t head_size)
{
    size_t width = (tokens + 31) / 32 * 32;
    return 2 * width * head_size + 2 * tokens * width + 3 * tokens * head_size;
}
