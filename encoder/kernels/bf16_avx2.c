/* The products of bfloat16 numbers by AVX2 and FMA: widened to f32 as they are read, so that half
 * of the memory is read. Compiled with flags of its own. */
#include <stdbool.h>
#include <stdint.h>

#include "encoder/kernels/compiler.inc"

#ifdef __x86_64__
#include "encoder/kernels/vec_avx2.inc"
#include "encoder/kernels/vec_functions.inc"

typedef __m256i pairs;

INLINE pairs pairs_load(const uint32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

INLINE pairs pairs_set(uint32_t pair)
{
    return _mm256_set1_epi32((int)pair);
}

INLINE vec first_of(pairs a)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(a, 16));
}

INLINE vec second_of(pairs a)
{
    return _mm256_castsi256_ps(_mm256_and_si256(a, _mm256_set1_epi32((int)0xffff0000)));
}

INLINE vec vec_dot(vec sum, pairs x, pairs w)
{
    return vec_fma(first_of(x), first_of(w), vec_fma(second_of(x), second_of(w), sum));
}

/* As bf16_of_float. */
INLINE void vec_store_bf16(uint16_t *p, vec a)
{
    __m256i bits = _mm256_castps_si256(a);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    __m256 nan = _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
    __m256i chosen = _mm256_castps_si256(
        _mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet), nan));
    __m256i upper = _mm256_srli_epi32(chosen, 16);
    _mm_storeu_si128((__m128i *)(void *)p, _mm_packus_epi32(_mm256_castsi256_si128(upper),
                                                            _mm256_extracti128_si256(upper, 1)));
}

INLINE vec vec_gelu_to_round(vec x)
{
    return vec_gelu(x);
}

/* 4 x 2 sums, both halves of 2 panel vectors and of a broadcast fill 14 of the 16 registers. */
enum { TILE_ROWS = 4, TILE_VECTORS = 2 };
#define EACH_TILE_ROWS(F) F(1) F(2) F(3) F(4)
#define BF16_TABLE bf16_avx2
#define BF16_ISA "avx2"
#include "encoder/kernels/bf16_vector.inc"
#endif
