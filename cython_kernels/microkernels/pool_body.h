/* Pooling of one line of output pixels: maxima or averages over windows.
 *
 * Lines of the window are reduced first, column by column, into a line of scratch; then columns.
 * A window costs its height and width, not their product, and each pixel of X is loaded once for
 * all windows of the line. */
#include "microkernels/microkernel.h"
#include "simd/compiler.h"

enum { POOL_TILE_VECTORS = 4 };

/* Of two operands of which one is NaN, MAXPS returns the second, as ONNX Runtime's code does. */
SIMD_INLINE vec pool_reduce(vec a, vec b, const int average) {
    return average ? vec_add(a, b) : vec_max(a, b);
}

SIMD_INLINE void pool_tile_of_lines(const struct pool_call* c, int64_t column, const int vectors,
                                    const int average) {
    const float* from = c->input + column;
    vec sum[POOL_TILE_VECTORS];
    SIMD_UNROLL for (int v = 0; v < vectors; v++) sum[v] = vec_load(from + v * SIMD_LANES);
    for (int64_t line = 1; line < c->lines; line++) {
        from += c->line_step;
        SIMD_UNROLL for (int v = 0; v < vectors; v++) {
            sum[v] = pool_reduce(sum[v], vec_load(from + v * SIMD_LANES), average);
        }
    }
    float* to = c->inside + column;
    SIMD_UNROLL for (int v = 0; v < vectors; v++) vec_store(to + v * SIMD_LANES, sum[v]);
}

SIMD_INLINE void pool_lines(const struct pool_call* c, const int average) {
    const int64_t columns = c->columns;
    if (columns < SIMD_LANES) {
        if (columns == 0) return;
        const float* from = c->input;
        vec sum = vec_load_part(from, (int)columns);
        for (int64_t line = 1; line < c->lines; line++) {
            from += c->line_step;
            sum = pool_reduce(sum, vec_load_part(from, (int)columns), average);
        }
        vec_store_part(c->inside, sum, (int)columns);
        return;
    }
    int64_t column = 0;
    for (; column + POOL_TILE_VECTORS * SIMD_LANES <= columns;
         column += POOL_TILE_VECTORS * SIMD_LANES) {
        pool_tile_of_lines(c, column, POOL_TILE_VECTORS, average);
    }
    for (; column + SIMD_LANES <= columns; column += SIMD_LANES) {
        pool_tile_of_lines(c, column, 1, average);
    }
    if (column < columns) pool_tile_of_lines(c, columns - SIMD_LANES, 1, average);
}

/* `count` pixels that lie a stride apart. Strides 1 and 2 read whole vectors past them. */
SIMD_INLINE vec pool_load(const float* from, int64_t any_stride, int count, const int stride) {
    if (stride == 1) return vec_load(from);
    if (stride == 2) return vec_load_even(from);
    float lanes[SIMD_LANES] = {0};
    for (int i = 0; i < count; i++) lanes[i] = from[i * any_stride];
    return vec_load(lanes);
}

SIMD_INLINE void pool_columns(const struct pool_call* c, const int average, const int stride) {
    for (int64_t x = 0; x < c->width; x += SIMD_LANES) {
        const int count = (int)(c->width - x < SIMD_LANES ? c->width - x : SIMD_LANES);
        const float* from = c->line + x * c->stride;
        vec sum = pool_load(from, c->stride, count, stride);
        for (int64_t tap = 1; tap < c->taps; tap++) {
            from += c->tap_step;
            sum = pool_reduce(sum, pool_load(from, c->stride, count, stride), average);
        }
        if (!c->first) sum = pool_reduce(vec_load_part(c->y + x, count), sum, average);
        if (average && c->last) {
            sum = vec_div(sum, vec_mul(vec_set1(c->lines_counted), vec_load(c->counts + x)));
        }
        if (count == SIMD_LANES) {
            vec_store(c->y + x, sum);
        } else {
            vec_store_part(c->y + x, sum, count);
        }
    }
}

/* X(whether averages, stride of columns): stride 0 stands for any. */
#define POOL_SHAPES(X) X(0, 0) X(0, 1) X(0, 2) X(1, 0) X(1, 1) X(1, 2)

#define DEFINE_POOL(average, stride)                                                            \
    static SIMD_ONE_COPY void SIMD_NAME(pool_##average##_##stride)(const struct pool_call* c) { \
        pool_lines(c, average);                                                                 \
        pool_columns(c, average, stride);                                                       \
    }
POOL_SHAPES(DEFINE_POOL)
#undef DEFINE_POOL
