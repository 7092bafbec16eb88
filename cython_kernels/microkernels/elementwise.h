/* Functions of single floats, and of pairs of them, that have microkernels: y[i] = f(x[i]) and
 * y[i] = f(first[i], second[i]). simd/functions.h says how, and how exactly, they are computed. */
#ifndef ORT_SPARSE_MICROKERNELS_ELEMENTWISE_H
#define ORT_SPARSE_MICROKERNELS_ELEMENTWISE_H

#include <stdint.h>

/* X(enumerator, name): the functions of one float, with numbers a and b as parameters. NaN gives
 * NaN.
 *
 *   clip          max(a, x), then min(b, ...): Relu with 0 and infinity
 *   leaky_relu    a x below 0, else x
 *   hard_sigmoid  max(0, min(1, a x + b))
 *   hard_swish    x max(0, min(1, x / 6 + 1 / 2))
 *   silu          x sigmoid(x)
 *   gelu          x (1 + erf(x / sqrt(2))) / 2
 *   gelu_tanh     x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
 *   elu           a (exp(x) - 1) below 0, else x
 *   mish          x tanh(log(1 + exp(x)))
 *   softplus      log(1 + exp(x))
 *   affine        a x + b */
#define UNARY_LIST(X)                   \
    X(UNARY_CLIP, clip)                 \
    X(UNARY_LEAKY_RELU, leaky_relu)     \
    X(UNARY_SIGMOID, sigmoid)           \
    X(UNARY_HARD_SIGMOID, hard_sigmoid) \
    X(UNARY_HARD_SWISH, hard_swish)     \
    X(UNARY_SILU, silu)                 \
    X(UNARY_GELU, gelu)                 \
    X(UNARY_GELU_TANH, gelu_tanh)       \
    X(UNARY_ELU, elu)                   \
    X(UNARY_TANH, tanh)                 \
    X(UNARY_MISH, mish)                 \
    X(UNARY_SOFTPLUS, softplus)         \
    X(UNARY_AFFINE, affine)             \
    X(UNARY_ABS, abs)                   \
    X(UNARY_NEG, neg)                   \
    X(UNARY_SQRT, sqrt)                 \
    X(UNARY_EXP, exp)                   \
    X(UNARY_ERF, erf)                   \
    X(UNARY_RECIPROCAL, reciprocal)     \
    X(UNARY_LOG, log)

/* The functions of two floats: NaN gives NaN. */
#define BINARY_LIST(X)         \
    X(BINARY_ADD, add)         \
    X(BINARY_SUB, sub)         \
    X(BINARY_MUL, mul)         \
    X(BINARY_DIV, div)         \
    X(BINARY_MAXIMUM, maximum) \
    X(BINARY_MINIMUM, minimum)

/* What is one number for all of y. */
enum binary_shape { BINARY_VECTORS, BINARY_SECOND_IS_NUMBER, BINARY_FIRST_IS_NUMBER };

/* X(enumerator, name, enumerator of the shape, name of the shape): a function with each shape. */
#define BINARY_WITH_SHAPES(X, enumerator, name)                    \
    X(enumerator, name, BINARY_VECTORS, vectors)                   \
    X(enumerator, name, BINARY_SECOND_IS_NUMBER, second_is_number) \
    X(enumerator, name, BINARY_FIRST_IS_NUMBER, first_is_number)

#define ELEMENTWISE_ENUMERATOR(enumerator, name) enumerator,
enum unary { UNARY_LIST(ELEMENTWISE_ENUMERATOR) UNARY_COUNT };
enum binary { BINARY_LIST(ELEMENTWISE_ENUMERATOR) BINARY_COUNT };
#undef ELEMENTWISE_ENUMERATOR

/* Of `count` floats at any address. y may be x, or one of the two, but not overlap them otherwise.
 */
typedef void (*unary_kernel)(float* y, const float* x, int64_t count, float a, float b);
typedef void (*binary_kernel)(float* y, const float* first, const float* second, int64_t count);

#endif
