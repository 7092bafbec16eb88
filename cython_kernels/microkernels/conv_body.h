/* Convolution of channels one by one, depthwise or of few input channels, or CONV_BLOCK at a time.
 *
 * A tile is up to CONV_TILE_HEIGHT lines of one vector, whose sums stay in registers: as many as
 * keep the multiply-add units busy. The usual kernels of depthwise layers are walked column by
 * column: each line of pixels is loaded once for all the weights of the column that it meets, since
 * loads are what limits. */
#include "microkernels/microkernel.h"
#include "simd/activations.h"

/* Rows of a tile of CONV_BLOCK channels: sums, pixels and a weight fill the registers. */
#if SIMD_REGISTERS == 32
enum { CONV_BLOCK_HEIGHT = 6 };
#else
enum { CONV_BLOCK_HEIGHT = SIMD_FUSED ? 3 : 2 };
#endif

/* Of a tile: no fewer than those of CONV_TILE_HEIGHT rows of one channel. */
enum { CONV_MAX_SUMS = CONV_BLOCK * CONV_BLOCK_HEIGHT };

/* What the compiler is to know of a kernel: cells of a column, 0 for any kernel; lines of the input
 * from row to row; channels at once; lines of the highest tile. */
struct conv_shape {
    int cells, stride, channels, most;
};

/* Adds all taps, whatever they are. */
SIMD_INLINE void conv_add_taps(vec* sum, const struct conv_call* c, const float* input,
                               const float* weights, const int height, const int channels) {
    for (int64_t t = 0; t < c->taps; t++) {
        const float* pixels = input + c->offsets[t];
        vec x[CONV_TILE_HEIGHT];
        SIMD_UNROLL for (int i = 0; i < height; i++) x[i] = vec_load(pixels + i * c->input_step);
        SIMD_UNROLL for (int k = 0; k < channels; k++) {
            const vec weight = vec_set1(weights[t * channels + k]);
            SIMD_UNROLL for (int i = 0; i < height; i++) {
                sum[k * height + i] = vec_fma(x[i], weight, sum[k * height + i]);
            }
        }
    }
}

/* Adds a column of `cells` taps, whose lines are next to each other in the input; the rows of Y lie
 * `stride` lines of the input apart. Lines that share no sum follow each other, since a sum waits
 * for the one before. */
SIMD_INLINE void conv_add_column(vec* sum, const float* pixels, int64_t line, const float* weights,
                                 const int height, const int cells, const int stride) {
    const int apart = (cells + stride - 1) / stride * stride;
    vec column[CONV_MAX_CELLS];
    SIMD_UNROLL for (int k = 0; k < cells; k++) column[k] = vec_set1(weights[k]);
    SIMD_UNROLL for (int first = 0; first < apart; first++) {
        const float* from = pixels;
        SIMD_UNROLL for (int i = first; i < (height - 1) * stride + cells; i += apart) {
            const vec x = vec_load_once(from);
            SIMD_UNROLL for (int k = 0; k < cells; k++) {
                const int y = (i - k) / stride;
                if (i < k || (i - k) % stride != 0 || y >= height) continue;
                sum[y] = vec_fma(x, column[k], sum[y]);
            }
            from += apart * line;
            SIMD_STEP(from);
        }
        pixels += line;
        SIMD_STEP(pixels);
    }
}

/* Stores the column of sums. Up to `left` floats may be written in its last row; if rows have no
 * gaps between them, `more` in the row before. */
SIMD_INLINE void conv_store(float* to, int64_t step, int64_t left, int64_t more, const vec* sum,
                            const int height) {
    if (left + more >= SIMD_LANES) {
        SIMD_UNROLL for (int i = 0; i < height - 1; i++) vec_store(to + i * step, sum[i]);
        if (left >= SIMD_LANES) {
            vec_store(to + (height - 1) * step, sum[height - 1]);
        } else {
            vec_store_part(to + (height - 1) * step, sum[height - 1], (int)left);
        }
        return;
    }
    float rows[CONV_TILE_HEIGHT * SIMD_LANES];
    SIMD_UNROLL for (int i = 0; i < height; i++) vec_store(rows + i * SIMD_LANES, sum[i]);
    for (int64_t i = 0; i < height; i++) {
        const int64_t most = left + (height - 1 - i) * more;
        for (int64_t k = 0; k < (most < SIMD_LANES ? most : SIMD_LANES); k++) {
            to[i * step + k] = rows[i * SIMD_LANES + k];
        }
    }
}

SIMD_INLINE void conv_tile(const struct conv_call* c, const float* input, const float* weights,
                           const float* bias, int64_t left, int64_t more, float* y, int present,
                           const int height, const struct conv_shape s) {
    vec sum[CONV_MAX_SUMS];
    SIMD_UNROLL for (int k = 0; k < s.channels; k++) {
        const vec start = vec_set1(bias[k < present ? k : 0]);
        SIMD_UNROLL for (int i = 0; i < height; i++) sum[k * height + i] = start;
    }
    if (s.cells > 0) {
        SIMD_UNROLL for (int x = 0; x < s.cells; x++) {
            conv_add_column(sum, input + c->offsets[x * s.cells], c->input_step / s.stride,
                            weights + x * s.cells, height, s.cells, s.stride);
        }
    } else {
        conv_add_taps(sum, c, input, weights, height, s.channels);
    }
    SIMD_UNROLL for (int i = 0; i < s.channels * height; i++) sum[i] =
        simd_clamp(&c->epilogue, sum[i]);
    SIMD_UNROLL for (int k = 0; k < s.channels; k++) {
        if (k < present)
            conv_store(y + k * c->y_stride, c->y_step, left, more, sum + k * height, height);
    }
}

/* Tiles from right to left, so that what one spills is overwritten. */
SIMD_INLINE void conv_rows(const struct conv_call* c, int64_t row, const int height,
                           const struct conv_shape s) {
    if (height > s.most) return;
    const float* input = c->input + row * c->input_step;
    const float* weights = c->weights;
    const float* bias = c->epilogue.bias;
    float* y = c->y + row * c->y_step;
    const int64_t more = c->y_step == c->width ? c->y_step : 0;
    const int64_t left =
        c->y_step == c->width ? c->pixels - (row + height - 1) * c->y_step : c->width;
    const int64_t last = (c->width - 1) / SIMD_LANES * SIMD_LANES;
    for (int64_t rest = c->channels; rest > 0; rest -= s.channels) {
        const int present = rest < s.channels ? (int)rest : s.channels;
        for (int64_t column = last; column >= 0; column -= SIMD_LANES) {
            conv_tile(c, input + column, weights, bias, left - column, more, y + column, present,
                      height, s);
        }
        input += c->input_stride;
        weights += s.channels * c->taps;
        bias += s.channels;
        y += s.channels * c->y_stride;
    }
}

SIMD_INLINE void conv_activate_as(const enum activation activation, float* y, int64_t count,
                                  vec slope) {
    for (; count >= SIMD_LANES; count -= SIMD_LANES, y += SIMD_LANES) {
        vec_store(y, simd_activate(activation, vec_load(y), slope));
    }
    if (count > 0) {
        const vec x = vec_load_part(y, (int)count);
        vec_store_part(y, simd_activate(activation, x, slope), (int)count);
    }
}

/* A loop for each activation, so that its constants stay in registers. */
SIMD_INLINE void conv_activate(const struct epilogue* epilogue, int64_t channel, float* y,
                               int64_t count) {
    const float factor = epilogue->slope != NULL ? epilogue->slope[channel] : epilogue->alpha;
    const vec slope = vec_set1(factor);
    switch (epilogue->activation) {
#define CONV_ACTIVATE(activation, name)                \
    case activation:                                   \
        conv_activate_as(activation, y, count, slope); \
        break;
        ACTIVATION_LIST(CONV_ACTIVATE)
#undef CONV_ACTIVATE
    }
}

/* In a pass of its own over what is still in the cache: in every tile, it would be most of the
 * code. */
static SIMD_ONE_COPY void SIMD_NAME(conv_activate_channels)(const struct conv_call* c,
                                                            int64_t channel, int64_t end) {
    const int gaps = c->y_step != c->width;
    for (; channel < end; channel++) {
        float* y = c->y + channel * c->y_stride;
        for (int64_t row = 0; row < (gaps ? c->height : 1); row++) {
            conv_activate(&c->epilogue, channel, y + row * c->y_step, gaps ? c->width : c->pixels);
        }
    }
}

SIMD_INLINE void conv_channels(const struct conv_call* shared, const struct conv_shape s) {
    const struct conv_call c = *shared; /* which the compiler need not read again after a store */
    /* Tiles of equal height, or one less. */
    const int64_t tiles = (c.height + s.most - 1) / s.most, least = c.height / tiles,
                  higher = c.height % tiles;
    int64_t row = 0;
    for (int64_t tile = 0; tile < tiles; tile++) {
        const int height = (int)least + (tile < higher);
        switch (height) {
#define CONV_CASE(height)              \
    case height:                       \
        conv_rows(&c, row, height, s); \
        break;
            CONV_CASE(1)
            CONV_CASE(2)
            CONV_CASE(3) CONV_CASE(4) CONV_CASE(5) CONV_CASE(6) CONV_CASE(7) CONV_CASE(8)
#undef CONV_CASE
        }
        row += height;
    }
    if (c.epilogue.activation > ACTIVATION_CLIP)
        SIMD_NAME(conv_activate_channels)(&c, 0, c.channels);
}

/* X(cells of a column, stride): square kernels of one input channel, those that networks have; 0
 * cells stand for any kernel. */
#define CONV_SHAPES(X) X(0, 1) X(3, 1) X(3, 2) X(5, 1) X(5, 2)

#define DEFINE_CONV(cells, stride)                                                            \
    static SIMD_ONE_COPY void SIMD_NAME(conv_##cells##_##stride)(const struct conv_call* c) { \
        conv_channels(c, (struct conv_shape){cells, stride, 1, CONV_TILE_HEIGHT});            \
    }
CONV_SHAPES(DEFINE_CONV)
#undef DEFINE_CONV

static SIMD_ONE_COPY void SIMD_NAME(conv_block)(const struct conv_call* c) {
    conv_channels(c, (struct conv_shape){0, 1, CONV_BLOCK, CONV_BLOCK_HEIGHT});
}
