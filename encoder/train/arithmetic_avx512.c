/* The arithmetic of training for x86-64 with AVX-512. Compiled with flags of its own; never called
 * unless kernels_choose found the CPU able. */
#ifdef __x86_64__
#include "encoder/kernels/compiler.inc"
#include "encoder/kernels/vec_avx512.inc"

#define ARITHMETIC_SQUARE 16 /* floats of a vector, whose squares vec_transpose turns */
#define ARITHMETIC_TABLE arithmetic_avx512
#define ARITHMETIC_ISA "avx512"
#include "encoder/train/arithmetic.inc"
#endif
