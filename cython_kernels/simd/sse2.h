/* Vector primitives of SSE2, which every x86-64 CPU has. simd/portable.h says what each of them
 * does. */
#ifndef ORT_SPARSE_SIMD_SSE2_H
#define ORT_SPARSE_SIMD_SSE2_H

#include <emmintrin.h>

#include "simd/compiler.h"

#define SIMD_ISA sse2
#define SIMD_LANES 4
#define SIMD_REGISTERS 16
#define SIMD_FUSED 0
#define SIMD_PIN(x)

#include "simd/begin_target.h"

typedef __m128 vec;
typedef __m128 vec_weights;

static inline vec vec_set1(float x) { return _mm_set1_ps(x); }
static inline vec vec_load(const float* from) { return _mm_loadu_ps(from); }
/* Not again as an operand of every instruction that uses it: loads limit. */
static inline vec vec_load_once(const float* from) {
    vec x = vec_load(from);
    __asm__("" : "+x"(x));
    return x;
}

static inline void vec_store(float* to, vec x) { _mm_storeu_ps(to, x); }

static inline vec vec_load_part(const float* from, int count) {
    switch (count) {
        case 1:
            return _mm_load_ss(from);
        case 2:
            return _mm_loadl_pi(_mm_setzero_ps(), (const __m64*)from);
        case 3:
            return _mm_movelh_ps(_mm_loadl_pi(_mm_setzero_ps(), (const __m64*)from),
                                 _mm_load_ss(from + 2));
        default:
            return _mm_loadu_ps(from);
    }
}

static inline void vec_store_part(float* to, vec x, int count) {
    if (count & 4) {
        _mm_storeu_ps(to, x);
        return;
    }
    if (count & 2) {
        _mm_storel_pi((__m64*)to, x);
        x = _mm_movehl_ps(x, x);
        to += 2;
    }
    if (count & 1) _mm_store_ss(to, x);
}

static inline vec vec_load_quads(const float* from, int64_t stride) {
    (void)stride;
    return _mm_loadu_ps(from);
}

static inline void vec_transpose_quads(vec quads[4]) {
    _MM_TRANSPOSE4_PS(quads[0], quads[1], quads[2], quads[3]);
}

static inline vec vec_load_even(const float* from) {
    return _mm_shuffle_ps(_mm_loadu_ps(from), _mm_loadu_ps(from + 4), 0x88);
}

static inline void vec_split(vec a, vec b, vec* even, vec* odd) {
    *even = _mm_shuffle_ps(a, b, 0x88);
    *odd = _mm_shuffle_ps(a, b, 0xdd);
}

static inline void vec_split_mixed(vec a, vec b, vec* even, vec* odd) {
    vec_split(a, b, even, odd);
}

static inline vec vec_unmix(vec x) { return x; }

static inline vec vec_add(vec a, vec b) { return _mm_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm_div_ps(a, b); }
static inline vec vec_sqrt(vec x) { return _mm_sqrt_ps(x); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }

/* MINPS and MAXPS return their second operand where either is NaN. */
static inline vec vec_min(vec bound, vec x) { return _mm_min_ps(bound, x); }
static inline vec vec_max(vec bound, vec x) { return _mm_max_ps(bound, x); }

static inline vec vec_select(vec mask, vec yes, vec no) {
    return _mm_or_ps(_mm_and_ps(mask, yes), _mm_andnot_ps(mask, no));
}

static inline vec vec_if_less(vec a, vec b, vec yes, vec no) {
    return vec_select(_mm_cmplt_ps(a, b), yes, no);
}

static inline vec vec_if_nan(vec x, vec yes, vec no) {
    return vec_select(_mm_cmpunord_ps(x, x), yes, no);
}

static inline vec vec_exponent(vec bits) {
    return _mm_castsi128_ps(_mm_slli_epi32(_mm_castps_si128(bits), 23));
}

static inline vec_weights vec_load_weights(const float* values) {
    __m128 weights = _mm_load_ps(values);
    __asm__("" : "+x"(weights)); /* keeps clang from loading each weight by itself */
    return weights;
}

SIMD_INLINE vec vec_fma_weight(vec_weights weights, int i, vec pixels, vec sum) {
    switch (i) {
        case 0:
            return vec_fma(_mm_shuffle_ps(weights, weights, 0x00), pixels, sum);
        case 1:
            return vec_fma(_mm_shuffle_ps(weights, weights, 0x55), pixels, sum);
        case 2:
            return vec_fma(_mm_shuffle_ps(weights, weights, 0xaa), pixels, sum);
        default:
            return vec_fma(_mm_shuffle_ps(weights, weights, 0xff), pixels, sum);
    }
}

#endif
