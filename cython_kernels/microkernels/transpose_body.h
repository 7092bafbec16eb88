/* Transposes a matrix: blocks of as many rows as a vector has lanes, and four columns, in
 * registers. */
#include <string.h>

#include "base/arithmetic.h"
#include "microkernels/microkernel.h"
#include "simd/compiler.h"

/* Columns that are done for all rows before the next ones: a cache line of each row. */
enum { TRANSPOSE_COLUMNS = 16 };

/* Up to SIMD_LANES rows of at most TRANSPOSE_COLUMNS columns. Reads whole quads of them, in whole
 * blocks. */
SIMD_INLINE void transpose_block(float* to, int64_t to_stride, const float* from,
                                 int64_t from_stride, int rows, int columns) {
    for (int c = 0; c < columns; c += 4) {
        vec quads[4];
        SIMD_UNROLL
        for (int i = 0; i < 4; i++) {
            quads[i] = vec_load_quads(from + i * from_stride + c, 4 * from_stride);
        }
        vec_transpose_quads(quads);
        SIMD_UNROLL
        for (int i = 0; i < 4; i++) {
            if (c + i >= columns) continue;
            if (rows == SIMD_LANES) {
                vec_store(to + (c + i) * to_stride, quads[i]);
            } else {
                vec_store_part(to + (c + i) * to_stride, quads[i], rows);
            }
        }
    }
}

/* A block at the end of the matrix, of which there may be no more to read than it is. */
SIMD_INLINE void transpose_last(float* to, int64_t to_stride, const float* from,
                                int64_t from_stride, int rows, int columns) {
    float block[SIMD_LANES * TRANSPOSE_COLUMNS]; /* what is not set is not stored either */
    for (int r = 0; r < rows; r++) {
        memcpy(block + r * TRANSPOSE_COLUMNS, from + r * from_stride,
               (size_t)columns * sizeof *block);
    }
    transpose_block(to, to_stride, block, TRANSPOSE_COLUMNS, rows, columns);
}

/* At most TRANSPOSE_COLUMNS columns of any rows. The last quad of a row may reach into the next
 * row, which rows at the end do not have. */
SIMD_INLINE void transpose_columns(float* to, int64_t to_stride, const float* from,
                                   int64_t from_stride, int64_t rows, int columns) {
    const int64_t overrun = divide_up(columns, 4) * 4 - columns;
    const int64_t whole = overrun == 0 ? rows : larger(0, rows - divide_up(overrun, from_stride));
    int64_t r = 0;
    for (; r + SIMD_LANES <= whole; r += SIMD_LANES) {
        transpose_block(to + r, to_stride, from + r * from_stride, from_stride, SIMD_LANES,
                        columns);
    }
    for (; r < rows; r += SIMD_LANES) {
        transpose_last(to + r, to_stride, from + r * from_stride, from_stride,
                       (int)smaller(rows - r, SIMD_LANES), columns);
    }
}

static void SIMD_NAME(transpose)(float* to, int64_t to_stride, const float* from,
                                 int64_t from_stride, int64_t rows, int64_t columns) {
    if (columns == 3) { /* a constant: images of red, green and blue */
        transpose_columns(to, to_stride, from, from_stride, rows, 3);
        return;
    }
    for (; columns >= TRANSPOSE_COLUMNS; columns -= TRANSPOSE_COLUMNS) {
        transpose_columns(to, to_stride, from, from_stride, rows, TRANSPOSE_COLUMNS);
        to += TRANSPOSE_COLUMNS * to_stride;
        from += TRANSPOSE_COLUMNS;
    }
    if (columns > 0) transpose_columns(to, to_stride, from, from_stride, rows, (int)columns);
}
