/* Vector primitives of AVX-512. simd/portable.h says what each of them does. */
#ifndef ORT_SPARSE_SIMD_AVX512_H
#define ORT_SPARSE_SIMD_AVX512_H

#include <immintrin.h>

#include "simd/compiler.h"

#define SIMD_ISA avx512
#define SIMD_TARGET "avx512f"
#define SIMD_LANES 16
#define SIMD_REGISTERS 32
#define SIMD_FUSED 1
#define SIMD_PIN(x)

#include "simd/begin_target.h"

typedef __m512 vec;
typedef __m512 vec_weights;

static inline vec vec_set1(float x) { return _mm512_set1_ps(x); }
static inline vec vec_load(const float* from) { return _mm512_loadu_ps(from); }
/* Not again as an operand of every instruction that uses it: loads limit. */
static inline vec vec_load_once(const float* from) {
    vec x = vec_load(from);
    __asm__("" : "+v"(x));
    return x;
}

static inline void vec_store(float* to, vec x) { _mm512_storeu_ps(to, x); }

static inline __mmask16 vec_mask(int count) { return (__mmask16)((1u << count) - 1); }

static inline vec vec_load_part(const float* from, int count) {
    return _mm512_maskz_loadu_ps(vec_mask(count), from);
}

static inline void vec_store_part(float* to, vec x, int count) {
    _mm512_mask_storeu_ps(to, vec_mask(count), x);
}

static inline vec vec_load_quads(const float* from, int64_t stride) {
    __m512 quads = _mm512_castps128_ps512(_mm_loadu_ps(from));
    quads = _mm512_insertf32x4(quads, _mm_loadu_ps(from + stride), 1);
    quads = _mm512_insertf32x4(quads, _mm_loadu_ps(from + 2 * stride), 2);
    return _mm512_insertf32x4(quads, _mm_loadu_ps(from + 3 * stride), 3);
}

static inline void vec_transpose_quads(vec quads[4]) {
    __m512 a = _mm512_unpacklo_ps(quads[0], quads[1]), b = _mm512_unpackhi_ps(quads[0], quads[1]);
    __m512 c = _mm512_unpacklo_ps(quads[2], quads[3]), d = _mm512_unpackhi_ps(quads[2], quads[3]);
    quads[0] = _mm512_shuffle_ps(a, c, 0x44);
    quads[1] = _mm512_shuffle_ps(a, c, 0xee);
    quads[2] = _mm512_shuffle_ps(b, d, 0x44);
    quads[3] = _mm512_shuffle_ps(b, d, 0xee);
}

static inline vec vec_load_even(const float* from) {
    const __m512i even =
        _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    return _mm512_permutex2var_ps(_mm512_loadu_ps(from), even, _mm512_loadu_ps(from + 16));
}

static inline void vec_split(vec a, vec b, vec* even, vec* odd) {
    const __m512i lanes =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    *even = _mm512_permutex2var_ps(a, lanes, b);
    *odd = _mm512_permutex2var_ps(a, _mm512_add_epi32(lanes, _mm512_set1_epi32(1)), b);
}

static inline void vec_split_mixed(vec a, vec b, vec* even, vec* odd) {
    vec_split(a, b, even, odd);
}

static inline vec vec_unmix(vec x) { return x; }

static inline vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm512_div_ps(a, b); }
static inline vec vec_sqrt(vec x) { return _mm512_sqrt_ps(x); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }

/* MINPS and MAXPS return their second operand where either is NaN. */
static inline vec vec_min(vec bound, vec x) { return _mm512_min_ps(bound, x); }
static inline vec vec_max(vec bound, vec x) { return _mm512_max_ps(bound, x); }

static inline vec vec_if_less(vec a, vec b, vec yes, vec no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}

static inline vec vec_if_nan(vec x, vec yes, vec no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), no, yes);
}

static inline vec vec_exponent(vec bits) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(bits), 23));
}

/* One load for four weights, each spread by a permute within 128-bit lanes: loads, not shuffles,
 * limit the inner loop. The empty asm keeps clang from turning permutes back into loads. */
static inline vec_weights vec_load_weights(const float* values) {
    __m512 weights = _mm512_broadcast_f32x4(_mm_load_ps(values));
    __asm__("" : "+v"(weights));
    return weights;
}

SIMD_INLINE vec vec_fma_weight(vec_weights weights, int i, vec pixels, vec sum) {
    switch (i) {
        case 0:
            return _mm512_fmadd_ps(_mm512_permute_ps(weights, 0x00), pixels, sum);
        case 1:
            return _mm512_fmadd_ps(_mm512_permute_ps(weights, 0x55), pixels, sum);
        case 2:
            return _mm512_fmadd_ps(_mm512_permute_ps(weights, 0xaa), pixels, sum);
        default:
            return _mm512_fmadd_ps(_mm512_permute_ps(weights, 0xff), pixels, sum);
    }
}

#endif
