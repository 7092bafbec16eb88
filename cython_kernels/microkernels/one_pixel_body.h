/* One pixel: vectors hold rows instead of pixels.
 *
 * The channels of X then lie next to each other, so that no panel is needed, and a step multiplies
 * the four weights of a group, loaded at once, by the pixels of their channels. */
#include "microkernels/microkernel.h"
#include "microkernels/packed_steps.h"
#include "simd/activations.h"

enum { ONE_PIXEL_AHEAD = 1024 /* floats that weights are prefetched ahead */ };

typedef float spmm_rows __attribute__((vector_size(SPMM_GROUP_ROWS * sizeof(float))));

/* Of each row of a group, the pixel that its weight multiplies. */
SIMD_INLINE spmm_rows one_pixel_gather(const float* x, uint64_t step_channels, const int nr) {
    const float first = x[(uint16_t)step_channels];
    if (nr == SPMM_GROUP_ROWS) return (spmm_rows){first, first, first, first};
    const float second = x[(uint16_t)(step_channels >> 16)];
    if (nr == 2) return (spmm_rows){first, first, second, second};
    return (spmm_rows){first, second, x[(uint16_t)(step_channels >> 32)], x[step_channels >> 48]};
}

SIMD_INLINE spmm_rows one_pixel_step(spmm_rows sum, const float* x, const float* values,
                                     const uint16_t* channels, const int nr) {
    const spmm_rows pixels = one_pixel_gather(x, packed_channels(channels, nr), nr);
    spmm_rows weights;
    memcpy(&weights, values, sizeof weights);
    return sum + weights * pixels;
}

SIMD_INLINE void one_pixel_section(const struct spmm_call* t, const int nr) {
    const int width = SPMM_GROUP_ROWS / nr;
    const float *x = t->panel, *values = t->values;
    const uint16_t *channels = t->channels, *group_rows = t->group_rows;
    for (int64_t g = 0; g < t->groups; g++, group_rows += width) {
        /* Four sums, because one would wait for itself. */
        spmm_rows sum[4] = {{0.0f}};
        int left = t->group_steps[g];
        for (; left >= 4; left -= 4, values += 4 * SPMM_GROUP_ROWS, channels += 4 * width) {
            /* A page ahead, which the hardware's prefetcher is not: of 4 MB of weights that other
             * layers drove out of the L2, 120 us instead of 200 to 270 on Zen 3. */
            __builtin_prefetch(values + ONE_PIXEL_AHEAD, 0, 3);
            SIMD_UNROLL for (int i = 0; i < 4; i++) {
                sum[i] = one_pixel_step(sum[i], x, values + i * SPMM_GROUP_ROWS,
                                        channels + i * width, nr);
            }
        }
        for (; left > 0; left--, values += SPMM_GROUP_ROWS, channels += width) {
            sum[0] = one_pixel_step(sum[0], x, values, channels, nr);
        }
        sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        /* A group may hold a row twice, so all are read before any is written. */
        if (!t->first) {
            SIMD_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
                sum[0][r] += t->y[packed_row(group_rows, r, nr)];
            }
        }
        SIMD_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
            t->y[packed_row(group_rows, r, nr)] = sum[0][r];
        }
    }
}

#define ONE_PIXEL_BLOCK_ROWS(X) X(1) X(2) X(4)

#define DEFINE_ONE_PIXEL(nr) \
    static void SIMD_NAME(one_pixel_##nr)(const struct spmm_call* t) { one_pixel_section(t, nr); }
ONE_PIXEL_BLOCK_ROWS(DEFINE_ONE_PIXEL)
#undef DEFINE_ONE_PIXEL

static void SIMD_NAME(finish)(const struct spmm_call* t, const float* sums, int64_t rows) {
    const struct epilogue* epilogue = &t->epilogue;
    for (int64_t row = 0; row < rows; row += SIMD_LANES) {
        const int count = (int)(rows - row < SIMD_LANES ? rows - row : SIMD_LANES);
        vec x =
            vec_add(vec_load_part(sums + row, count), vec_load_part(epilogue->bias + row, count));
        if (t->residual != NULL) x = vec_add(x, vec_load_part(t->residual + row, count));
        x = simd_clamp(epilogue, x);
        vec slope = epilogue->slope != NULL ? vec_load_part(epilogue->slope + row, count)
                                            : vec_set1(epilogue->alpha);
        vec_store_part(t->y + row, simd_activate(epilogue->activation, x, slope), count);
    }
}
