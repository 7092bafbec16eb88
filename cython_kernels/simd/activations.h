/* Activations of a vector, over the primitives of the instruction set that is included before. */
#ifndef ORT_SPARSE_SIMD_ACTIVATIONS_H
#define ORT_SPARSE_SIMD_ACTIVATIONS_H

#include "base/epilogue.h"
#include "simd/compiler.h"

/* factor * sigmoid(x): SiLU for factor = x, the sigmoid for factor = 1.
 *
 * exp(-x) = 2^n exp(-y) with x = y - n ln 2, |y| <= ln(2) / 2. If vec_fma rounds only once, y is
 * off by n times the error of ln 2 as a float, at most 2.5e-7; else ln 2 is split in two as by Cody
 * and Waite, so that n * high is exact. exp(-y) = 1 - y ... is a polynomial of degree 5, fitted
 * for the least relative error (reweighted least squares on Chebyshev nodes: 9.3e-8).
 * Numerator and denominator are scaled by 2^-5: at the bounds of the clamp, 2^(n - 5) is just
 * normal or just infinite, and all results that are normal numbers are precise. x = -inf gives
 * the NaN of x * sigmoid(x). */
SIMD_INLINE vec simd_times_sigmoid(vec factor, vec x) {
    /* Adding this rounds to an integer n, and the sum's low bits are n - 5 + 127, the exponent
     * bits of 2^(n - 5). */
    const vec magic = vec_set1(12582912.0f + 122.0f);
    const vec unit = vec_set1(0.03125f);
    vec bounded = vec_min(vec_set1(84.0f), vec_max(vec_set1(-92.2f), x));
    vec sum = vec_fma(bounded, vec_set1(-1.44269504f), magic);
    vec n = vec_sub(sum, magic);
    vec y = vec_fma(n, vec_set1(SIMD_FUSED ? 0.693147181f : 0.693359375f), bounded);
    if (!SIMD_FUSED) y = vec_fma(n, vec_set1(-2.12194440e-4f), y);
    vec p = vec_fma(y, vec_set1(-8.2902722e-3f), vec_set1(4.1898161e-2f));
    p = vec_fma(p, y, vec_set1(-1.66676387e-1f));
    p = vec_fma(p, y, vec_set1(4.99991477e-1f));
    p = vec_fma(p, y, vec_set1(-9.99999702e-1f));
    p = vec_fma(p, y, vec_set1(1.0f));
    return vec_div(vec_mul(factor, unit), vec_fma(p, vec_exponent(sum), unit));
}

SIMD_INLINE vec simd_hard_swish(vec x) {
    vec gate = vec_fma(x, vec_set1(1.0f / 6.0f), vec_set1(0.5f));
    gate = vec_min(vec_set1(1.0f), vec_max(vec_set1(0.0f), gate));
    return vec_mul(x, gate);
}

/* NaN stays. */
SIMD_INLINE vec simd_clamp(const struct epilogue* epilogue, vec x) {
    return vec_min(vec_set1(epilogue->maximum), vec_max(vec_set1(epilogue->minimum), x));
}

/* An activation but for its clamp, which is the caller's. */
SIMD_INLINE vec simd_activate(enum activation activation, vec x, vec slope) {
    switch (activation) {
        case ACTIVATION_HARD_SWISH:
            return simd_hard_swish(x);
        case ACTIVATION_SILU:
            return simd_times_sigmoid(x, x);
        case ACTIVATION_SIGMOID:
            return simd_times_sigmoid(vec_set1(1.0f), x);
        case ACTIVATION_LEAKY_RELU:
        case ACTIVATION_PRELU:
            return vec_if_negative(x, vec_mul(x, slope), x);
        case ACTIVATION_NONE:
        case ACTIVATION_CLIP:
            break;
    }
    return x;
}

#endif
