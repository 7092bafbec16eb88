/* What compilers must be told for loops over vectors. */
#ifndef ORT_SPARSE_SIMD_COMPILER_H
#define ORT_SPARSE_SIMD_COMPILER_H

#define SIMD_INLINE static inline __attribute__((always_inline))

/* An array of vectors stays in registers only if every loop over it is unrolled whole. */
#if defined(__clang__)
#define SIMD_UNROLL _Pragma("clang loop unroll(full)")
#define SIMD_ONE_COPY __attribute__((noinline))
#else
#define SIMD_UNROLL _Pragma("GCC unroll 24")
#define SIMD_ONE_COPY __attribute__((noinline, noclone))
#endif

/* Makes the compiler step a pointer here, instead of computing an address for each load. */
#define SIMD_STEP(pointer) __asm__("" : "+r"(pointer))

#define SIMD_PASTE_(a, b) a##b
#define SIMD_PASTE(a, b) SIMD_PASTE_(a, b)

/* The name of a function of this instruction set that other files know. */
#define SIMD_NAME(name) SIMD_PASTE(name##_, SIMD_ISA)

#endif
