/* The microkernels for every CPU. */
#include "simd/portable.h"

#include "microkernels/microkernel.h"

/* X(block rows, vectors). */
#define SPMM_SHAPES(X) X(1, 1) X(1, 2) X(2, 1) X(2, 2) X(4, 1) X(4, 2)
/* Whether to load channel numbers some steps ahead of use. */
#define SPMM_LOAD_AHEAD 0

#include "microkernels/families.h"
#include "simd/end_target.h"
