/* Activations of a vector, over the primitives of the instruction set that is included before. */
#ifndef ORT_SPARSE_SIMD_ACTIVATIONS_H
#define ORT_SPARSE_SIMD_ACTIVATIONS_H

#include "base/epilogue.h"
#include "simd/compiler.h"
#include "simd/functions.h"

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
            return vec_if_less(x, vec_set1(0.0f), vec_mul(x, slope), x);
        case ACTIVATION_NONE:
        case ACTIVATION_CLIP:
            break;
    }
    return x;
}

#endif
