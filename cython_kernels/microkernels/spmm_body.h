/* The microkernels of one instruction set, in terms of its vector primitives.
 *
 * The including file defines SPMM_ISA, SPMM_ISA_KERNELS, SPMM_LANES, SPMM_LOAD_AHEAD (whether to
 * load channel numbers ahead of use), SPMM_FUSED (whether vec_fma rounds only once), SPMM_PIN(x)
 * (makes the compiler keep x in a register, or nothing), and static functions vec_* over a type
 * vec; spmm_portable.c shows them all. This file has no include guard on purpose, and is included
 * once by each of them.
 */
#include <math.h>
#include <string.h>

#include "spmm_kernels.h"

#define SPMM_INLINE static inline __attribute__((always_inline))
#define SPMM_PASTE_(a, b) a##b
#define SPMM_PASTE(a, b) SPMM_PASTE_(a, b)
#if defined(__clang__)
#define SPMM_UNROLL _Pragma("clang loop unroll(full)")
#define SPMM_ONE_COPY __attribute__((noinline))
#else
#define SPMM_UNROLL _Pragma("GCC unroll 24")
#define SPMM_ONE_COPY __attribute__((noinline, noclone))
#endif

static void SPMM_PASTE(spmm_copy_, SPMM_ISA)(float* to, int64_t to_stride, const float* from,
                                             int64_t from_stride, int64_t rows, int64_t count,
                                             int pad) {
    if (count == 1) {
        for (int64_t r = 0; r < rows; r++) to[r * to_stride] = from[r * from_stride];
        return;
    }
    const int64_t whole = count / SPMM_LANES * SPMM_LANES;
    const int tail = (int)(count - whole);
    for (int64_t r = 0; r < rows; r++, to += to_stride, from += from_stride) {
        for (int64_t i = 0; i < whole; i += SPMM_LANES) vec_store(to + i, vec_load(from + i));
        if (tail == 0) continue;
        if (pad) {
            vec_store(to + whole, vec_load_part(from + whole, tail));
        } else {
            vec_store_part(to + whole, vec_load_part(from + whole, tail), tail);
        }
    }
}

SPMM_INLINE void spmm_copy_steps(float* to, int64_t to_stride, const float* from,
                                 int64_t from_stride, int64_t rows, int64_t count, int64_t step) {
    for (int64_t r = 0; r < rows; r++, to += to_stride, from += from_stride) {
        for (int64_t i = 0; i < count; i++) to[i] = from[i * step];
    }
}

static void SPMM_PASTE(spmm_copy_every_, SPMM_ISA)(float* restrict to, int64_t to_stride,
                                                   const float* restrict from, int64_t from_stride,
                                                   int64_t rows, int64_t count, int64_t step) {
    if (step == 2) { /* a constant, so that compilers use shuffles */
        spmm_copy_steps(to, to_stride, from, from_stride, rows, count, 2);
    } else {
        spmm_copy_steps(to, to_stride, from, from_stride, rows, count, step);
    }
}

/* factor * sigmoid(x): SiLU for factor = x, the sigmoid for factor = 1.
 *
 * exp(-x) = 2^n exp(-y) with x = y - n ln 2, |y| <= ln(2) / 2. If vec_fma rounds only once, y is
 * off by n times the error of ln 2 as a float, at most 2.5e-7; else ln 2 is split in two as by Cody
 * and Waite, so that n * high is exact. exp(-y) = 1 - y ... is a polynomial of degree 5, fitted
 * for the least relative error (reweighted least squares on Chebyshev nodes: 9.3e-8).
 * Numerator and denominator are scaled by 2^-5: at the bounds of the clamp, 2^(n - 5) is just
 * normal or just infinite, and all results that are normal numbers are precise. x = -inf gives
 * the NaN of x * sigmoid(x). */
SPMM_INLINE vec spmm_times_sigmoid(vec factor, vec x) {
    /* Adding this rounds to an integer n, and the sum's low bits are n - 5 + 127, the exponent
     * bits of 2^(n - 5). */
    const vec magic = vec_set1(12582912.0f + 122.0f);
    const vec unit = vec_set1(0.03125f);
    vec bounded = vec_min(vec_set1(84.0f), vec_max(vec_set1(-92.2f), x));
    vec sum = vec_fma(bounded, vec_set1(-1.44269504f), magic);
    vec n = vec_sub(sum, magic);
    vec y = vec_fma(n, vec_set1(SPMM_FUSED ? 0.693147181f : 0.693359375f), bounded);
    if (!SPMM_FUSED) y = vec_fma(n, vec_set1(-2.12194440e-4f), y);
    vec p = vec_fma(y, vec_set1(-8.2902722e-3f), vec_set1(4.1898161e-2f));
    p = vec_fma(p, y, vec_set1(-1.66676387e-1f));
    p = vec_fma(p, y, vec_set1(4.99991477e-1f));
    p = vec_fma(p, y, vec_set1(-9.99999702e-1f));
    p = vec_fma(p, y, vec_set1(1.0f));
    return vec_div(vec_mul(factor, unit), vec_fma(p, vec_exponent(sum), unit));
}

SPMM_INLINE vec spmm_hard_swish(vec x) {
    vec gate = vec_fma(x, vec_set1(1.0f / 6.0f), vec_set1(0.5f));
    gate = vec_min(vec_set1(1.0f), vec_max(vec_set1(0.0f), gate));
    return vec_mul(x, gate);
}

/* Row r of a group, counted from the chunk's first one. */
SPMM_INLINE int64_t spmm_row(const uint16_t* group_rows, int r, int nr) {
    return (int64_t)group_rows[r / nr] * nr + r % nr;
}

/* An activation but for its clamp, which is the caller's. */
SPMM_INLINE vec spmm_activate(enum spmm_activation activation, vec x, vec slope) {
    switch (activation) {
        case SPMM_HARD_SWISH:
            return spmm_hard_swish(x);
        case SPMM_SILU:
            return spmm_times_sigmoid(x, x);
        case SPMM_SIGMOID:
            return spmm_times_sigmoid(vec_set1(1.0f), x);
        case SPMM_LEAKY_RELU:
        case SPMM_PRELU:
            return vec_if_negative(x, vec_mul(x, slope), x);
        case SPMM_NONE:
        case SPMM_CLIP:
            break;
    }
    return x;
}

SPMM_INLINE vec spmm_load_pixels(const float* row, int v, int mr, int tail) {
    if (v < mr - 1 || tail == SPMM_LANES) return vec_load(row + v * SPMM_LANES);
    return vec_load_part(row + v * SPMM_LANES, tail);
}

SPMM_INLINE void spmm_store_pixels(float* row, int v, int mr, int tail, vec x) {
    if (v < mr - 1 || tail == SPMM_LANES) {
        vec_store(row + v * SPMM_LANES, x);
    } else {
        vec_store_part(row + v * SPMM_LANES, x, tail);
    }
}

/* The channels of a step at once, the first one lowest: a load each would cost too many loads. */
SPMM_INLINE uint64_t spmm_load_channels(const uint16_t* channels, const int nr) {
    if (nr == SPMM_GROUP_ROWS) return *channels;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t all = 0;
    memcpy(&all, channels, (size_t)(SPMM_GROUP_ROWS / nr) * sizeof *channels);
    return all;
#else
    uint64_t all = channels[0] | (uint64_t)channels[1] << 16;
    return nr == 2 ? all : all | (uint64_t)channels[2] << 32 | (uint64_t)channels[3] << 48;
#endif
}

/* Channels of the next four steps: the addresses of pixels are then known long before they are
 * needed (7 % faster on Zen 5 than loading them when they are). Four names rather than an array,
 * which clang would keep in memory. */
struct spmm_ahead {
    uint64_t step1, step2, step3, step4;
};

SPMM_INLINE struct spmm_ahead spmm_start_ahead(const uint16_t* channels, const int nr) {
    const int width = SPMM_GROUP_ROWS / nr;
    return (struct spmm_ahead){
        spmm_load_channels(channels, nr), spmm_load_channels(channels + width, nr),
        spmm_load_channels(channels + 2 * width, nr), spmm_load_channels(channels + 3 * width, nr)};
}

/* Returns the channels of the step at `channels`. The pack is padded for what is loaded past its
 * end. */
SPMM_INLINE uint64_t spmm_next_channels(struct spmm_ahead* ahead, const uint16_t* channels,
                                        const int nr) {
    if (!SPMM_LOAD_AHEAD) return spmm_load_channels(channels, nr);
    const uint64_t next = ahead->step1;
    ahead->step1 = ahead->step2;
    ahead->step2 = ahead->step3;
    ahead->step3 = ahead->step4;
    ahead->step4 = spmm_load_channels(channels + SPMM_AHEAD_STEPS * (SPMM_GROUP_ROWS / nr), nr);
    return next;
}

SPMM_INLINE const float* spmm_pixels(const char* panel, uint64_t stride, uint64_t step_channels,
                                     int i) {
    panel += (uint16_t)(step_channels >> (16 * i)) * stride;
    SPMM_PIN(panel);
    return (const float*)panel;
}

/* Adds one nonzero of each row of a group. */
SPMM_INLINE void spmm_step(vec sum[SPMM_GROUP_ROWS][SPMM_MAX_VECTORS], const char* panel,
                           uint64_t stride, const float* values, const uint16_t* channels,
                           struct spmm_ahead* ahead, const int nr, const int mr) {
    const vec_weights weights = vec_load_weights(values);
    const uint64_t step_channels = spmm_next_channels(ahead, channels, nr);
    /* One flat loop, because clang unrolls nested ones too late for registers. */
    SPMM_UNROLL for (int j = 0; j < SPMM_GROUP_ROWS * mr; j++) {
        const int o = j / (nr * mr), v = j / nr % mr, r = o * nr + j % nr;
        const float* x = spmm_pixels(panel, stride, step_channels, o);
        sum[r][v] = vec_fma_weight(weights, r, vec_load(x + v * SPMM_LANES), sum[r][v]);
    }
}

/* Applies an activation to SPMM_GROUP_ROWS rows of `vectors` vectors, and stores them in a tile
 * that starts at `first`. One copy for all tiles: the constants of an exponential would not fit
 * into registers beside the sums. */
static SPMM_ONE_COPY void spmm_activate_group(const struct spmm_tile* t, float* first, int tail,
                                              const uint16_t* group_rows, int nr, const vec* tile,
                                              int vectors) {
    vec slope[SPMM_GROUP_ROWS];
    float* y[SPMM_GROUP_ROWS];
    SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
        const int64_t row = spmm_row(group_rows, r, nr);
        slope[r] = vec_set1(t->slope != NULL ? t->slope[row] : t->alpha);
        y[r] = first + row * t->y_stride;
    }
    switch (t->activation) {
#define SPMM_ACTIVATE(activation)                                                         \
    case activation:                                                                      \
        for (int v = 0; v < vectors; v++) {                                               \
            SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {                       \
                const vec x = spmm_activate(activation, tile[r * vectors + v], slope[r]); \
                spmm_store_pixels(y[r], v, vectors, tail, x);                             \
            }                                                                             \
        }                                                                                 \
        break;
        SPMM_ACTIVATE(SPMM_HARD_SWISH)
        SPMM_ACTIVATE(SPMM_SILU)
        SPMM_ACTIVATE(SPMM_SIGMOID)
        SPMM_ACTIVATE(SPMM_LEAKY_RELU)
        SPMM_ACTIVATE(SPMM_PRELU)
#undef SPMM_ACTIVATE
        case SPMM_NONE:
        case SPMM_CLIP:
            break; /* stored by the caller */
    }
}

/* Sums of one group: SPMM_GROUP_ROWS rows by mr vectors stay in registers. `t` is a copy of
 * `shared`, which the compiler need not read again after each store. */
SPMM_INLINE void spmm_group(const struct spmm_tile* t, const struct spmm_tile* shared,
                            const float* values, const uint16_t* channels, struct spmm_ahead* ahead,
                            int steps, const uint16_t* group_rows, const int nr, const int mr) {
    const int tail = t->tail;
    int64_t start[SPMM_GROUP_ROWS];
    vec sum[SPMM_GROUP_ROWS][SPMM_MAX_VECTORS];
    SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
        start[r] = spmm_row(group_rows, r, nr) * t->y_stride;
    }
    if (t->first) {
        SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
            vec bias = vec_set1(t->bias[spmm_row(group_rows, r, nr)]);
            SPMM_UNROLL for (int v = 0; v < mr; v++) sum[r][v] = bias;
        }
        if (t->residual != NULL) {
            SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
                SPMM_UNROLL for (int v = 0; v < mr; v++) {
                    vec x = spmm_load_pixels(t->residual + start[r], v, mr, tail);
                    sum[r][v] = vec_add(sum[r][v], x);
                }
            }
        }
    } else {
        SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
            SPMM_UNROLL for (int v = 0; v < mr; v++) {
                sum[r][v] = spmm_load_pixels(t->y + start[r], v, mr, tail);
            }
        }
    }
    const char* const panel = (const char*)t->panel;
    uint64_t stride = (uint64_t)t->panel_stride * sizeof(float); /* bytes */
    SPMM_PIN(stride);
    const int width = SPMM_GROUP_ROWS / nr;
    int left = steps;
    if (mr == 1) { /* four sums alone would wait for each other */
        vec odd[SPMM_GROUP_ROWS][SPMM_MAX_VECTORS];
        SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) odd[r][0] = vec_set1(0.0f);
        for (; left > 1; left -= 2, values += 2 * SPMM_GROUP_ROWS, channels += 2 * width) {
            spmm_step(sum, panel, stride, values, channels, ahead, nr, mr);
            spmm_step(odd, panel, stride, values + SPMM_GROUP_ROWS, channels + width, ahead, nr,
                      mr);
        }
        SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
            sum[r][0] = vec_add(sum[r][0], odd[r][0]);
        }
    }
    for (; left > 0; left--, values += SPMM_GROUP_ROWS, channels += width) {
        spmm_step(sum, panel, stride, values, channels, ahead, nr, mr);
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
            spmm_activate_group(shared, t->y, tail, group_rows, nr, tile, mr);
            return;
        }
    }
    SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
        SPMM_UNROLL for (int v = 0; v < mr; v++) {
            spmm_store_pixels(t->y + start[r], v, mr, tail, sum[r][v]);
        }
    }
}

/* Asks for the cache lines of Y that a group will write in one tile. */
SPMM_INLINE void spmm_prefetch_group(const struct spmm_tile* t, const uint16_t* group_rows,
                                     const int nr, const int mr) {
    SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
        const float* y = t->y + spmm_row(group_rows, r, nr) * t->y_stride;
        SPMM_UNROLL for (int i = 0; i < mr * SPMM_LANES; i += SPMM_LINE_FLOATS) {
            __builtin_prefetch(y + i, 1, 3);
        }
    }
}

/* Sums of one group in all tiles, from left to right, so that each row of Y is written in one run.
 * Rows are prefetched two groups ahead, where there is such a group. */
SPMM_INLINE void spmm_group_of_strip(struct spmm_tile* t, const struct spmm_tile* shared,
                                     const float* values, const uint16_t* channels, int steps,
                                     const uint16_t* group_rows, int64_t groups_left, const int nr,
                                     const int mr) {
    const int ahead_groups = 2, prefetch = t->prefetch && groups_left > ahead_groups;
    t->panel = shared->panel;
    t->y = shared->y;
    t->residual = shared->residual;
    t->tail = SPMM_LANES;
    for (int64_t left = shared->tiles; left > 0; left--) {
        if (left == 1) t->tail = shared->tail;
        if (prefetch) {
            spmm_prefetch_group(t, group_rows + ahead_groups * (SPMM_GROUP_ROWS / nr), nr, mr);
        }
        struct spmm_ahead ahead = spmm_start_ahead(channels, nr);
        spmm_group(t, shared, values, channels, &ahead, steps, group_rows, nr, mr);
        t->panel += mr * SPMM_LANES;
        t->y += mr * SPMM_LANES;
        if (t->residual != NULL) t->residual += mr * SPMM_LANES;
    }
}

SPMM_INLINE void spmm_groups(const struct spmm_tile* shared, const int strip, const int nr,
                             const int mr) {
    struct spmm_tile t = *shared;
    const float* values = t.values;
    const uint16_t* channels = t.channels;
    const uint16_t* group_rows = t.group_rows;
    struct spmm_ahead ahead = spmm_start_ahead(channels, nr);
    for (int64_t g = 0; g < t.groups; g++, group_rows += SPMM_GROUP_ROWS / nr) {
        int steps = t.group_steps[g];
        if (strip) {
            spmm_group_of_strip(&t, shared, values, channels, steps, group_rows, t.groups - g, nr,
                                mr);
        } else {
            spmm_group(&t, shared, values, channels, &ahead, steps, group_rows, nr, mr);
        }
        values += steps * SPMM_GROUP_ROWS;
        channels += steps * (SPMM_GROUP_ROWS / nr);
    }
}

/* Functions of their own: the loop over tiles would cost a single one 3 %. */
#define SPMM_DEFINE_KERNEL(isa, nr, mr)                                                   \
    static SPMM_ONE_COPY void spmm_tile_##isa##_##nr##x##mr(const struct spmm_tile* t) {  \
        spmm_groups(t, 0, nr, mr);                                                        \
    }                                                                                     \
    static SPMM_ONE_COPY void spmm_strip_##isa##_##nr##x##mr(const struct spmm_tile* t) { \
        spmm_groups(t, 1, nr, mr);                                                        \
    }                                                                                     \
    void spmm_kernel_##isa##_##nr##x##mr(const struct spmm_tile* t) {                     \
        if (t->tiles == 1) {                                                              \
            spmm_tile_##isa##_##nr##x##mr(t);                                             \
        } else {                                                                          \
            spmm_strip_##isa##_##nr##x##mr(t);                                            \
        }                                                                                 \
    }
SPMM_ISA_KERNELS(SPMM_DEFINE_KERNEL)
#undef SPMM_DEFINE_KERNEL

#include "spmm_one_pixel.h"

#define SPMM_STRING_(text) #text
#define SPMM_STRING(text) SPMM_STRING_(text)
const struct spmm_isa SPMM_PASTE(spmm_isa_, SPMM_ISA) = {
    .name = SPMM_STRING(SPMM_ISA),
    .lanes = SPMM_LANES,
    .copy = SPMM_PASTE(spmm_copy_, SPMM_ISA),
    .copy_every = SPMM_PASTE(spmm_copy_every_, SPMM_ISA),
    .one_pixel = SPMM_PASTE(spmm_one_pixel_, SPMM_ISA),
    .finish_rows = SPMM_PASTE(spmm_finish_rows_, SPMM_ISA),
};
