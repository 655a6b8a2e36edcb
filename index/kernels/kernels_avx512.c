/* The kernels for AVX-512 (F, BW, VL, DQ). */
#ifdef __x86_64__
#include <immintrin.h>

#include "index/kernels/kernels.h"

enum { VEC_FLOATS = 16, IVEC_BYTES = 32 };
typedef __m512 vec;
typedef __m512i ivec;

#define vec_zero() _mm512_setzero_ps()
#define vec_all(x) _mm512_set1_ps(x)
#define vec_load(from) _mm512_loadu_ps(from)
#define vec_store(to, v) _mm512_storeu_ps(to, v)
#define vec_load_half(from) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(from)))
#define vec_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define vec_add(a, b) _mm512_add_ps(a, b)
#define vec_subtract(a, b) _mm512_sub_ps(a, b)
#define vec_multiply(a, b) _mm512_mul_ps(a, b)
#define vec_sum(v) _mm512_reduce_add_ps(v)

#define ivec_zero() _mm512_setzero_si512()
#define ivec_load(from) _mm512_loadu_si512(from)
#define ivec_widen(from) _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(from)))
#define ivec_multiply_add(sum, a, b) _mm512_add_epi32(sum, _mm512_madd_epi16(a, b))
#define ivec_sum(v) _mm512_reduce_add_epi32(v)

#include "index/kernels/kernels_vector.inc"

const struct index_kernels index_kernels_avx512 = {"avx512", dot_f32, dot_f16,   l2_f32,
                                                   l2_f16,   dot_i8,  widen_f16, widen_i8};
#else
typedef int nothing_here; /* an empty file is no C */
#endif
