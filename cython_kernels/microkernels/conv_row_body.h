/* Depthwise convolution of lines that lie anywhere, each with zeros at both ends: what rolls over a
 * ring of lines has no rows to share loads with, so a tile is one row of several vectors. */
#include "microkernels/microkernel.h"
#include "simd/activations.h"

enum { CONV_ROW_VECTORS = 8 /* at most: sums that keep the multiply-add units busy */ };

SIMD_INLINE void conv_row_add(vec* sum, const float* const* lines, const float* weights,
                              const int vectors, const int cells) {
    SIMD_UNROLL for (int x = 0; x < cells; x++) {
        SIMD_UNROLL for (int k = 0; k < cells; k++) {
            const vec weight = vec_set1(weights[x * cells + k]);
            SIMD_UNROLL for (int v = 0; v < vectors; v++) {
                sum[v] = vec_fma(vec_load(lines[k] + x + v * SIMD_LANES), weight, sum[v]);
            }
        }
    }
}

/* Every second pixel, and with the next column of the kernel those between them. */
SIMD_INLINE void conv_row_add_pairs(vec* sum, const float* const* lines, const float* weights,
                                    const int vectors, const int cells) {
    SIMD_UNROLL for (int k = 0; k < cells; k++) {
        SIMD_UNROLL for (int x = 0; x < cells; x += 2) {
            const vec first = vec_set1(weights[x * cells + k]);
            const vec second = vec_set1(x + 1 < cells ? weights[(x + 1) * cells + k] : 0.0f);
            SIMD_UNROLL for (int v = 0; v < vectors; v++) {
                const float* from = lines[k] + x + 2 * v * SIMD_LANES;
                vec even, odd;
                vec_split_mixed(vec_load_once(from), vec_load_once(from + SIMD_LANES), &even, &odd);
                sum[v] = vec_fma(even, first, sum[v]);
                if (x + 1 < cells) sum[v] = vec_fma(odd, second, sum[v]);
            }
        }
    }
}

SIMD_INLINE void conv_row_tile(const struct conv_row_call* c, const float* const* lines,
                               const float* weights, float bias, float* y, int64_t left,
                               const int vectors, const int cells, const int stride) {
    vec sum[CONV_ROW_VECTORS];
    SIMD_UNROLL for (int v = 0; v < vectors; v++) sum[v] = vec_set1(stride == 1 ? bias : 0.0f);
    if (stride == 1) {
        conv_row_add(sum, lines, weights, vectors, cells);
    } else {
        conv_row_add_pairs(sum, lines, weights, vectors, cells);
        SIMD_UNROLL for (int v = 0; v < vectors; v++) {
            sum[v] = vec_add(vec_unmix(sum[v]), vec_set1(bias));
        }
    }
    SIMD_UNROLL for (int v = 0; v < vectors; v++) sum[v] = simd_clamp(&c->epilogue, sum[v]);
    SIMD_UNROLL for (int v = 0; v < vectors - 1; v++) vec_store(y + v * SIMD_LANES, sum[v]);
    y += (vectors - 1) * SIMD_LANES;
    left -= (vectors - 1) * SIMD_LANES;
    if (c->spill || left >= SIMD_LANES) {
        vec_store(y, sum[vectors - 1]);
    } else {
        vec_store_part(y, sum[vectors - 1], (int)left);
    }
}

/* Tiles of a row, of equal width or one vector more. */
SIMD_INLINE void conv_row_tiles(const struct conv_row_call* c, const float** lines,
                                const float* weights, float bias, float* y, const int cells,
                                const int stride) {
    const int64_t vectors = (c->width + SIMD_LANES - 1) / SIMD_LANES;
    const int64_t tiles = (vectors + CONV_ROW_VECTORS - 1) / CONV_ROW_VECTORS;
    const int64_t wider = vectors % tiles;
    int64_t left = c->width;
    for (int64_t tile = 0; tile < tiles; tile++) {
        const int width = (int)(vectors / tiles) + (tile < wider);
        switch (width) {
#define CONV_ROW_CASE(width)                                                   \
    case width:                                                                \
        conv_row_tile(c, lines, weights, bias, y, left, width, cells, stride); \
        break;
            CONV_ROW_CASE(1)
            CONV_ROW_CASE(2)
            CONV_ROW_CASE(3)
            CONV_ROW_CASE(4)
            CONV_ROW_CASE(5)
            CONV_ROW_CASE(6)
            CONV_ROW_CASE(7)
            CONV_ROW_CASE(8)
#undef CONV_ROW_CASE
        }
        left -= width * SIMD_LANES;
        y += width * SIMD_LANES;
        for (int k = 0; k < cells; k++) lines[k] += width * SIMD_LANES * stride;
    }
}

static SIMD_ONE_COPY void SIMD_NAME(conv_row_activate)(const struct conv_row_call* c,
                                                       int64_t channel, float* y) {
    conv_activate(&c->epilogue, channel, y, c->width);
}

SIMD_INLINE void conv_row_channels(const struct conv_row_call* shared, const int cells,
                                   const int stride) {
    const struct conv_row_call c = *shared; /* which need not be read again after a store */
    for (int64_t channel = 0; channel < c.channels; channel++) {
        const float* input = c.input + channel * c.input_stride;
        const float* weights = c.weights + channel * cells * cells;
        for (int64_t row = 0; row < c.rows; row++) {
            const float* lines[CONV_MAX_CELLS];
            SIMD_UNROLL for (int k = 0; k < cells; k++) {
                lines[k] = input + c.lines[row * stride + k];
            }
            float* y = c.y + channel * c.y_stride + row * c.y_step;
            conv_row_tiles(&c, lines, weights, c.epilogue.bias[channel], y, cells, stride);
            if (c.epilogue.activation > ACTIVATION_CLIP) {
                SIMD_NAME(conv_row_activate)(&c, channel, y);
            }
        }
    }
}

/* X(cells of a column, stride). */
#define CONV_ROW_SHAPES(X) X(3, 1) X(3, 2) X(5, 1) X(5, 2)

#define DEFINE_CONV_ROW(cells, stride)                                \
    static SIMD_ONE_COPY void SIMD_NAME(conv_row_##cells##_##stride)( \
        const struct conv_row_call* c) {                              \
        conv_row_channels(c, cells, stride);                          \
    }
CONV_ROW_SHAPES(DEFINE_CONV_ROW)
#undef DEFINE_CONV_ROW
