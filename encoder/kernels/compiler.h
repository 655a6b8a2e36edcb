/* What gcc and clang spell differently. */
#ifndef SBERT_ENCODER_KERNELS_COMPILER_H
#define SBERT_ENCODER_KERNELS_COMPILER_H

/* Before a loop of constant length: unroll it wholly, so that its arrays become registers. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define INLINE static inline __attribute__((always_inline))

#endif
