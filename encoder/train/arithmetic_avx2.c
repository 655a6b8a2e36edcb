/* The arithmetic of training for x86-64 with AVX2 and FMA. Compiled with flags of its own; never
 * called unless kernels_choose found the CPU able. */
#ifdef __x86_64__
#define ARITHMETIC_TABLE arithmetic_avx2
#define ARITHMETIC_ISA "avx2"
#include "encoder/train/arithmetic.inc"
#endif
