/* The kernels for x86-64 with AVX2 and FMA. Compiled with flags of its own; never called unless
 * kernels_choose found the CPU able. */
#include <math.h>
#include <stdbool.h>

#include "encoder/kernels/activation_plain.h"
#include "encoder/kernels/compiler.inc"
#include "encoder/kernels/kernels.h"

#ifdef __x86_64__
#include "encoder/kernels/vec_avx2.inc"

/* 6 x 2 sums, 2 panel vectors and a broadcast fill 15 of the 16 registers. */
enum { TILE_ROWS = 6, TILE_VECTORS = 2 };
#define EACH_TILE_ROWS(F) F(1) F(2) F(3) F(4) F(5) F(6)
#define KERNELS_TABLE kernels_avx2
#define KERNELS_ISA "avx2"
#include "encoder/kernels/kernels_vector.inc"
#endif
