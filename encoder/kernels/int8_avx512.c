/* The 8-bit products for AVX-512 without VNNI. Compiled with flags of its own; never called unless
 * int8_choose found the CPU able. */
#include <stdbool.h>
#include <string.h>

#include "encoder/kernels/compiler.inc"
#include "encoder/kernels/int8.h"

#ifdef __x86_64__
#include "encoder/kernels/ivec_avx512.inc"

/* 6 x 2 sums in 32 bits and as many in f32, 4 widened panel vectors and 2 of a row: 30 registers.
 */
enum { TILE_ROWS = 6, TILE_VECTORS = 2, PANEL_WIDTH = TILE_VECTORS * VEC };
#define EACH_TILE_ROWS(F) F(1) F(2) F(3) F(4) F(5) F(6)
#define INT8_TABLE int8_avx512
#define INT8_NAME "avx512"
#include "encoder/kernels/int8_vector.inc"
#endif
