/* The arithmetic of training for any CPU. */
#define ARITHMETIC_TABLE arithmetic_generic
#define ARITHMETIC_ISA "generic"
#include "encoder/train/arithmetic.inc"
