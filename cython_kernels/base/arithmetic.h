/* Whole numbers that count things: none is negative. */
#ifndef ORT_SPARSE_BASE_ARITHMETIC_H
#define ORT_SPARSE_BASE_ARITHMETIC_H

#include <stdint.h>

/* a / b rounded up, for b > 0; a + b may not fit. */
static inline int64_t divide_up(int64_t a, int64_t b) { return a / b + (a % b != 0); }

/* The next multiple of b. */
static inline int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

/* a * b, or the largest number where that does not fit. */
static inline int64_t capped_product(int64_t a, int64_t b) {
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static inline int64_t clamp(int64_t a, int64_t least, int64_t most) {
    return smaller(most, larger(least, a));
}

#endif
