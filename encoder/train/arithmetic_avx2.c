/* The arithmetic of training for x86-64 with AVX2 and FMA. Compiled with flags of its own; never
 * called unless kernels_choose found the CPU able. */
#ifdef __x86_64__
#include "encoder/kernels/compiler.inc"
#include "encoder/kernels/vec_avx2.inc"

#define ARITHMETIC_SQUARE 8 /* floats of a vector, whose squares vec_transpose turns */
#define ARITHMETIC_TABLE arithmetic_avx2
#define ARITHMETIC_ISA "avx2"
#include "encoder/train/arithmetic.inc"
#endif
