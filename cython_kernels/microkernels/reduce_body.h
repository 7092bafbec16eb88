/* One number of many: their sum, their maximum, and the sum of their exponentials. The order of
 * additions depends on the count alone. */
#include <math.h>
#include <stddef.h>

#include "base/arithmetic.h"
#include "microkernels/microkernel.h"
#include "simd/compiler.h"
#include "simd/functions.h"

enum { REDUCE_SUMS = 4 /* at the same time, so that none waits for the one before */ };

/* Floats of which each lane adds 16 or 32; more are halved first, so that the error grows with the
 * logarithm of their count. */
enum { REDUCE_FLOATS = 16 * REDUCE_SUMS * SIMD_LANES, EXP_SUM_FLOATS = 32 * SIMD_LANES };

static inline int64_t first_half(int64_t count, int64_t multiple) {
    return divide_up(count / 2, multiple) * multiple;
}

SIMD_INLINE vec reduce_pair(enum reduction reduction, vec a, vec b) {
    return reduction == REDUCE_SUM ? vec_add(a, b) : simd_maximum(a, b);
}

SIMD_INLINE float reduce_numbers(enum reduction reduction, float a, float b) {
    if (reduction == REDUCE_SUM) return a + b;
    return a > b || isnan(a) ? a : b;
}

SIMD_INLINE float reduce_lanes(enum reduction reduction, vec x) {
    float lanes[SIMD_LANES];
    vec_store(lanes, x);
    for (int half = SIMD_LANES / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            lanes[i] = reduce_numbers(reduction, lanes[i], lanes[i + half]);
        }
    }
    return lanes[0];
}

/* --- Sum and maximum. */

/* `nothing` is what no float gives. */
SIMD_INLINE float reduce_run(enum reduction reduction, const float* x, int64_t count,
                             float nothing) {
    vec sums[REDUCE_SUMS];
    SIMD_UNROLL
    for (int s = 0; s < REDUCE_SUMS; s++) sums[s] = vec_set1(nothing);
    int64_t i = 0;
    for (; i + REDUCE_SUMS * SIMD_LANES <= count; i += REDUCE_SUMS * SIMD_LANES) {
        SIMD_UNROLL
        for (int s = 0; s < REDUCE_SUMS; s++) {
            sums[s] = reduce_pair(reduction, vec_load(x + i + s * SIMD_LANES), sums[s]);
        }
    }
    for (; i + SIMD_LANES <= count; i += SIMD_LANES) {
        sums[0] = reduce_pair(reduction, vec_load(x + i), sums[0]);
    }
    vec pair = reduce_pair(reduction, sums[0], sums[1]);
    float result = reduce_lanes(
        reduction, reduce_pair(reduction, pair, reduce_pair(reduction, sums[2], sums[3])));
    for (; i < count; i++) result = reduce_numbers(reduction, result, x[i]);
    return result;
}

static float SIMD_NAME(reduce_sum)(const float* x, int64_t count) {
    if (count <= REDUCE_FLOATS) return reduce_run(REDUCE_SUM, x, count, 0.0f);
    const int64_t half = first_half(count, REDUCE_FLOATS);
    return SIMD_NAME(reduce_sum)(x, half) + SIMD_NAME(reduce_sum)(x + half, count - half);
}

static float SIMD_NAME(reduce_maximum)(const float* x, int64_t count) {
    return reduce_run(REDUCE_MAXIMUM, x, count, -INFINITY);
}

/* --- The sum of exponentials. */

/* Stores them too where y is not NULL. One sum is enough: an exponential takes longer than an
 * addition. */
SIMD_INLINE float exp_sum_run(float* y, const float* x, int64_t count, float shift) {
    const vec all_shift = vec_set1(shift);
    vec sum = vec_set1(0.0f);
    int64_t i = 0;
    for (; i + SIMD_LANES <= count; i += SIMD_LANES) {
        vec e = simd_exp(vec_sub(vec_load(x + i), all_shift));
        if (y != NULL) vec_store(y + i, e);
        sum = vec_add(sum, e);
    }
    float result = reduce_lanes(REDUCE_SUM, sum);
    const int tail = (int)(count - i);
    if (tail == 0) return result;
    float last[SIMD_LANES];
    vec e = simd_exp(vec_sub(vec_load_part(x + i, tail), all_shift));
    vec_store(last, e);
    if (y != NULL) vec_store_part(y + i, e, tail);
    for (int lane = 0; lane < tail; lane++) result += last[lane];
    return result;
}

static float SIMD_NAME(exp_sum)(float* y, const float* x, int64_t count, float shift) {
    if (count > EXP_SUM_FLOATS) {
        const int64_t half = first_half(count, EXP_SUM_FLOATS);
        float sum = SIMD_NAME(exp_sum)(y, x, half, shift);
        return sum + SIMD_NAME(exp_sum)(y == NULL ? NULL : y + half, x + half, count - half, shift);
    }
    return y == NULL ? exp_sum_run(NULL, x, count, shift) : exp_sum_run(y, x, count, shift);
}
