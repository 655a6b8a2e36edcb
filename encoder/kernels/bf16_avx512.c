/* The products of bfloat16 numbers by AVX-512 without AVX512_BF16: widened to f32 as they are read,
 * so that half of the memory is read. Compiled with flags of its own. */
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

INLINE vec first_of(pairs a)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(a, 16));
}

INLINE vec second_of(pairs a)
{
    return _mm512_castsi512_ps(_mm512_and_si512(a, _mm512_set1_epi32((int)0xffff0000)));
}

INLINE vec vec_dot(vec sum, pairs x, pairs w)
{
    return vec_fma(first_of(x), first_of(w), vec_fma(second_of(x), second_of(w), sum));
}

/* As bf16_of_float. */
INLINE void vec_store_bf16(uint16_t *p, vec a)
{
    __m512i bits = _mm512_castps_si512(a);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
    __m512i chosen = _mm512_mask_mov_epi32(rounded, nan, quiet);
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(_mm512_srli_epi32(chosen, 16)));
}

/* 12 x 2 sums, both halves of 2 panel vectors and of a broadcast fill 30 of the 32 registers. */
enum { TILE_ROWS = 12, TILE_VECTORS = 2 };
#define EACH_TILE_ROWS(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12)
#define BF16_TABLE bf16_avx512
#define BF16_ISA "avx512"
#include "encoder/kernels/bf16_vector.inc"
#endif
