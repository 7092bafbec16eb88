/* Convolution of one channel: depthwise, or of few input channels.
 *
 * Sums of a tile of CONV_TILE_HEIGHT lines by CONV_TILE_VECTORS vectors stay in registers. Where
 * the kernel has a usual height, it is walked column by column: each line of pixels is loaded once
 * for all the weights of the column that it meets, since loads are what limits. */
#include "microkernels/microkernel.h"
#include "simd/activations.h"

enum { CONV_TILE_HEIGHT = 4, CONV_TILE_VECTORS = 2 };

/* Adds all taps, whatever they are. */
SIMD_INLINE void conv_add_taps(vec* sum, const struct conv_call* c, const float* input,
                               const int height, const int vectors) {
    for (int64_t t = 0; t < c->taps; t++) {
        const vec weight = vec_set1(c->weights[t]);
        const float* pixels = input + c->offsets[t];
        SIMD_UNROLL for (int i = 0; i < height * vectors; i++) {
            const float* from = pixels + i / vectors * c->input_step + i % vectors * SIMD_LANES;
            sum[i] = vec_fma(vec_load(from), weight, sum[i]);
        }
    }
}

/* Adds the taps of columns of `cells` taps, whose lines are next to each other in the input; the
 * lines of Y lie `stride` lines of the input apart. */
SIMD_INLINE void conv_add_columns(vec* sum, const struct conv_call* c, const float* input,
                                  const int height, const int vectors, const int cells,
                                  const int stride) {
    const int64_t line = c->input_step / stride;
    for (int64_t t = 0; t < c->taps; t += cells) {
        const float* pixels = input + c->offsets[t];
        vec weights[CONV_MAX_CELLS];
        SIMD_UNROLL for (int k = 0; k < cells; k++) weights[k] = vec_set1(c->weights[t + k]);
        SIMD_UNROLL for (int i = 0; i < (height - 1) * stride + cells; i++) {
            SIMD_UNROLL for (int v = 0; v < vectors; v++) {
                const vec x = vec_load(pixels + i * line + v * SIMD_LANES);
                SIMD_UNROLL for (int k = 0; k < cells; k++) {
                    const int y = (i - k) / stride;
                    if (i < k || (i - k) % stride != 0 || y >= height) continue;
                    sum[y * vectors + v] = vec_fma(x, weights[k], sum[y * vectors + v]);
                }
            }
        }
    }
}

/* The last vector of a line has `tail` valid lanes. What `spills` past them is overwritten by the
 * next line. */
SIMD_INLINE void conv_tile(const struct conv_call* c, int64_t row, int64_t column, int tail,
                           int spills, const int height, const int vectors, const int cells,
                           const int stride) {
    const float* input = c->input + row * c->input_step + column;
    vec sum[CONV_TILE_HEIGHT * CONV_TILE_VECTORS];
    const vec bias = vec_set1(c->epilogue.bias[0]);
    SIMD_UNROLL for (int i = 0; i < height * vectors; i++) sum[i] = bias;
    if (cells > 0) {
        conv_add_columns(sum, c, input, height, vectors, cells, stride);
    } else {
        conv_add_taps(sum, c, input, height, vectors);
    }
    const struct epilogue* epilogue = &c->epilogue;
    SIMD_UNROLL for (int i = 0; i < height * vectors; i++) sum[i] = simd_clamp(epilogue, sum[i]);
    if (epilogue->activation > ACTIVATION_CLIP) {
        const vec slope = vec_set1(epilogue->slope != NULL ? epilogue->slope[0] : epilogue->alpha);
        SIMD_UNROLL for (int i = 0; i < height * vectors; i++) {
            sum[i] = simd_activate(epilogue->activation, sum[i], slope);
        }
    }
    SIMD_UNROLL for (int i = 0; i < height * vectors; i++) {
        float* to = c->y + (row + i / vectors) * c->y_step + column + i % vectors * SIMD_LANES;
        if (i % vectors < vectors - 1 || tail == SIMD_LANES ||
            (spills && i < (height - 1) * vectors)) {
            vec_store(to, sum[i]);
        } else {
            vec_store_part(to, sum[i], tail);
        }
    }
}

/* Lines of pixels from `row` on, `height` at once; returns the first that is left. */
SIMD_INLINE int64_t conv_lines(const struct conv_call* c, int64_t row, const int height,
                               const int cells, const int stride) {
    /* One tile across, no gap between lines, and what spills fits into one line. */
    const int64_t across = c->width > SIMD_LANES ? 2 * SIMD_LANES : SIMD_LANES;
    const int spills = c->y_step == c->width && c->width <= across && 2 * c->width >= across;
    for (; row + height <= c->height; row += height) {
        int64_t column = 0, left = c->width;
        for (; left > SIMD_LANES; left -= 2 * SIMD_LANES, column += 2 * SIMD_LANES) {
            const int tail = (int)(left < 2 * SIMD_LANES ? left - SIMD_LANES : SIMD_LANES);
            conv_tile(c, row, column, tail, spills, height, 2, cells, stride);
        }
        if (left > 0) conv_tile(c, row, column, (int)left, spills, height, 1, cells, stride);
    }
    return row;
}

SIMD_INLINE void conv_plane(const struct conv_call* shared, const int cells, const int stride) {
    const struct conv_call c = *shared; /* which the compiler need not read again after a store */
    int64_t row = conv_lines(&c, 0, CONV_TILE_HEIGHT, cells, stride);
    row = conv_lines(&c, row, 2, cells, stride);
    conv_lines(&c, row, 1, cells, stride);
}

/* X(cells of a column, stride): those that networks have; 0 cells stand for any kernel. */
#define CONV_SHAPES(X) X(0, 1) X(3, 1) X(3, 2) X(5, 1) X(5, 2)

#define DEFINE_CONV(cells, stride)                                                            \
    static SIMD_ONE_COPY void SIMD_NAME(conv_##cells##_##stride)(const struct conv_call* c) { \
        conv_plane(c, cells, stride);                                                         \
    }
CONV_SHAPES(DEFINE_CONV)
#undef DEFINE_CONV
