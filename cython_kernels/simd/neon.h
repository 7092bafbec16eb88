/* Vector primitives of NEON, which every ARM64 CPU has. simd/portable.h says what each of them
 * does. */
#ifndef ORT_SPARSE_SIMD_NEON_H
#define ORT_SPARSE_SIMD_NEON_H

#include <arm_neon.h>

#include "simd/compiler.h"

#define SIMD_ISA neon
#define SIMD_LANES 4
#define SIMD_REGISTERS 32
#define SIMD_FUSED 1
/* Keeps gcc from computing an address anew for each load, instead of loading pairs from one. */
#define SIMD_PIN(x) __asm__("" : "+r"(x))

#include "simd/begin_target.h"

typedef float32x4_t vec;
typedef float32x4_t vec_weights;

static inline vec vec_set1(float x) { return vdupq_n_f32(x); }
static inline vec vec_load(const float* from) { return vld1q_f32(from); }
/* Not again as an operand of every instruction that uses it: loads limit. */
static inline vec vec_load_once(const float* from) {
    vec x = vec_load(from);
    __asm__("" : "+w"(x));
    return x;
}

static inline void vec_store(float* to, vec x) { vst1q_f32(to, x); }

static inline vec vec_load_part(const float* from, int count) {
    vec x = vdupq_n_f32(0.0f);
    switch (count) {
        case 4:
            return vld1q_f32(from);
        case 3:
            x = vld1q_lane_f32(from + 2, x, 2); /* fall through */
        case 2:
            x = vld1q_lane_f32(from + 1, x, 1); /* fall through */
        default:
            return vld1q_lane_f32(from, x, 0);
    }
}

static inline void vec_store_part(float* to, vec x, int count) {
    if (count & 4) {
        vst1q_f32(to, x);
        return;
    }
    if (count & 2) {
        vst1_f32(to, vget_low_f32(x));
        x = vextq_f32(x, x, 2);
        to += 2;
    }
    if (count & 1) vst1q_lane_f32(to, x, 0);
}

static inline vec vec_load_quads(const float* from, int64_t stride) {
    (void)stride;
    return vld1q_f32(from);
}

static inline void vec_transpose_quads(vec quads[4]) {
    float32x4_t a = vzip1q_f32(quads[0], quads[2]), b = vzip2q_f32(quads[0], quads[2]);
    float32x4_t c = vzip1q_f32(quads[1], quads[3]), d = vzip2q_f32(quads[1], quads[3]);
    quads[0] = vzip1q_f32(a, c);
    quads[1] = vzip2q_f32(a, c);
    quads[2] = vzip1q_f32(b, d);
    quads[3] = vzip2q_f32(b, d);
}

static inline vec vec_load_even(const float* from) { return vld2q_f32(from).val[0]; }

static inline void vec_split(vec a, vec b, vec* even, vec* odd) {
    *even = vuzp1q_f32(a, b);
    *odd = vuzp2q_f32(a, b);
}

static inline void vec_split_mixed(vec a, vec b, vec* even, vec* odd) {
    vec_split(a, b, even, odd);
}

static inline vec vec_unmix(vec x) { return x; }

static inline vec vec_add(vec a, vec b) { return vaddq_f32(a, b); }
static inline vec vec_sub(vec a, vec b) { return vsubq_f32(a, b); }
static inline vec vec_mul(vec a, vec b) { return vmulq_f32(a, b); }
static inline vec vec_div(vec a, vec b) { return vdivq_f32(a, b); }
static inline vec vec_sqrt(vec x) { return vsqrtq_f32(x); }
static inline vec vec_fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }

/* FMIN and FMAX return NaN where either operand is. */
static inline vec vec_min(vec bound, vec x) { return vminq_f32(bound, x); }
static inline vec vec_max(vec bound, vec x) { return vmaxq_f32(bound, x); }

static inline vec vec_if_less(vec a, vec b, vec yes, vec no) {
    return vbslq_f32(vcltq_f32(a, b), yes, no);
}

static inline vec vec_if_nan(vec x, vec yes, vec no) { return vbslq_f32(vceqq_f32(x, x), no, yes); }

static inline vec vec_exponent(vec bits) {
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(bits), 23));
}

static inline vec_weights vec_load_weights(const float* values) { return vld1q_f32(values); }

/* FMLA takes a weight straight from its lane. */
SIMD_INLINE vec vec_fma_weight(vec_weights weights, int i, vec pixels, vec sum) {
    switch (i) {
        case 0:
            return vfmaq_laneq_f32(sum, pixels, weights, 0);
        case 1:
            return vfmaq_laneq_f32(sum, pixels, weights, 1);
        case 2:
            return vfmaq_laneq_f32(sum, pixels, weights, 2);
        default:
            return vfmaq_laneq_f32(sum, pixels, weights, 3);
    }
}

#endif
