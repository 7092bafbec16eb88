/* Portable vector primitives: vectors of 16 bytes in the GNU C extension that gcc and clang
 * share, so that they run on every architecture, with vector instructions where it has some.
 *
 * Every header of this kind defines SIMD_ISA, SIMD_LANES (floats in a vector), SIMD_FUSED (whether
 * vec_fma rounds only once), SIMD_PIN(x) (makes the compiler keep x in a register, or nothing),
 * perhaps SIMD_TARGET, and the functions below over a type vec. It leaves the target open, which
 * simd/end_target.h closes, so a file includes just one of them. */
#ifndef ORT_SPARSE_SIMD_PORTABLE_H
#define ORT_SPARSE_SIMD_PORTABLE_H

#include <stdint.h>

#include "simd/compiler.h"

#define SIMD_ISA portable
#define SIMD_LANES 4
#define SIMD_REGISTERS 16
#define SIMD_FUSED 0
#define SIMD_PIN(x)

#include "simd/begin_target.h"

typedef float vec __attribute__((vector_size(16)));
typedef int32_t vec_int __attribute__((vector_size(16)));
typedef vec vec_weights;

static inline vec vec_set1(float x) { return (vec){x, x, x, x}; }

static inline vec vec_load(const float* from) {
    vec x;
    __builtin_memcpy(&x, from, sizeof x);
    return x;
}

/* The same, but never once more as an operand of each instruction that uses it. */
static inline vec vec_load_once(const float* from) { return vec_load(from); }

static inline void vec_store(float* to, vec x) { __builtin_memcpy(to, &x, sizeof x); }

/* The first `count` lanes, 1 to SIMD_LANES; the others are zero, or stay unwritten. */
static inline vec vec_load_part(const float* from, int count) {
    vec x = {0};
    for (int i = 0; i < count; i++) x[i] = from[i];
    return x;
}

static inline void vec_store_part(float* to, vec x, int count) {
    for (int i = 0; i < count; i++) to[i] = x[i];
}

/* Four floats from each address, which lie `stride` apart. */
static inline vec vec_load_quads(const float* from, int64_t stride) {
    (void)stride; /* there is one address */
    return vec_load(from);
}

/* Transposes the matrix of four rows that each quad of lanes is of the four vectors. */
static inline void vec_transpose_quads(vec quads[4]) {
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < i; j++) {
            float swapped = quads[i][j];
            quads[i][j] = quads[j][i];
            quads[j][i] = swapped;
        }
    }
}

/* Every second of 2 * SIMD_LANES floats. */
static inline vec vec_load_even(const float* from) {
    return (vec){from[0], from[2], from[4], from[6]};
}

/* The even and the odd lanes of a and b together. */
static inline void vec_split(vec a, vec b, vec* even, vec* odd) {
    *even = (vec){a[0], a[2], b[0], b[2]};
    *odd = (vec){a[1], a[3], b[1], b[3]};
}

/* The same, in any order of lanes, which vec_unmix undoes. */
static inline void vec_split_mixed(vec a, vec b, vec* even, vec* odd) {
    vec_split(a, b, even, odd);
}

static inline vec vec_unmix(vec x) { return x; }

static inline vec vec_add(vec a, vec b) { return a + b; }
static inline vec vec_sub(vec a, vec b) { return a - b; }
static inline vec vec_mul(vec a, vec b) { return a * b; }
static inline vec vec_div(vec a, vec b) { return a / b; }
static inline vec vec_fma(vec a, vec b, vec c) { return a * b + c; } /* rounding: either */

static inline vec vec_sqrt(vec x) {
    for (int i = 0; i < SIMD_LANES; i++) x[i] = __builtin_sqrtf(x[i]);
    return x;
}

static inline vec vec_select(vec_int mask, vec yes, vec no) {
    return (vec)((mask & (vec_int)yes) | (~mask & (vec_int)no));
}

/* A NaN in the second operand stays. */
static inline vec vec_min(vec bound, vec x) { return vec_select(bound < x, bound, x); }
static inline vec vec_max(vec bound, vec x) { return vec_select(bound > x, bound, x); }

/* Not where either is NaN. */
static inline vec vec_if_less(vec a, vec b, vec yes, vec no) { return vec_select(a < b, yes, no); }

static inline vec vec_if_nan(vec x, vec yes, vec no) { return vec_select(x != x, yes, no); }

/* A float whose exponent bits are the low 8 bits of a float's representation. */
static inline vec vec_exponent(vec bits) {
    typedef uint32_t vec_uint __attribute__((vector_size(16)));
    return (vec)((vec_uint)bits << 23);
}

/* The four weights of a step, and sum + weight i * pixels. */
static inline vec_weights vec_load_weights(const float* values) { return vec_load(values); }

static inline vec vec_fma_weight(vec_weights weights, int i, vec pixels, vec sum) {
    return pixels * vec_set1(weights[i]) + sum;
}

#endif
