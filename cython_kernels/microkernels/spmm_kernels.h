/* The table of microkernels, and what a microkernel is. */
#ifndef ORT_SPARSE_SPMM_KERNELS_H
#define ORT_SPARSE_SPMM_KERNELS_H

#include <stdint.h>

#include "../spmm.h"

/* X(instruction set, block rows NR, pixel tile MR in vectors): one row for each microkernel.
 * Rows of one instruction set and NR have MR = 1, 2, ... in order. */
#define SPMM_KERNELS_UP_TO_2(X, isa, nr) X(isa, nr, 1) X(isa, nr, 2)
#define SPMM_KERNELS_UP_TO_3(X, isa, nr) SPMM_KERNELS_UP_TO_2(X, isa, nr) X(isa, nr, 3)
#define SPMM_KERNELS_UP_TO_4(X, isa, nr) SPMM_KERNELS_UP_TO_3(X, isa, nr) X(isa, nr, 4)
#define SPMM_KERNELS_UP_TO_5(X, isa, nr) SPMM_KERNELS_UP_TO_4(X, isa, nr) X(isa, nr, 5)
#define SPMM_KERNELS_UP_TO_6(X, isa, nr) SPMM_KERNELS_UP_TO_5(X, isa, nr) X(isa, nr, 6)

#define SPMM_PORTABLE_KERNELS(X)         \
    SPMM_KERNELS_UP_TO_2(X, portable, 1) \
    SPMM_KERNELS_UP_TO_2(X, portable, 2) \
    SPMM_KERNELS_UP_TO_2(X, portable, 4)
#define SPMM_SSE2_KERNELS(X)         \
    SPMM_KERNELS_UP_TO_3(X, sse2, 1) \
    SPMM_KERNELS_UP_TO_3(X, sse2, 2) \
    SPMM_KERNELS_UP_TO_2(X, sse2, 4)
#define SPMM_AVX2_KERNELS(X)         \
    SPMM_KERNELS_UP_TO_3(X, avx2, 1) \
    SPMM_KERNELS_UP_TO_3(X, avx2, 2) \
    SPMM_KERNELS_UP_TO_2(X, avx2, 4)
#define SPMM_AVX512_KERNELS(X)         \
    SPMM_KERNELS_UP_TO_6(X, avx512, 1) \
    SPMM_KERNELS_UP_TO_6(X, avx512, 2) \
    SPMM_KERNELS_UP_TO_4(X, avx512, 4)
#define SPMM_NEON_KERNELS(X)         \
    SPMM_KERNELS_UP_TO_6(X, neon, 1) \
    SPMM_KERNELS_UP_TO_6(X, neon, 2) \
    SPMM_KERNELS_UP_TO_4(X, neon, 4)

/* CPU features that an instruction set requires, and floats in its vectors. */
#define SPMM_FEATURES_portable ""
#define SPMM_LANES_portable 4
#define SPMM_FEATURES_sse2 "sse2"
#define SPMM_LANES_sse2 4
#define SPMM_FEATURES_avx2 "avx2 fma"
#define SPMM_LANES_avx2 8
#define SPMM_FEATURES_avx512 "avx512f"
#define SPMM_LANES_avx512 16
#define SPMM_FEATURES_neon "asimd"
#define SPMM_LANES_neon 4

/* Y(instruction set, whether this CPU has its features, its kernels): best first. */
#if defined(__x86_64__)
#define SPMM_ISAS(Y)                                                                            \
    Y(avx512, __builtin_cpu_supports("avx512f"), SPMM_AVX512_KERNELS)                           \
    Y(avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), SPMM_AVX2_KERNELS) \
    Y(sse2, 1, SPMM_SSE2_KERNELS)                                                               \
    Y(portable, 1, SPMM_PORTABLE_KERNELS)
#elif defined(__aarch64__)
#define SPMM_ISAS(Y) Y(neon, 1, SPMM_NEON_KERNELS) Y(portable, 1, SPMM_PORTABLE_KERNELS)
#else
#define SPMM_ISAS(Y) Y(portable, 1, SPMM_PORTABLE_KERNELS)
#endif

enum {
    SPMM_GROUP_ROWS = 4,
    SPMM_LINE_FLOATS = 16, /* of a 64-byte cache line */
    SPMM_MAX_LANES = 16,
    SPMM_MAX_VECTORS = 6,
    SPMM_AHEAD_STEPS = 4
};

/* One call of a microkernel: all groups of one part, over one tile of pixels, or over several that
 * lie side by side. */
struct spmm_tile {
    const float* panel;   /* pixels of the first channel of the K-block */
    int64_t panel_stride; /* floats from one channel to the next */
    const float* values;
    const uint16_t* channels;
    const uint16_t* group_steps;
    const uint16_t* group_rows;
    int64_t groups;

    int64_t tiles; /* of MR vectors each */
    int prefetch;  /* whether to ask for rows of Y ahead of writing them */

    /* First row of the chunk, first pixel of the tile; a row is y_stride floats from the next. */
    float* y;
    const float* residual; /* added in the first K-block, or NULL */
    int64_t y_stride;
    int tail; /* valid lanes of the last tile's last vector, 1 .. lanes */

    int first, last; /* whether this is the first and the last K-block */
    enum spmm_activation activation;
    float minimum, maximum, alpha; /* infinite bounds unless the activation is SPMM_CLIP */
    const float* bias;             /* of the first row of the chunk */
    const float* slope;
};

typedef void (*spmm_kernel)(const struct spmm_tile*);

/* Copies `rows` rows of `count` floats; strides count floats. If `pad`, each row of `to` has room
 * for whole vectors, and what lies after the `count` floats does not matter. */
typedef void (*spmm_copy)(float* to, int64_t to_stride, const float* from, int64_t from_stride,
                          int64_t rows, int64_t count, int pad);

/* Copies `rows` rows of `count` floats that lie `step` floats apart in `from`. */
typedef void (*spmm_copy_every)(float* to, int64_t to_stride, const float* from,
                                int64_t from_stride, int64_t rows, int64_t count, int64_t step);

struct spmm_isa {
    const char* name;
    int lanes;
    spmm_copy copy;
    spmm_copy_every copy_every;
    /* Sums of all groups of one part for a plane of one pixel: no bias, residual or activation. */
    void (*one_pixel)(const struct spmm_tile*, int64_t block_rows);
    /* Y of one pixel from these sums. */
    void (*finish_rows)(const struct spmm_tile*, const float* sums, int64_t rows);
};

#define SPMM_DECLARE_ISA(isa, supported, table) extern const struct spmm_isa spmm_isa_##isa;
SPMM_ISAS(SPMM_DECLARE_ISA)
#undef SPMM_DECLARE_ISA

#define SPMM_DECLARE_KERNEL(isa, nr, mr) \
    void spmm_kernel_##isa##_##nr##x##mr(const struct spmm_tile*);
#define SPMM_DECLARE_KERNELS(isa, supported, table) table(SPMM_DECLARE_KERNEL)
SPMM_ISAS(SPMM_DECLARE_KERNELS)
#undef SPMM_DECLARE_KERNELS
#undef SPMM_DECLARE_KERNEL

#endif
