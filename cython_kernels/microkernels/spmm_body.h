/* The sparse product over tiles of pixels: what runs nearly all the time. */
#include "base/cache.h"
#include "microkernels/microkernel.h"
#include "microkernels/packed_steps.h"
#include "simd/activations.h"

SIMD_INLINE vec spmm_load_pixels(const float* row, int v, int mr, int tail) {
    if (v < mr - 1 || tail == SIMD_LANES) return vec_load(row + v * SIMD_LANES);
    return vec_load_part(row + v * SIMD_LANES, tail);
}

SIMD_INLINE void spmm_store_pixels(float* row, int v, int mr, int tail, vec x) {
    if (v < mr - 1 || tail == SIMD_LANES) {
        vec_store(row + v * SIMD_LANES, x);
    } else {
        vec_store_part(row + v * SIMD_LANES, x, tail);
    }
}

/* Channels of the next four steps: the addresses of pixels are then known long before they are
 * needed (7 % faster on Zen 5 than loading them when they are). Four names rather than an array,
 * which clang would keep in memory. */
struct spmm_ahead {
    uint64_t step1, step2, step3, step4;
};

SIMD_INLINE struct spmm_ahead spmm_start_ahead(const uint16_t* channels, const int nr) {
    const int width = SPMM_GROUP_ROWS / nr;
    return (struct spmm_ahead){packed_channels(channels, nr), packed_channels(channels + width, nr),
                               packed_channels(channels + 2 * width, nr),
                               packed_channels(channels + 3 * width, nr)};
}

/* Returns the channels of the step at `channels`. The pack is padded for what is loaded past its
 * end. */
SIMD_INLINE uint64_t spmm_next_channels(struct spmm_ahead* ahead, const uint16_t* channels,
                                        const int nr) {
    if (!SPMM_LOAD_AHEAD) return packed_channels(channels, nr);
    const uint64_t next = ahead->step1;
    ahead->step1 = ahead->step2;
    ahead->step2 = ahead->step3;
    ahead->step3 = ahead->step4;
    ahead->step4 = packed_channels(channels + SPMM_AHEAD_STEPS * (SPMM_GROUP_ROWS / nr), nr);
    return next;
}

SIMD_INLINE const float* spmm_pixels(const char* panel, uint64_t stride, uint64_t step_channels,
                                     int i) {
    panel += (uint16_t)(step_channels >> (16 * i)) * stride;
    SIMD_PIN(panel);
    return (const float*)panel;
}

/* Adds one nonzero of each row of a group. */
SIMD_INLINE void spmm_step(vec sum[SPMM_GROUP_ROWS][SPMM_MAX_VECTORS], const char* panel,
                           uint64_t stride, const float* values, const uint16_t* channels,
                           struct spmm_ahead* ahead, const int nr, const int mr) {
    const vec_weights weights = vec_load_weights(values);
    const uint64_t step_channels = spmm_next_channels(ahead, channels, nr);
    /* One flat loop, because clang unrolls nested ones too late for registers. */
    SIMD_UNROLL for (int j = 0; j < SPMM_GROUP_ROWS * mr; j++) {
        const int o = j / (nr * mr), v = j / nr % mr, r = o * nr + j % nr;
        const float* x = spmm_pixels(panel, stride, step_channels, o);
        sum[r][v] = vec_fma_weight(weights, r, vec_load(x + v * SIMD_LANES), sum[r][v]);
    }
}

/* Applies an activation to SPMM_GROUP_ROWS rows of `vectors` vectors, and stores them in a tile
 * that starts at `first`. One copy for all tiles: the constants of an exponential would not fit
 * into registers beside the sums. */
static SIMD_ONE_COPY void spmm_activate_group(const struct spmm_call* t, float* first, int tail,
                                              const uint16_t* group_rows, int nr, const vec* sums,
                                              int vectors) {
    const struct epilogue* epilogue = &t->epilogue;
    vec slope[SPMM_GROUP_ROWS];
    float* y[SPMM_GROUP_ROWS];
    SIMD_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
        const int64_t row = packed_row(group_rows, r, nr);
        slope[r] = vec_set1(epilogue->slope != NULL ? epilogue->slope[row] : epilogue->alpha);
        y[r] = first + row * t->y_stride;
    }
    switch (epilogue->activation) {
#define SPMM_ACTIVATE(activation, name)                                                   \
    case activation:                                                                      \
        for (int v = 0; v < vectors; v++) {                                               \
            SIMD_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {                       \
                const vec x = simd_activate(activation, sums[r * vectors + v], slope[r]); \
                spmm_store_pixels(y[r], v, vectors, tail, x);                             \
            }                                                                             \
        }                                                                                 \
        break;
        ACTIVATION_LIST(SPMM_ACTIVATE)
#undef SPMM_ACTIVATE
    }
}

/* Sums of one group: SPMM_GROUP_ROWS rows by mr vectors stay in registers. `t` is a copy of
 * `shared`, which the compiler need not read again after each store. */
SIMD_INLINE void spmm_group(const struct spmm_call* t, const struct spmm_call* shared,
                            const float* values, const uint16_t* channels, struct spmm_ahead* ahead,
                            int steps, const uint16_t* group_rows, const int nr, const int mr) {
    const int tail = t->tail;
    int64_t start[SPMM_GROUP_ROWS];
    vec sum[SPMM_GROUP_ROWS][SPMM_MAX_VECTORS];
    SIMD_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
        start[r] = packed_row(group_rows, r, nr) * t->y_stride;
    }
    if (t->first) {
        SIMD_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
            vec bias = vec_set1(t->epilogue.bias[packed_row(group_rows, r, nr)]);
            SIMD_UNROLL for (int v = 0; v < mr; v++) sum[r][v] = bias;
        }
        if (t->residual != NULL) {
            SIMD_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
                const float* residual =
                    t->residual + packed_row(group_rows, r, nr) * t->residual_stride;
                SIMD_UNROLL for (int v = 0; v < mr; v++) {
                    vec x = spmm_load_pixels(residual, v, mr, tail);
                    sum[r][v] = vec_add(sum[r][v], x);
                }
            }
        }
    } else {
        SIMD_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
            SIMD_UNROLL for (int v = 0; v < mr; v++) {
                sum[r][v] = spmm_load_pixels(t->y + start[r], v, mr, tail);
            }
        }
    }
    const char* const panel = (const char*)t->panel;
    uint64_t stride = (uint64_t)t->panel_stride * sizeof(float); /* bytes */
    SIMD_PIN(stride);
    const int width = SPMM_GROUP_ROWS / nr;
    int left = steps;
    if (mr == 1) { /* four sums alone would wait for each other */
        vec odd[SPMM_GROUP_ROWS][SPMM_MAX_VECTORS];
        SIMD_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) odd[r][0] = vec_set1(0.0f);
        for (; left > 1; left -= 2, values += 2 * SPMM_GROUP_ROWS, channels += 2 * width) {
            spmm_step(sum, panel, stride, values, channels, ahead, nr, mr);
            spmm_step(odd, panel, stride, values + SPMM_GROUP_ROWS, channels + width, ahead, nr,
                      mr);
        }
        SIMD_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
            sum[r][0] = vec_add(sum[r][0], odd[r][0]);
        }
    }
    for (; left > 0; left--, values += SPMM_GROUP_ROWS, channels += width) {
        spmm_step(sum, panel, stride, values, channels, ahead, nr, mr);
    }
    if (t->last) {
        SIMD_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
            SIMD_UNROLL for (int v = 0; v < mr; v++) {
                sum[r][v] = simd_clamp(&t->epilogue, sum[r][v]);
            }
        }
        if (t->epilogue.activation > ACTIVATION_CLIP) {
            vec sums[SPMM_GROUP_ROWS * SPMM_MAX_VECTORS];
            SIMD_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
                SIMD_UNROLL for (int v = 0; v < mr; v++) sums[r * mr + v] = sum[r][v];
            }
            spmm_activate_group(shared, t->y, tail, group_rows, nr, sums, mr);
            return;
        }
    }
    SIMD_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
        SIMD_UNROLL for (int v = 0; v < mr; v++) {
            spmm_store_pixels(t->y + start[r], v, mr, tail, sum[r][v]);
        }
    }
}

enum { SPMM_PREFETCH_GROUPS = 2 /* ahead */ };

/* Asks for the cache lines of Y that a group will write in one tile, if it is one of those left. */
SIMD_INLINE void spmm_prefetch_group(const struct spmm_call* t, const uint16_t* group_rows,
                                     int64_t groups_left, const int nr, const int mr) {
    if (!t->prefetch || groups_left <= SPMM_PREFETCH_GROUPS) return;
    group_rows += SPMM_PREFETCH_GROUPS * (SPMM_GROUP_ROWS / nr);
    SIMD_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
        const float* y = t->y + packed_row(group_rows, r, nr) * t->y_stride;
        SIMD_UNROLL for (int i = 0; i < mr * SIMD_LANES; i += CACHE_LINE_FLOATS) {
            __builtin_prefetch(y + i, 1, 3);
        }
    }
}

/* Sums of one group in all tiles, left to right: each row of Y is written in one run. */
SIMD_INLINE void spmm_group_of_strip(struct spmm_call* t, const struct spmm_call* shared,
                                     const float* values, const uint16_t* channels, int steps,
                                     const uint16_t* group_rows, int64_t groups_left, const int nr,
                                     const int mr) {
    t->panel = shared->panel;
    t->y = shared->y;
    t->residual = shared->residual;
    t->tail = SIMD_LANES;
    for (int64_t left = shared->tiles; left > 0; left--) {
        if (left == 1) t->tail = shared->tail;
        spmm_prefetch_group(t, group_rows, groups_left, nr, mr);
        struct spmm_ahead ahead = spmm_start_ahead(channels, nr);
        spmm_group(t, shared, values, channels, &ahead, steps, group_rows, nr, mr);
        t->panel += mr * SIMD_LANES;
        t->y += mr * SIMD_LANES;
        if (t->residual != NULL) t->residual += mr * SIMD_LANES;
    }
}

SIMD_INLINE void spmm_groups(const struct spmm_call* shared, const int strip, const int nr,
                             const int mr) {
    struct spmm_call t = *shared;
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
            spmm_prefetch_group(&t, group_rows, t.groups - g, nr, mr);
            spmm_group(&t, shared, values, channels, &ahead, steps, group_rows, nr, mr);
        }
        values += steps * SPMM_GROUP_ROWS;
        channels += steps * (SPMM_GROUP_ROWS / nr);
    }
}

/* Functions of their own: the loop over tiles would cost a single one 3 %. The names are found by
 * those who read the machine code (tests/arm64/arm64_instructions.py). */
#define SPMM_DEFINE_KERNEL_OF(isa, nr, mr)                                                \
    static SIMD_ONE_COPY void spmm_tile_##isa##_##nr##x##mr(const struct spmm_call* t) {  \
        spmm_groups(t, 0, nr, mr);                                                        \
    }                                                                                     \
    static SIMD_ONE_COPY void spmm_strip_##isa##_##nr##x##mr(const struct spmm_call* t) { \
        spmm_groups(t, 1, nr, mr);                                                        \
    }                                                                                     \
    static void spmm_kernel_##isa##_##nr##x##mr(const struct spmm_call* t) {              \
        if (t->tiles == 1) {                                                              \
            spmm_tile_##isa##_##nr##x##mr(t);                                             \
        } else {                                                                          \
            spmm_strip_##isa##_##nr##x##mr(t);                                            \
        }                                                                                 \
    }
#define SPMM_DEFINE_KERNEL_(isa, nr, mr) SPMM_DEFINE_KERNEL_OF(isa, nr, mr)
#define SPMM_DEFINE_KERNEL(nr, mr) SPMM_DEFINE_KERNEL_(SIMD_ISA, nr, mr)
SPMM_SHAPES(SPMM_DEFINE_KERNEL)
#undef SPMM_DEFINE_KERNEL
#undef SPMM_DEFINE_KERNEL_
#undef SPMM_DEFINE_KERNEL_OF
