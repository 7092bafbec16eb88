/* The microkernels of one instruction set, in terms of its vector primitives.
 *
 * The including file defines SPMM_ISA, SPMM_ISA_KERNELS and SPMM_LANES, and static functions
 * vec_* over a type vec; microkernels/spmm_portable.c shows them all. This file has no include
 * guard on purpose, and is included once by each of them.
 */
#include <math.h>
#include <string.h>

#include "spmm_kernels.h"

#define SPMM_INLINE static inline __attribute__((always_inline))
#define SPMM_PASTE_(a, b) a##b
#define SPMM_PASTE(a, b) SPMM_PASTE_(a, b)
#if defined(__clang__)
#define SPMM_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SPMM_UNROLL _Pragma("GCC unroll 16")
#endif

static void SPMM_PASTE(spmm_fill_, SPMM_ISA)(char* panel, int64_t panel_stride, const float* x,
                                             int64_t x_stride, int64_t channels, int vectors,
                                             int tail) {
    for (int64_t k = 0; k < channels; k++, x += x_stride, panel += panel_stride) {
        float* row = (float*)panel;
        int v = 0;
        for (; v < vectors - 1; v++) {
            vec_store(row + v * SPMM_LANES, vec_load(x + v * SPMM_LANES));
        }
        vec_store(row + v * SPMM_LANES, vec_load_part(x + v * SPMM_LANES, tail));
    }
}

/* exp(-|x| / 2). The square is exp(-|x|); half the exponent keeps both factors of x * exp(-|x|)
 * in range, so that SiLU is exact to the last normal number, and 0 * inf gives the NaN of
 * x * sigmoid(x) at x = -inf.
 * exp(r) = 1 + r + r^2 q(r) on |r| <= ln(2) / 2, q of degree 3 fitted for the least relative
 * error (reweighted least squares on Chebyshev nodes: 1.1e-7). ln 2 is split as in Cody and
 * Waite, so that n * high is exact. */
SPMM_INLINE vec spmm_exp_half(vec x) {
    const vec magic = vec_set1(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
    /* At this bound 2^n reaches 2^-127, which vec_pow2 makes 0. */
    vec b = vec_max(vec_set1(-88.02f), vec_mul(vec_abs(x), vec_set1(-0.5f)));
    vec shifted = vec_fma(b, vec_set1(1.44269504f), magic);
    vec n = vec_sub(shifted, magic);
    vec r = vec_fma(n, vec_set1(-0.693359375f), b);
    r = vec_fma(n, vec_set1(2.12194440e-4f), r);
    vec q = vec_fma(r, vec_set1(8.312521e-3f), vec_set1(4.1890156e-2f));
    q = vec_fma(q, r, vec_set1(1.6667114e-1f));
    q = vec_fma(q, r, vec_set1(4.999923e-1f));
    vec p = vec_add(vec_fma(vec_mul(r, r), q, r), vec_set1(1.0f));
    return vec_mul(p, vec_pow2(shifted));
}

/* x * sigmoid(x), or sigmoid(x) if x is replaced by 1 as `factor`. */
SPMM_INLINE vec spmm_times_sigmoid(vec factor, vec x) {
    vec h = spmm_exp_half(x);
    vec g = vec_if_negative(x, h, vec_set1(1.0f));
    vec numerator = vec_mul(vec_mul(factor, g), g);
    return vec_div(numerator, vec_fma(h, h, vec_set1(1.0f)));
}

SPMM_INLINE vec spmm_hard_swish(vec x) {
    vec gate = vec_fma(x, vec_set1(1.0f / 6.0f), vec_set1(0.5f));
    gate = vec_min(vec_set1(1.0f), vec_max(vec_set1(0.0f), gate));
    return vec_mul(x, gate);
}

/* Applies an activation other than a clamp to SPMM_GROUP_ROWS rows of `vectors` vectors. */
static void spmm_activate(const struct spmm_tile* t, const int64_t* rows, vec* tile, int vectors) {
    int count = SPMM_GROUP_ROWS * vectors;
    switch (t->activation) {
        case SPMM_HARD_SWISH:
            for (int i = 0; i < count; i++) tile[i] = spmm_hard_swish(tile[i]);
            break;
        case SPMM_SILU:
            for (int i = 0; i < count; i++) tile[i] = spmm_times_sigmoid(tile[i], tile[i]);
            break;
        case SPMM_SIGMOID:
            for (int i = 0; i < count; i++) tile[i] = spmm_times_sigmoid(vec_set1(1.0f), tile[i]);
            break;
        case SPMM_LEAKY_RELU:
        case SPMM_PRELU:
            for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
                vec slope = vec_set1(t->activation == SPMM_PRELU ? t->slope[rows[r]] : t->alpha);
                for (int v = 0; v < vectors; v++) {
                    vec x = tile[r * vectors + v];
                    tile[r * vectors + v] = vec_if_negative(x, vec_mul(x, slope), x);
                }
            }
            break;
        case SPMM_NONE:
        case SPMM_CLIP:
            break; /* clamped by the caller */
    }
}

SPMM_INLINE vec spmm_load_row(const float* row, int v, int mr, int tail) {
    if (v < mr - 1 || tail == SPMM_LANES) return vec_load(row + v * SPMM_LANES);
    return vec_load_part(row + v * SPMM_LANES, tail);
}

/* Sums of one group: SPMM_GROUP_ROWS rows by mr vectors stay in registers. */
SPMM_INLINE void spmm_group(const struct spmm_tile* t, const float* values, const uint16_t* offsets,
                            int steps, const int64_t* rows, const int nr, const int mr) {
    vec sum[SPMM_GROUP_ROWS][SPMM_MAX_VECTORS];
    SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
        vec bias = vec_set1(t->bias[rows[r]]);
        SPMM_UNROLL for (int v = 0; v < mr; v++) sum[r][v] = bias;
    }
    const float* addend = t->first ? t->residual : t->y;
    if (addend != NULL) {
        SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
            const float* row = addend + rows[r] * t->y_stride;
            SPMM_UNROLL for (int v = 0; v < mr; v++) {
                vec x = spmm_load_row(row, v, mr, t->tail);
                sum[r][v] = t->first ? vec_add(sum[r][v], x) : x;
            }
        }
    }
    for (int s = 0; s < steps; s++, values += SPMM_GROUP_ROWS, offsets += SPMM_GROUP_ROWS / nr) {
        const vec_weights weights = vec_load_weights(values);
        SPMM_UNROLL for (int o = 0; o < SPMM_GROUP_ROWS / nr; o++) {
            const float* x = (const float*)(t->panel + offsets[o]);
            SPMM_UNROLL for (int v = 0; v < mr; v++) {
                vec pixel = vec_load(x + v * SPMM_LANES);
                SPMM_UNROLL for (int i = 0; i < nr; i++) {
                    sum[o * nr + i][v] =
                        vec_fma_weight(weights, o * nr + i, pixel, sum[o * nr + i][v]);
                }
            }
        }
    }
    if (t->last) {
        const vec minimum = vec_set1(t->minimum), maximum = vec_set1(t->maximum);
        SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
            SPMM_UNROLL for (int v = 0; v < mr; v++) {
                sum[r][v] = vec_min(maximum, vec_max(minimum, sum[r][v]));
            }
        }
        if (t->activation > SPMM_CLIP) {
            vec tile[SPMM_GROUP_ROWS * SPMM_MAX_VECTORS];
            SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
                SPMM_UNROLL for (int v = 0; v < mr; v++) tile[r * mr + v] = sum[r][v];
            }
            spmm_activate(t, rows, tile, mr);
            SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
                SPMM_UNROLL for (int v = 0; v < mr; v++) sum[r][v] = tile[r * mr + v];
            }
        }
    }
    SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
        float* row = t->y + rows[r] * t->y_stride;
        SPMM_UNROLL for (int v = 0; v < mr - 1; v++) vec_store(row + v * SPMM_LANES, sum[r][v]);
        if (t->tail == SPMM_LANES) {
            vec_store(row + (mr - 1) * SPMM_LANES, sum[r][mr - 1]);
        } else {
            vec_store_part(row + (mr - 1) * SPMM_LANES, sum[r][mr - 1], t->tail);
        }
    }
}

SPMM_INLINE void spmm_part_of_tile(const struct spmm_tile* t, const int nr, const int mr) {
    const float* values = t->values;
    const uint16_t* offsets = t->offsets;
    const uint16_t* group_rows = t->group_rows;
    for (int64_t g = 0; g < t->groups; g++, group_rows += SPMM_GROUP_ROWS / nr) {
        int64_t rows[SPMM_GROUP_ROWS];
        SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
            rows[r] = (int64_t)group_rows[r / nr] * nr + r % nr;
        }
        int steps = t->group_steps[g];
        spmm_group(t, values, offsets, steps, rows, nr, mr);
        values += steps * SPMM_GROUP_ROWS;
        offsets += steps * (SPMM_GROUP_ROWS / nr);
    }
}

#define SPMM_DEFINE_KERNEL(isa, nr, mr)                               \
    void spmm_kernel_##isa##_##nr##x##mr(const struct spmm_tile* t) { \
        spmm_part_of_tile(t, nr, mr);                                 \
    }
SPMM_ISA_KERNELS(SPMM_DEFINE_KERNEL)
#undef SPMM_DEFINE_KERNEL

#define SPMM_STRING_(text) #text
#define SPMM_STRING(text) SPMM_STRING_(text)
const struct spmm_isa SPMM_PASTE(spmm_isa_, SPMM_ISA) = {
    .name = SPMM_STRING(SPMM_ISA),
    .lanes = SPMM_LANES,
    .fill = SPMM_PASTE(spmm_fill_, SPMM_ISA),
};
