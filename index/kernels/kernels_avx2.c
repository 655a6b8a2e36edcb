/* The kernels for AVX2 with FMA and F16C. */
#ifdef __x86_64__
#include <immintrin.h>

#include "index/kernels/kernels.h"

enum { VEC_FLOATS = 8, IVEC_BYTES = 16 };
typedef __m256 vec;
typedef __m256i ivec;

#define vec_zero() _mm256_setzero_ps()
#define vec_all(x) _mm256_set1_ps(x)
#define vec_load(from) _mm256_loadu_ps(from)
#define vec_store(to, v) _mm256_storeu_ps(to, v)
#define vec_load_half(from) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from)))
#define vec_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define vec_add(a, b) _mm256_add_ps(a, b)
#define vec_subtract(a, b) _mm256_sub_ps(a, b)
#define vec_multiply(a, b) _mm256_mul_ps(a, b)

static inline float vec_sum(vec v)
{
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

#define ivec_zero() _mm256_setzero_si256()
#define ivec_load(from) _mm256_loadu_si256((const __m256i *)(from))
#define ivec_widen(from) _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(from)))
#define ivec_multiply_add(sum, a, b) _mm256_add_epi32(sum, _mm256_madd_epi16(a, b))

static inline int32_t ivec_sum(ivec v)
{
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    sum = _mm_add_epi32(sum, _mm_unpackhi_epi64(sum, sum));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 1)));
}

#include "index/kernels/kernels_vector.inc"

const struct index_kernels index_kernels_avx2 = {"avx2", dot_f32, dot_f16,   l2_f32,
                                                 l2_f16, dot_i8,  widen_f16, widen_i8};
#else
typedef int nothing_here; /* an empty file is no C */
#endif
