/* The 8-bit products for AVX2. Compiled with flags of its own; never called unless
 * int8_choose found the CPU able. */
#include <stdbool.h>
#include <string.h>

#include "encoder/kernels/compiler.inc"
#include "encoder/kernels/int8.h"

#ifdef __x86_64__
#include "encoder/kernels/ivec_avx2.inc"

/* 3 x 2 sums in 32 bits, 4 widened panel vectors and 2 of a row; the sums in f32 wait in memory. */
enum { TILE_ROWS = 3, TILE_VECTORS = 2, PANEL_WIDTH = TILE_VECTORS * VEC };
#define EACH_TILE_ROWS(F) F(1) F(2) F(3)
#define INT8_TABLE int8_avx2
#define INT8_NAME "avx2"
#include "encoder/kernels/int8_vector.inc"
#endif
