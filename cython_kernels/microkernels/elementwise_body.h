/* Functions of every float of one array, or of two. The enumerators are constants in each kernel,
 * so that nothing is left of the choices below. */
#include "microkernels/microkernel.h"
#include "simd/activations.h"
#include "simd/compiler.h"
#include "simd/functions.h"

/* --- Of one array. */

SIMD_INLINE vec unary_of(enum unary function, vec x, vec a, vec b) {
    const vec zero = vec_set1(0.0f), one = vec_set1(1.0f);
    switch (function) {
        case UNARY_CLIP:
            return vec_min(b, vec_max(a, x));
        case UNARY_LEAKY_RELU:
            return vec_if_less(x, zero, vec_mul(a, x), x);
        case UNARY_SIGMOID:
            return simd_times_sigmoid(one, x);
        case UNARY_HARD_SIGMOID:
            return vec_min(one, vec_max(zero, vec_fma(a, x, b)));
        case UNARY_HARD_SWISH:
            return simd_hard_swish(x);
        case UNARY_SILU:
            return simd_times_sigmoid(x, x);
        case UNARY_GELU:
            return simd_gelu(x);
        case UNARY_GELU_TANH:
            return simd_gelu_tanh(x);
        case UNARY_ELU:
            return vec_if_less(x, zero, vec_mul(a, simd_expm1(x)), x);
        case UNARY_TANH:
            return simd_tanh(x);
        case UNARY_MISH:
            return simd_mish(x);
        case UNARY_SOFTPLUS:
            return simd_softplus(x);
        case UNARY_AFFINE:
            return vec_fma(a, x, b);
        case UNARY_ABS:
            return simd_abs(x);
        case UNARY_NEG:
            return vec_mul(vec_set1(-1.0f), x);
        case UNARY_SQRT:
            return vec_sqrt(x);
        case UNARY_EXP:
            return simd_exp(x);
        case UNARY_ERF:
            return simd_erf(x);
        case UNARY_RECIPROCAL:
            return vec_div(one, x);
        case UNARY_LOG:
            return simd_log(x);
        case UNARY_COUNT:
            break;
    }
    return x;
}

SIMD_INLINE void unary_loop(enum unary function, float* y, const float* x, int64_t count, float a,
                            float b) {
    const vec all_a = vec_set1(a), all_b = vec_set1(b);
    int64_t i = 0;
    for (; i + SIMD_LANES <= count; i += SIMD_LANES) {
        vec_store(y + i, unary_of(function, vec_load(x + i), all_a, all_b));
    }
    const int tail = (int)(count - i);
    if (tail == 0) return;
    vec_store_part(y + i, unary_of(function, vec_load_part(x + i, tail), all_a, all_b), tail);
}

#define UNARY_KERNEL(enumerator, name)                                                    \
    static void SIMD_NAME(unary_##name)(float* y, const float* x, int64_t count, float a, \
                                        float b) {                                        \
        unary_loop(enumerator, y, x, count, a, b);                                        \
    }
UNARY_LIST(UNARY_KERNEL)
#undef UNARY_KERNEL

/* --- Of two arrays, or of one and a number. */

SIMD_INLINE vec binary_of(enum binary function, vec first, vec second) {
    switch (function) {
        case BINARY_ADD:
            return vec_add(first, second);
        case BINARY_SUB:
            return vec_sub(first, second);
        case BINARY_MUL:
            return vec_mul(first, second);
        case BINARY_DIV:
            return vec_div(first, second);
        case BINARY_MAXIMUM:
            return simd_maximum(first, second);
        case BINARY_MINIMUM:
            return simd_minimum(first, second);
        case BINARY_COUNT:
            break;
    }
    return first;
}

SIMD_INLINE void binary_loop(enum binary function, enum binary_shape shape, float* y,
                             const float* first, const float* second, int64_t count) {
    const vec number = shape == BINARY_FIRST_IS_NUMBER    ? vec_set1(*first)
                       : shape == BINARY_SECOND_IS_NUMBER ? vec_set1(*second)
                                                          : vec_set1(0.0f);
    int64_t i = 0;
    for (; i + SIMD_LANES <= count; i += SIMD_LANES) {
        vec a = shape == BINARY_FIRST_IS_NUMBER ? number : vec_load(first + i);
        vec b = shape == BINARY_SECOND_IS_NUMBER ? number : vec_load(second + i);
        vec_store(y + i, binary_of(function, a, b));
    }
    const int tail = (int)(count - i);
    if (tail == 0) return;
    vec a = shape == BINARY_FIRST_IS_NUMBER ? number : vec_load_part(first + i, tail);
    vec b = shape == BINARY_SECOND_IS_NUMBER ? number : vec_load_part(second + i, tail);
    vec_store_part(y + i, binary_of(function, a, b), tail);
}

#define BINARY_KERNEL(enumerator, name, shape_enumerator, shape)                         \
    static void SIMD_NAME(binary_##name##_##shape)(float* y, const float* first,         \
                                                   const float* second, int64_t count) { \
        binary_loop(enumerator, shape_enumerator, y, first, second, count);              \
    }
#define BINARY_KERNELS(enumerator, name) BINARY_WITH_SHAPES(BINARY_KERNEL, enumerator, name)
BINARY_LIST(BINARY_KERNELS)
#undef BINARY_KERNELS
#undef BINARY_KERNEL
