/* The microkernels for AVX-512. */
#if defined(__x86_64__)
#include "simd/avx512.h"

#include "microkernels/microkernel.h"

/* X(block rows, vectors). */
#define SPMM_SHAPES(X) SPMM_UP_TO_6(X, 1) SPMM_UP_TO_6(X, 2) SPMM_UP_TO_4(X, 4)
/* Whether to load channel numbers some steps ahead of use. */
#define SPMM_LOAD_AHEAD 1

#include "microkernels/families.h"
#include "simd/end_target.h"
#endif
