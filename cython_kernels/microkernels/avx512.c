/* The microkernels for AVX-512. */
#if defined(__x86_64__)
#include "simd/avx512.h"

#include "microkernels/microkernel.h"

/* X(block rows, vectors). */
#define SPMM_SHAPES(X)                                                                      \
    X(1, 1)                                                                                 \
    X(1, 2) X(1, 3) X(1, 4) X(1, 5) X(1, 6) X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(2, 5) X(2, 6) \
        X(4, 1) X(4, 2) X(4, 3) X(4, 4)
/* Whether to load channel numbers some steps ahead of use. */
#define SPMM_LOAD_AHEAD 1

#include "microkernels/families.h"
#include "simd/end_target.h"
#endif
