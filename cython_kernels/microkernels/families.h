/* All bodies for one instruction set, and its entries of the table. The including file has included
 * the header of vector primitives, and defines SPMM_SHAPES and SPMM_LOAD_AHEAD. */
/* A layer takes any tile from one vector to the widest, so there are no gaps. */
#define SPMM_UP_TO_2(X, nr) X(nr, 1) X(nr, 2)
#define SPMM_UP_TO_3(X, nr) SPMM_UP_TO_2(X, nr) X(nr, 3)
#define SPMM_UP_TO_4(X, nr) SPMM_UP_TO_3(X, nr) X(nr, 4)
#define SPMM_UP_TO_5(X, nr) SPMM_UP_TO_4(X, nr) X(nr, 5)
#define SPMM_UP_TO_6(X, nr) SPMM_UP_TO_5(X, nr) X(nr, 6)

#include "microkernels/conv_body.h"
#include "microkernels/conv_fill_body.h"
#include "microkernels/conv_row_body.h"
#include "microkernels/copy_body.h"
#include "microkernels/elementwise_body.h"
#include "microkernels/one_pixel_body.h"
#include "microkernels/pool_body.h"
#include "microkernels/reduce_body.h"
#include "microkernels/spmm_body.h"
#include "microkernels/transpose_body.h"

#define SPMM_ENTRY_OF(isa, nr, mr) \
    {MICROKERNEL_SPMM, nr, mr, {.spmm = spmm_kernel_##isa##_##nr##x##mr}},
#define SPMM_ENTRY_(isa, nr, mr) SPMM_ENTRY_OF(isa, nr, mr)
#define SPMM_ENTRY(nr, mr) SPMM_ENTRY_(SIMD_ISA, nr, mr)
#define CONV_ENTRY(cells, stride) \
    {MICROKERNEL_CONV, cells, stride, {.conv = SIMD_NAME(conv_##cells##_##stride)}},
#define CONV_ROW_ENTRY(cells, stride) \
    {MICROKERNEL_CONV_ROW, cells, stride, {.conv_row = SIMD_NAME(conv_row_##cells##_##stride)}},
#define CONV_FILL_ENTRY(stride) \
    {MICROKERNEL_CONV_FILL, 0, stride, {.conv_fill = SIMD_NAME(conv_fill_##stride)}},
#define UNARY_ENTRY(function, name) \
    {MICROKERNEL_UNARY, function, 0, {.unary = SIMD_NAME(unary_##name)}},
#define BINARY_ENTRY(function, name, shape, shape_name) \
    {MICROKERNEL_BINARY, function, shape, {.binary = SIMD_NAME(binary_##name##_##shape_name)}},
#define BINARY_ENTRIES(function, name) BINARY_WITH_SHAPES(BINARY_ENTRY, function, name)
#define POOL_ENTRY(average, stride) \
    {MICROKERNEL_POOL, average, stride, {.pool = SIMD_NAME(pool_##average##_##stride)}},
#define ONE_PIXEL_ENTRY(nr) \
    {MICROKERNEL_ONE_PIXEL, nr, 0, {.one_pixel = SIMD_NAME(one_pixel_##nr)}},

static const struct microkernel SIMD_NAME(entries)[] = {
    {MICROKERNEL_FINISH, 0, 0, {.finish = SIMD_NAME(finish)}},
    {MICROKERNEL_COPY, 0, 0, {.copy = SIMD_NAME(copy)}},
    {MICROKERNEL_COPY_EVERY, 0, 0, {.copy_every = SIMD_NAME(copy_every)}},
    {MICROKERNEL_CONV_BLOCK, 0, 0, {.conv = SIMD_NAME(conv_block)}},
    {MICROKERNEL_REDUCE, REDUCE_SUM, 0, {.reduce = SIMD_NAME(reduce_sum)}},
    {MICROKERNEL_REDUCE, REDUCE_MAXIMUM, 0, {.reduce = SIMD_NAME(reduce_maximum)}},
    {MICROKERNEL_EXP_SUM, 0, 0, {.exp_sum = SIMD_NAME(exp_sum)}},
    {MICROKERNEL_TRANSPOSE, 0, 0, {.transpose = SIMD_NAME(transpose)}},
    UNARY_LIST(UNARY_ENTRY) BINARY_LIST(BINARY_ENTRIES) CONV_FILL_STRIDES(CONV_FILL_ENTRY)
        CONV_SHAPES(CONV_ENTRY) CONV_ROW_SHAPES(CONV_ROW_ENTRY) POOL_SHAPES(POOL_ENTRY)
            ONE_PIXEL_BLOCK_ROWS(ONE_PIXEL_ENTRY) SPMM_SHAPES(SPMM_ENTRY)};

const struct microkernel_set SIMD_NAME(microkernels) = {
    .isa = SIMD_PASTE(ISA_, SIMD_ISA),
    .lanes = SIMD_LANES,
    .count = sizeof SIMD_NAME(entries) / sizeof SIMD_NAME(entries)[0],
    .entries = SIMD_NAME(entries),
};
