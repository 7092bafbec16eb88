/* Padded copies of planes, for convolutions. */
#include "microkernels/microkernel.h"
#include "simd/compiler.h"

static const float conv_zeros[SIMD_LANES];

/* Loaded, so that compilers do not call memset for a few vectors. */
SIMD_INLINE void conv_zero(float* to, int64_t from, int64_t end) {
    const vec zeros = vec_load_once(conv_zeros);
    for (int64_t i = from; i < end; i += SIMD_LANES) vec_store(to + i, zeros);
}

/* A vector of a line, or a pair of them if the stride is 2. */
SIMD_INLINE void conv_fill_step(const struct conv_fill* f, float* to, const float* from,
                                const int stride) {
    if (stride == 1) {
        vec_store(to, vec_load(from));
        return;
    }
    vec even, odd;
    vec_split(vec_load_once(from), vec_load_once(from + SIMD_LANES), &even, &odd);
    vec_store(to, even);
    vec_store(to + f->odd, odd);
}

/* What is left of a line: less than a vector, or than a pair. */
SIMD_INLINE void conv_fill_rest(const struct conv_fill* f, float* to, const float* from, int count,
                                const int stride) {
    if (stride == 1) {
        vec_store(to, vec_load_part(from, count));
        return;
    }
    vec even, odd, second = vec_load_once(conv_zeros);
    const vec first = count < SIMD_LANES ? vec_load_part(from, count) : vec_load(from);
    if (count > SIMD_LANES) second = vec_load_part(from + SIMD_LANES, count - SIMD_LANES);
    vec_split(first, second, &even, &odd);
    vec_store(to, even);
    vec_store(to + f->odd, odd);
}

/* Lines of `known` whole steps, and if `many` any number of fours of them before. */
SIMD_INLINE void conv_fill_lines(const struct conv_fill* f, float* to, const float* from,
                                 const int known, const int many, const int stride) {
    const int64_t fours = many ? f->count / (SIMD_LANES * stride) / 4 : 0;
    const int64_t steps = 4 * fours + known;
    const int rest = (int)(f->count - steps * SIMD_LANES * stride);
    const int64_t done = (steps + (rest > 0)) * SIMD_LANES;
    for (int64_t line = 0; line < f->lines; line++, from += f->from_step, to += f->to_step) {
        float* pixels = to;
        const float* next = from;
        for (int64_t i = 0; i < fours; i++) {
            SIMD_UNROLL for (int k = 0; k < 4; k++) {
                conv_fill_step(f, pixels, next, stride);
                pixels += SIMD_LANES;
                next += SIMD_LANES * stride;
            }
        }
        SIMD_UNROLL for (int k = 0; k < known; k++) {
            conv_fill_step(f, pixels, next, stride);
            pixels += SIMD_LANES;
            next += SIMD_LANES * stride;
        }
        if (rest > 0) conv_fill_rest(f, pixels, next, rest, stride);
        conv_zero(to, done, f->end);
        if (stride == 2) conv_zero(to + f->odd, done, f->end);
    }
}

SIMD_INLINE void conv_fill_any_lines(const struct conv_fill* f, float* to, const float* from) {
    for (int64_t line = 0; line < f->lines; line++, from += f->from_step, to += f->to_step) {
        int64_t i = 0;
        for (; i * f->stride < f->count; i++) to[i] = from[i * f->stride];
        for (; i < f->end; i++) to[i] = 0.0f;
    }
}

SIMD_INLINE void conv_zero_lines(const struct conv_fill* f, float* to, int64_t lines,
                                 const int stride) {
    for (; lines > 0; lines--, to += f->to_step) {
        conv_zero(to, 0, f->end);
        if (stride == 2) conv_zero(to + f->odd, 0, f->end);
    }
}

SIMD_INLINE void conv_fill_planes(const struct conv_fill* shared, const int known, const int many,
                                  const int stride) {
    const struct conv_fill f = *shared; /* which the compiler need not read again after a store */
    for (int64_t p = 0; p < f.planes; p++) {
        const float* from = f.from + p * f.from_stride;
        float* to = f.to + p * f.to_stride;
        conv_zero_lines(&f, to, f.zeros_before, stride);
        to += f.zeros_before * f.to_step;
        if (stride > 0) {
            conv_fill_lines(&f, to, from, known, many, stride);
        } else {
            conv_fill_any_lines(&f, to, from);
        }
        conv_zero_lines(&f, to + f.lines * f.to_step, f.zeros_after, stride);
    }
}

/* Loops over a few vectors would cost as much as copying them. */
SIMD_INLINE void conv_fill_strided(const struct conv_fill* f, const int stride) {
    const int64_t steps = f->count / (SIMD_LANES * stride);
    switch (steps < 4 ? steps : 4 + steps % 4) {
#define CONV_FILL_CASE(known, many) \
    case 4 * (many) + (known):      \
        return conv_fill_planes(f, known, many, stride)
        CONV_FILL_CASE(0, 0);
        CONV_FILL_CASE(1, 0);
        CONV_FILL_CASE(2, 0);
        CONV_FILL_CASE(3, 0);
        CONV_FILL_CASE(0, 1);
        CONV_FILL_CASE(1, 1);
        CONV_FILL_CASE(2, 1);
        CONV_FILL_CASE(3, 1);
#undef CONV_FILL_CASE
    }
}

static SIMD_ONE_COPY void SIMD_NAME(conv_fill_0)(const struct conv_fill* f) {
    conv_fill_planes(f, 0, 0, 0);
}

static SIMD_ONE_COPY void SIMD_NAME(conv_fill_1)(const struct conv_fill* f) {
    conv_fill_strided(f, 1);
}

static SIMD_ONE_COPY void SIMD_NAME(conv_fill_2)(const struct conv_fill* f) {
    conv_fill_strided(f, 2);
}

/* X(stride along the width): 0 stands for any. */
#define CONV_FILL_STRIDES(X) X(0) X(1) X(2)
