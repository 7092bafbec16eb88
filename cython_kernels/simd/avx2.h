/* Vector primitives of AVX2 with FMA. simd/portable.h says what each of them does. */
#ifndef ORT_SPARSE_SIMD_AVX2_H
#define ORT_SPARSE_SIMD_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#include "simd/compiler.h"

#define SIMD_ISA avx2
#define SIMD_TARGET "avx2,fma"
#define SIMD_LANES 8
#define SIMD_REGISTERS 16
#define SIMD_FUSED 1
#define SIMD_PIN(x)

#include "simd/begin_target.h"

typedef __m256 vec;
typedef __m256 vec_weights;

static inline vec vec_set1(float x) { return _mm256_set1_ps(x); }
static inline vec vec_load(const float* from) { return _mm256_loadu_ps(from); }
/* Not again as an operand of every instruction that uses it: loads limit. */
static inline vec vec_load_once(const float* from) {
    vec x = vec_load(from);
    __asm__("" : "+x"(x));
    return x;
}

static inline void vec_store(float* to, vec x) { _mm256_storeu_ps(to, x); }

static inline vec vec_load_part(const float* from, int count) {
    static const int32_t window[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_maskload_ps(from, _mm256_loadu_si256((const __m256i*)(window + 8 - count)));
}

/* Not by VMASKMOVPS, whose store takes dozens of cycles on AMD. */
static inline void vec_store_part(float* to, vec x, int count) {
    __m128 part = _mm256_castps256_ps128(x);
    if (count & 8) {
        _mm256_storeu_ps(to, x);
        return;
    }
    if (count & 4) {
        _mm_storeu_ps(to, part);
        part = _mm256_extractf128_ps(x, 1);
        to += 4;
    }
    if (count & 2) {
        _mm_storel_pi((__m64*)to, part);
        part = _mm_movehl_ps(part, part);
        to += 2;
    }
    if (count & 1) _mm_store_ss(to, part);
}

static inline vec vec_load_quads(const float* from, int64_t stride) {
    __m256 low = _mm256_castps128_ps256(_mm_loadu_ps(from));
    return _mm256_insertf128_ps(low, _mm_loadu_ps(from + stride), 1);
}

static inline void vec_transpose_quads(vec quads[4]) {
    __m256 a = _mm256_unpacklo_ps(quads[0], quads[1]), b = _mm256_unpackhi_ps(quads[0], quads[1]);
    __m256 c = _mm256_unpacklo_ps(quads[2], quads[3]), d = _mm256_unpackhi_ps(quads[2], quads[3]);
    quads[0] = _mm256_shuffle_ps(a, c, 0x44);
    quads[1] = _mm256_shuffle_ps(a, c, 0xee);
    quads[2] = _mm256_shuffle_ps(b, d, 0x44);
    quads[3] = _mm256_shuffle_ps(b, d, 0xee);
}

static inline vec vec_load_even(const float* from) {
    __m256 mixed = _mm256_shuffle_ps(_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8), 0x88);
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xd8));
}

static inline void vec_split(vec a, vec b, vec* even, vec* odd) {
    const __m256 low = _mm256_permute2f128_ps(a, b, 0x20),
                 high = _mm256_permute2f128_ps(a, b, 0x31);
    *even = _mm256_shuffle_ps(low, high, 0x88);
    *odd = _mm256_shuffle_ps(low, high, 0xdd);
}

static inline void vec_split_mixed(vec a, vec b, vec* even, vec* odd) {
    *even = _mm256_shuffle_ps(a, b, 0x88);
    *odd = _mm256_shuffle_ps(a, b, 0xdd);
}

static inline vec vec_unmix(vec x) {
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(x), 0xd8));
}

static inline vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm256_div_ps(a, b); }
static inline vec vec_sqrt(vec x) { return _mm256_sqrt_ps(x); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }

/* MINPS and MAXPS return their second operand where either is NaN. */
static inline vec vec_min(vec bound, vec x) { return _mm256_min_ps(bound, x); }
static inline vec vec_max(vec bound, vec x) { return _mm256_max_ps(bound, x); }

static inline vec vec_if_less(vec a, vec b, vec yes, vec no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

static inline vec vec_if_nan(vec x, vec yes, vec no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

static inline vec vec_exponent(vec bits) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(bits), 23));
}

/* As with AVX-512. */
static inline vec_weights vec_load_weights(const float* values) {
    __m256 weights = _mm256_broadcast_ps((const __m128*)values);
    __asm__("" : "+x"(weights));
    return weights;
}

SIMD_INLINE vec vec_fma_weight(vec_weights weights, int i, vec pixels, vec sum) {
    switch (i) {
        case 0:
            return _mm256_fmadd_ps(_mm256_permute_ps(weights, 0x00), pixels, sum);
        case 1:
            return _mm256_fmadd_ps(_mm256_permute_ps(weights, 0x55), pixels, sum);
        case 2:
            return _mm256_fmadd_ps(_mm256_permute_ps(weights, 0xaa), pixels, sum);
        default:
            return _mm256_fmadd_ps(_mm256_permute_ps(weights, 0xff), pixels, sum);
    }
}

#endif
