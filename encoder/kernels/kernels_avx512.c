/* The kernels for x86-64 with AVX-512 (F, BW, VL, DQ). Compiled with flags of its own; never called
 * unless kernels_choose found the CPU able. */
#include <math.h>
#include <stdbool.h>

#include "encoder/kernels/activation_plain.h"
#include "encoder/kernels/compiler.inc"
#include "encoder/kernels/kernels.h"

#ifdef __x86_64__
#include "encoder/kernels/vec_avx512.inc"

/* 14 x 2 sums, 2 panel vectors and a broadcast fill 31 of the 32 registers. */
enum { TILE_ROWS = 14, TILE_VECTORS = 2 };
#define EACH_TILE_ROWS(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14)
#define KERNELS_TABLE kernels_avx512
#define KERNELS_ISA "avx512"
#include "encoder/kernels/kernels_vector.inc"
#endif
