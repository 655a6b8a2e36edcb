/* The products of bfloat16 numbers by AVX512_BF16. Compiled with flags of its own; never called
 * unless bf16_kernels_of found the CPU able. */
#include <stdbool.h>
#include <stdint.h>

#include "encoder/kernels/compiler.inc"

#ifdef __x86_64__
#include "encoder/kernels/vec_avx512.inc"
/* over its vectors */
#include "encoder/kernels/bf16_gelu_avx512.inc"

typedef __m512i pairs;

INLINE pairs pairs_load(const uint32_t *p)
{
    return _mm512_loadu_si512(p);
}

INLINE pairs pairs_set(uint32_t pair)
{
    return _mm512_set1_epi32((int)pair);
}

/* sum + the products of both halves. Numbers below 2^-126 count as zero. */
INLINE vec vec_dot(vec sum, pairs x, pairs w)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)w);
}

INLINE void vec_store_bf16(uint16_t *p, vec a)
{
    _mm256_storeu_si256((__m256i *)(void *)p, (__m256i)_mm512_cvtneps_pbh(a));
}

/* 14 x 2 sums, 2 panel vectors and a broadcast fill 31 of the 32 registers. */
enum { TILE_ROWS = 14, TILE_VECTORS = 2 };
#define EACH_TILE_ROWS(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14)
#define BF16_TABLE bf16_avx512bf16
#define BF16_ISA "avx512bf16"
#include "encoder/kernels/bf16_vector.inc"
#endif
