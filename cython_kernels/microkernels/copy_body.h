/* Rows of pixels, from X to a panel and from a staging area to Y. */
#include "microkernels/microkernel.h"
#include "simd/compiler.h"

static void SIMD_NAME(copy)(float* to, int64_t to_stride, const float* from, int64_t from_stride,
                            int64_t rows, int64_t count, int pad) {
    if (count == 1) {
        for (int64_t r = 0; r < rows; r++) to[r * to_stride] = from[r * from_stride];
        return;
    }
    const int64_t whole = count / SIMD_LANES * SIMD_LANES;
    const int tail = (int)(count - whole);
    for (int64_t r = 0; r < rows; r++, to += to_stride, from += from_stride) {
        for (int64_t i = 0; i < whole; i += SIMD_LANES) vec_store(to + i, vec_load(from + i));
        if (tail == 0) continue;
        if (pad) {
            vec_store(to + whole, vec_load_part(from + whole, tail));
        } else {
            vec_store_part(to + whole, vec_load_part(from + whole, tail), tail);
        }
    }
}

SIMD_INLINE void copy_steps(float* to, int64_t to_stride, const float* from, int64_t from_stride,
                            int64_t rows, int64_t count, int64_t step) {
    for (int64_t r = 0; r < rows; r++, to += to_stride, from += from_stride) {
        for (int64_t i = 0; i < count; i++) to[i] = from[i * step];
    }
}

static void SIMD_NAME(copy_every)(float* restrict to, int64_t to_stride, const float* restrict from,
                                  int64_t from_stride, int64_t rows, int64_t count, int64_t step) {
    if (step == 2) { /* a constant, so that compilers use shuffles */
        copy_steps(to, to_stride, from, from_stride, rows, count, 2);
    } else {
        copy_steps(to, to_stride, from, from_stride, rows, count, step);
    }
}
