/* Pixels of many planes, from X to a panel and from a staging area to Y. */
#include "microkernels/microkernel.h"
#include "simd/compiler.h"

static void SIMD_NAME(copy)(float* to, int64_t to_stride, const float* from, int64_t from_stride,
                            int64_t planes, int64_t count, int pad) {
    if (count == 1) {
        for (int64_t p = 0; p < planes; p++) to[p * to_stride] = from[p * from_stride];
        return;
    }
    const int64_t whole = count / SIMD_LANES * SIMD_LANES;
    const int tail = (int)(count - whole);
    for (; planes > 0; planes--, to += to_stride, from += from_stride) {
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
                            int64_t planes, int64_t count, int64_t step) {
    for (; planes > 0; planes--, to += to_stride, from += from_stride) {
        for (int64_t i = 0; i < count; i++) to[i] = from[i * step];
    }
}

static void SIMD_NAME(copy_every)(float* restrict to, int64_t to_stride, const float* restrict from,
                                  int64_t from_stride, int64_t planes, int64_t count,
                                  int64_t step) {
    if (step == 2) { /* a constant, so that compilers use shuffles */
        copy_steps(to, to_stride, from, from_stride, planes, count, 2);
    } else {
        copy_steps(to, to_stride, from, from_stride, planes, count, step);
    }
}
