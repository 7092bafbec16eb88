/* Functions of a vector, over the primitives of the instruction set that is included before. NaN
 * gives NaN. Errors are stated against exact results, for every float; results that would be
 * subnormal may be zero. */
#ifndef ORT_SPARSE_SIMD_FUNCTIONS_H
#define ORT_SPARSE_SIMD_FUNCTIONS_H

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "simd/compiler.h"

/* The bits of a vector, in the GNU C extension that gcc and clang share. */
typedef uint32_t vec_bits __attribute__((vector_size(sizeof(vec))));
typedef int32_t vec_signed __attribute__((vector_size(sizeof(vec))));

SIMD_INLINE vec simd_abs(vec x) { return (vec)((vec_bits)x & 0x7fffffffu); }

/* The larger and the smaller one; NaN where either is. */
SIMD_INLINE vec simd_maximum(vec a, vec b) { return vec_if_nan(a, a, vec_max(a, b)); }
SIMD_INLINE vec simd_minimum(vec a, vec b) { return vec_if_nan(a, a, vec_min(a, b)); }

/* --- The exponential function. */

/* exp(sign x) = 2^shift scale (1 + y slope), in parts, so that each caller puts them together as
 * is best for it. */
struct simd_power {
    vec scale, y, slope;
};

/* The sign is 1 or -1; sign x / ln 2 - shift must lie in [-127, 128]: at the lower bound the scale
 * is zero, at the upper one infinite.
 *
 * exp(x) = 2^n exp(y) with x = y + n ln 2, |y| <= ln(2) / 2. If vec_fma rounds only once, y is off
 * by n times the error of ln 2 as a float, at most 2.5e-7; else ln 2 is split in two as by Cody and
 * Waite, so that n * high is exact. exp(y) = 1 + y ... is a polynomial of degree 5, fitted for the
 * least relative error (reweighted least squares on Chebyshev nodes: 9.3e-8, and 3e-7 of
 * exp(y) - 1). */
SIMD_INLINE struct simd_power simd_power(float sign, vec x, int shift) {
    /* Adding this rounds to an integer n, and the sum's low bits are n - shift + 127, the exponent
     * bits of 2^(n - shift). */
    const vec magic = vec_set1(12582912.0f + 127.0f - (float)shift);
    vec sum = vec_fma(x, vec_set1(sign * 1.44269504f), magic);
    vec n = vec_sub(sum, magic);
    vec y = vec_fma(n, vec_set1(sign * (SIMD_FUSED ? -0.693147181f : -0.693359375f)), x);
    if (!SIMD_FUSED) y = vec_fma(n, vec_set1(sign * 2.12194440e-4f), y);
    vec slope = vec_fma(y, vec_set1(sign * 8.2902722e-3f), vec_set1(4.1898161e-2f));
    slope = vec_fma(slope, y, vec_set1(sign * 1.66676387e-1f));
    slope = vec_fma(slope, y, vec_set1(4.99991477e-1f));
    slope = vec_fma(slope, y, vec_set1(sign * 9.99999702e-1f));
    return (struct simd_power){vec_exponent(sum), y, slope};
}

/* Relative error 5e-7; zero below -87. */
SIMD_INLINE vec simd_exp(vec x) {
    vec bounded = vec_min(vec_set1(89.0f), vec_max(vec_set1(-87.5f), x));
    struct simd_power power = simd_power(1.0f, bounded, 1);
    vec half = vec_fma(power.slope, power.y, vec_set1(1.0f));
    return vec_mul(vec_add(half, half), power.scale);
}

/* exp(x) - 1 for x <= 88: relative error 6e-7. */
SIMD_INLINE vec simd_expm1(vec x) {
    struct simd_power power = simd_power(1.0f, vec_max(vec_set1(-87.5f), x), 0);
    return vec_fma(power.scale, vec_mul(power.y, power.slope),
                   vec_sub(power.scale, vec_set1(1.0f)));
}

/* factor * sigmoid(x): SiLU for factor = x, the sigmoid for factor = 1. Relative error 1e-6.
 *
 * Numerator and denominator are scaled by 2^-5: at the bounds of the clamp, 2^(n - 5) is just
 * normal or just infinite, and all results that are normal numbers are precise. x = -inf gives
 * the NaN of x * sigmoid(x). */
SIMD_INLINE vec simd_times_sigmoid(vec factor, vec x) {
    const vec unit = vec_set1(0.03125f);
    vec bounded = vec_min(vec_set1(84.0f), vec_max(vec_set1(-92.2f), x));
    struct simd_power power = simd_power(-1.0f, bounded, 5);
    vec fraction = vec_fma(power.slope, power.y, vec_set1(1.0f));
    return vec_div(vec_mul(factor, unit), vec_fma(fraction, power.scale, unit));
}

/* Relative error 1e-6. Beyond the clamp the result is 1 or -1. */
SIMD_INLINE vec simd_tanh(vec x) {
    vec bounded = vec_min(vec_set1(10.0f), vec_max(vec_set1(-10.0f), x));
    vec minus_1 = simd_expm1(vec_add(bounded, bounded)); /* exp(2 x) - 1 */
    return vec_div(minus_1, vec_add(minus_1, vec_set1(2.0f)));
}

/* x tanh(log(1 + exp(x))) = x w / (w + 2), w = exp(2 x) + 2 exp(x). Relative error 2e-6.
 * Beyond the clamp the quotient is 1. */
SIMD_INLINE vec simd_mish(vec x) {
    vec e = simd_exp(vec_min(vec_set1(40.0f), x));
    vec w = vec_mul(e, vec_add(e, vec_set1(2.0f)));
    return vec_mul(x, vec_div(w, vec_add(w, vec_set1(2.0f))));
}

/* --- The logarithm. */

/* log((1 + s) / (1 - s)) = 2 atanh(s) for |s| <= 1/3: s (2 + s^2 ...), a polynomial of degree 3 in
 * s^2, fitted likewise; relative error 5e-9 before rounding. */
SIMD_INLINE vec simd_atanh_twice(vec s) {
    vec z = vec_mul(s, s);
    vec p = vec_fma(z, vec_set1(2.80244589e-1f), vec_set1(2.79991418e-1f));
    p = vec_fma(p, z, vec_set1(4.00216997e-1f));
    p = vec_fma(p, z, vec_set1(6.66664124e-1f));
    return vec_mul(s, vec_fma(p, z, vec_set1(2.0f)));
}

/* log(1 + exp(x)). Relative error 1e-6. */
SIMD_INLINE vec simd_softplus(vec x) {
    vec u = simd_exp(vec_min(vec_mul(vec_set1(-1.0f), x), x));
    vec log1p = simd_atanh_twice(vec_div(u, vec_add(u, vec_set1(2.0f))));
    return vec_add(vec_max(vec_set1(0.0f), x), log1p);
}

/* Relative error 5e-7, subnormal x included. */
SIMD_INLINE vec simd_log(vec x) {
    const vec zero = vec_set1(0.0f), normal = vec_set1(FLT_MIN);
    vec scaled = vec_if_less(x, normal, vec_mul(x, vec_set1(8388608.0f)), x);
    /* scaled = 2^exponent m with sqrt(1/2) <= m < sqrt(2), but for specials. */
    vec_bits bits = (vec_bits)scaled;
    vec_bits high = (bits - 0x3f3504f3u) & 0xff800000u;
    vec m = (vec)(bits - high);
    vec exponent = __builtin_convertvector((vec_signed)high >> 23, vec);
    exponent = vec_if_less(x, normal, vec_sub(exponent, vec_set1(23.0f)), exponent);
    vec log_m = simd_atanh_twice(vec_div(vec_sub(m, vec_set1(1.0f)), vec_add(m, vec_set1(1.0f))));
    vec y = vec_fma(exponent, vec_set1(0.693147181f), log_m);
    const vec infinite = vec_set1(INFINITY);
    y = vec_if_less(x, infinite, y, x); /* infinity and NaN stay */
    vec of_others = vec_if_less(x, zero, vec_set1(NAN), vec_sub(x, infinite));
    return vec_if_less(zero, x, y, of_others);
}

/* --- The error function. */

/* x P(x^2) / Q(x^2) for |x| <= 3.9, of degrees 5 and 5, fitted for the least relative error by
 * reweighted least squares to erf(x) (1 + 3e-7 (x / 3.9)^12). This brings the quotient over 1 at
 * the bounds, so that clamping gives exactly 1 or -1 there and beyond, as gelu needs. Relative
 * error 5e-7. */
SIMD_INLINE vec simd_erf(vec x) {
    vec bounded = vec_min(vec_set1(3.9f), vec_max(vec_set1(-3.9f), x));
    vec z = vec_mul(bounded, bounded);
    vec p = vec_fma(z, vec_set1(2.07175162e-6f), vec_set1(2.85266724e-4f));
    vec q = vec_fma(z, vec_set1(3.83319784e-5f), vec_set1(1.15710846e-3f));
    p = vec_fma(p, z, vec_set1(3.73544521e-3f));
    q = vec_fma(q, z, vec_set1(1.49090085e-2f));
    p = vec_fma(p, z, vec_set1(5.26620597e-2f));
    q = vec_fma(q, z, vec_set1(1.13784976e-1f));
    p = vec_fma(p, z, vec_set1(1.8956992e-1f));
    q = vec_fma(q, z, vec_set1(5.01334727e-1f));
    p = vec_fma(p, z, vec_set1(1.12837911f));
    q = vec_fma(q, z, vec_set1(1.0f));
    vec y = vec_div(vec_mul(bounded, p), q);
    return vec_min(vec_set1(1.0f), vec_max(vec_set1(-1.0f), y));
}

/* x (1 + erf(x / sqrt(2))) / 2. Relative error 5e-7, and absolute error 1.5e-6 below 0. */
SIMD_INLINE vec simd_gelu(vec x) {
    vec y = simd_erf(vec_mul(x, vec_set1(0.707106781f)));
    vec half = vec_mul(x, vec_set1(0.5f));
    return vec_fma(half, y, half);
}

/* x (1 + tanh(u)) / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3). Relative error 1e-6,
 * and absolute error 1e-6 below 0. */
SIMD_INLINE vec simd_gelu_tanh(vec x) {
    vec cubic = vec_fma(vec_mul(x, x), vec_set1(0.0713548163f), vec_set1(1.59576912f));
    return simd_times_sigmoid(x, vec_mul(x, cubic));
}

#endif
