/* Portable microkernels: vectors of 16 bytes in the GNU C extension that gcc and clang share, so
 * that they run on every architecture, with vector instructions where it has some. */
#include "spmm_kernels.h"

typedef float vec __attribute__((vector_size(16)));
typedef int32_t vec_int __attribute__((vector_size(16)));
typedef vec vec_weights;

#define SPMM_ISA portable
#define SPMM_ISA_KERNELS SPMM_PORTABLE_KERNELS
#define SPMM_LANES SPMM_LANES_portable
#define SPMM_PIN(x)
#define SPMM_LOAD_AHEAD 0
#define SPMM_FUSED 0

static inline vec vec_set1(float x) { return (vec){x, x, x, x}; }

static inline vec vec_load(const float* from) {
    vec x;
    __builtin_memcpy(&x, from, sizeof x);
    return x;
}

static inline void vec_store(float* to, vec x) { __builtin_memcpy(to, &x, sizeof x); }

/* The first `count` lanes, 1 to SPMM_LANES; the others are zero, or stay unwritten. */
static inline vec vec_load_part(const float* from, int count) {
    vec x = {0};
    for (int i = 0; i < count; i++) x[i] = from[i];
    return x;
}

static inline void vec_store_part(float* to, vec x, int count) {
    for (int i = 0; i < count; i++) to[i] = x[i];
}

static inline vec vec_add(vec a, vec b) { return a + b; }
static inline vec vec_sub(vec a, vec b) { return a - b; }
static inline vec vec_mul(vec a, vec b) { return a * b; }
static inline vec vec_div(vec a, vec b) { return a / b; }
static inline vec vec_fma(vec a, vec b, vec c) { return a * b + c; } /* rounding: either */

static inline vec vec_select(vec_int mask, vec yes, vec no) {
    return (vec)((mask & (vec_int)yes) | (~mask & (vec_int)no));
}

/* A NaN in the second operand stays. */
static inline vec vec_min(vec bound, vec x) { return vec_select(bound < x, bound, x); }
static inline vec vec_max(vec bound, vec x) { return vec_select(bound > x, bound, x); }

static inline vec vec_if_negative(vec x, vec yes, vec no) {
    return vec_select(x < vec_set1(0.0f), yes, no);
}

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

#include "spmm_body.h"
