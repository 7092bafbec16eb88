/* The shapes of values, before a run as far as they are known, and in a run. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/arithmetic.h"
#include "region/graph.h"

#define LL(x) ((long long)(x))

/* --- Sizes that are not known yet. */

/* How an unknown size comes from another one. */
struct derivation {
    int64_t from, extent, stride, padding;
    int kind; /* of windows: a convolution's, a pool's, or a pool's that are rounded up */
    int64_t size;
};

struct region_sizes {
    int64_t next; /* negative */
    int count, room;
    struct derivation* derivations;
};

struct region_sizes* region_sizes_create(void) {
    struct region_sizes* sizes = calloc(1, sizeof *sizes);
    if (sizes != NULL) sizes->next = MODEL_UNKNOWN_DIM - 1;
    return sizes;
}

void region_sizes_destroy(struct region_sizes* sizes) {
    if (sizes == NULL) return;
    free(sizes->derivations);
    free(sizes);
}

int64_t region_new_size(struct region_sizes* sizes) { return sizes->next--; }

/* Finds or adds; a size of its own where memory is short. */
static int64_t derive(struct region_sizes* sizes, struct derivation wanted) {
    for (int i = 0; i < sizes->count; i++) {
        const struct derivation* d = &sizes->derivations[i];
        if (d->from == wanted.from && d->extent == wanted.extent && d->stride == wanted.stride &&
            d->padding == wanted.padding && d->kind == wanted.kind) {
            return d->size;
        }
    }
    wanted.size = region_new_size(sizes);
    if (sizes->count == sizes->room) {
        int room = sizes->room > 0 ? 2 * sizes->room : 16;
        struct derivation* moved = realloc(sizes->derivations, (size_t)room * sizeof *moved);
        if (moved == NULL) return wanted.size;
        sizes->derivations = moved;
        sizes->room = room;
    }
    sizes->derivations[sizes->count++] = wanted;
    return wanted.size;
}

struct region_shape region_shape_of(const struct model_value* value, struct region_sizes* sizes) {
    struct region_shape shape = {.rank = value->rank};
    for (int i = 0; i < value->rank; i++) {
        shape.dims[i] = value->dims[i] >= 0 ? value->dims[i] : region_new_size(sizes);
    }
    return shape;
}

/* --- Counting. */

int64_t region_count(const struct region_shape* shape) {
    int64_t count = 1, empty = 0;
    for (int i = 0; i < shape->rank; i++) empty |= shape->dims[i] == 0;
    if (empty) return 0;
    for (int i = 0; i < shape->rank; i++) {
        if (__builtin_mul_overflow(count, shape->dims[i], &count)) return -1;
    }
    return count;
}

int64_t region_plane(const struct region_shape* shape) {
    int64_t plane = 1;
    for (int i = 2; i < shape->rank; i++) {
        if (__builtin_mul_overflow(plane, shape->dims[i], &plane)) return INT64_MAX;
    }
    return plane;
}

void region_plane_sizes(const struct region_shape* shape, int64_t sizes[2]) {
    sizes[0] = shape->rank == 4 ? shape->dims[2] : 1;
    sizes[1] = shape->dims[shape->rank - 1];
}

int region_same_shape(const struct region_shape* a, const struct region_shape* b) {
    int same = a->rank == b->rank;
    for (int i = 0; same && i < a->rank; i++) same = a->dims[i] == b->dims[i];
    return same;
}

static int is_known(int64_t size) { return size >= 0; }

/* --- Windows: convolutions and pools. */

struct window {
    int64_t extent, stride, pad_begin, pad_end;
    const struct pool_geometry* pool; /* which has rules of its own, or NULL */
    int axis;                         /* of the pool */
};

/* The number of windows along an axis, as ONNX says; -1 if there is none. */
static int64_t window_count(const struct window* w, int64_t size, struct region_sizes* sizes) {
    const int64_t padding = w->pad_begin + w->pad_end;
    if (!is_known(size)) {
        if (w->stride == 1 && padding == w->extent - 1) return size;
        return derive(sizes, (struct derivation){.from = size,
                                                 .extent = w->extent,
                                                 .stride = w->stride,
                                                 .padding = w->pad_begin << 32 | w->pad_end,
                                                 .kind = w->pool == NULL      ? 0
                                                         : w->pool->ceil_mode ? 2
                                                                              : 1});
    }
    if (size > INT_MAX) return -1;
    if (w->pool != NULL) return pool_output_size(w->pool, w->axis, size);
    return size + padding < w->extent ? -1 : (size + padding - w->extent) / w->stride + 1;
}

static struct window conv_window(const struct conv_geometry* g, int axis) {
    return (struct window){g->dilation[axis] * (g->kernel[axis] - 1) + 1,
                           g->stride[axis],
                           g->pad_begin[axis],
                           g->pad_end[axis],
                           NULL,
                           0};
}

static struct window pool_window(const struct pool_geometry* g, int axis) {
    return (struct window){g->dilation[axis] * (g->kernel[axis] - 1) + 1,
                           g->stride[axis],
                           g->pad_begin[axis],
                           g->pad_end[axis],
                           g,
                           axis};
}

static int infer_windows(const struct window windows[2], struct region_shape* out,
                         struct region_sizes* sizes, struct status* why) {
    for (int axis = out->rank == 4 ? 0 : 1; axis < 2; axis++) {
        int64_t* size = &out->dims[out->rank - 2 + axis];
        int64_t count = window_count(&windows[axis], *size, sizes);
        if (count == -1) {
            return status_fail(why, STATUS_INVALID,
                               "a window of %lld does not fit axis %d of %lld with its padding",
                               LL(windows[axis].extent), out->rank - 2 + axis, LL(*size));
        }
        *size = count;
    }
    return 1;
}

static int infer_conv(const struct region_op* op, struct region_shape* out,
                      struct region_sizes* sizes, struct status* why) {
    const struct conv_geometry* g = &op->is.conv.geometry;
    if (is_known(out->dims[1]) && out->dims[1] != g->in_channels) {
        return status_fail(why, STATUS_INVALID, "X: must have %lld channels, but has %lld",
                           LL(g->in_channels), LL(out->dims[1]));
    }
    out->dims[1] = g->out_channels;
    const struct window windows[2] = {conv_window(g, 0), conv_window(g, 1)};
    return infer_windows(windows, out, sizes, why);
}

static int infer_pool(const struct region_op* op, struct region_shape* out,
                      struct region_sizes* sizes, struct status* why) {
    const struct pool_geometry* g = &op->is.pool.geometry;
    const struct window windows[2] = {pool_window(g, 0), pool_window(g, 1)};
    return infer_windows(windows, out, sizes, why);
}

static int infer_pointwise(const struct region_op* op, const struct region_shape* const* inputs,
                           struct region_shape* out, struct region_sizes* sizes,
                           struct status* why) {
    const struct region_pointwise* layer = &op->is.pointwise;
    if (is_known(out->dims[1]) && out->dims[1] != layer->matrix.columns) {
        return status_fail(why, STATUS_INVALID, "X: must have %lld channels, but has %lld",
                           LL(layer->matrix.columns), LL(out->dims[1]));
    }
    out->dims[1] = layer->matrix.rows;
    for (int axis = 2; axis < out->rank; axis++) {
        const int64_t stride = layer->stride[SPMM_AXES - out->rank + axis];
        const struct window window = {.extent = 1, .stride = stride};
        /* An axis without pixels stays one. */
        if (out->dims[axis] != 0) out->dims[axis] = window_count(&window, out->dims[axis], sizes);
        if (out->dims[axis] == -1) {
            return status_fail(why, STATUS_INVALID, "X: must be at most 2**31-1 pixels wide");
        }
    }
    if (op->input_count == 2 && !region_same_shape(inputs[1], out)) {
        return status_fail(why, STATUS_INVALID, "residual: must have the shape of Y, but has not");
    }
    return 1;
}

/* --- Element by element. */

static int64_t broadcast(int64_t a, int64_t b, struct region_sizes* sizes) {
    if (a == 1 || a == b) return b;
    if (b == 1) return a;
    if (is_known(a) && is_known(b)) return -1;
    if (!is_known(a) && !is_known(b)) return region_new_size(sizes);
    return is_known(a) ? a : b;
}

static int infer_binary(const struct region_shape* a, const struct region_shape* b,
                        struct region_shape* out, struct region_sizes* sizes, struct status* why) {
    out->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= out->rank; i++) { /* from the last axis on */
        int64_t first = i <= a->rank ? a->dims[a->rank - i] : 1;
        int64_t second = i <= b->rank ? b->dims[b->rank - i] : 1;
        int64_t size = broadcast(first, second, sizes);
        if (size == -1) {
            return status_fail(why, STATUS_INVALID,
                               "shapes must be broadcast to each other, but %lld meets %lld",
                               LL(first), LL(second));
        }
        out->dims[out->rank - i] = size;
    }
    return 1;
}

/* --- Other shapes. */

/* A size that is not known; -1, which is none, where all must be: numbers then overflow. */
static int64_t uncounted(struct region_sizes* sizes) {
    return sizes != NULL ? region_new_size(sizes) : -1;
}

static int64_t product(const struct region_shape* shape, int first, int end,
                       struct region_sizes* sizes) {
    struct region_shape part = {.rank = end - first};
    memcpy(part.dims, shape->dims + first, (size_t)part.rank * sizeof *part.dims);
    int unknown = 0;
    for (int i = 0; i < part.rank; i++) {
        if (part.dims[i] == 0) return 0;
        unknown |= !is_known(part.dims[i]);
    }
    int64_t count = unknown ? -1 : region_count(&part);
    if (count >= 0) return count;
    int64_t only = 1; /* an unknown size times ones is that size */
    for (int i = 0; i < part.rank; i++) {
        if (part.dims[i] == 1) continue;
        if (only != 1) return uncounted(sizes);
        only = part.dims[i];
    }
    return only;
}

/* What is left for the axis of size -1 when the others are as they are. */
static int64_t left_over(const struct region_shape* in, const struct region_shape* out, int axis,
                         struct region_sizes* sizes) {
    struct region_shape a = *in, b = *out;
    b.dims[axis] = 1;
    for (int i = 0; i < a.rank; i++) { /* cancel unknown sizes that are on both sides */
        for (int k = 0; k < b.rank && !is_known(a.dims[i]); k++) {
            if (a.dims[i] == b.dims[k]) a.dims[i] = b.dims[k] = 1;
        }
    }
    int64_t total = product(&a, 0, a.rank, sizes), others = product(&b, 0, b.rank, sizes);
    if (!is_known(total) && others == 1) return total;
    if (!is_known(total) || !is_known(others)) return uncounted(sizes);
    return others > 0 && total % others == 0 ? total / others : -1;
}

static int infer_reshape_to(const struct region_reshape* to, const struct region_shape* in,
                            struct region_shape* out, struct region_sizes* sizes) {
    int rest = -1;
    out->rank = to->count;
    for (int i = 0; i < to->count; i++) {
        out->dims[i] = to->sizes[i];
        if (to->sizes[i] == 0) {
            if (i >= in->rank) return 0;
            out->dims[i] = in->dims[i];
        } else if (to->sizes[i] == -1) {
            rest = i;
        }
    }
    if (rest >= 0) {
        out->dims[rest] = left_over(in, out, rest, sizes);
        return out->dims[rest] != -1;
    }
    int64_t before = product(in, 0, in->rank, sizes), after = product(out, 0, out->rank, sizes);
    return !is_known(before) || !is_known(after) || before == after;
}

/* The reshape of axes: those listed are dropped from the one with more axes. */
static int infer_squeeze(const struct region_reshape* squeeze, const struct region_shape* in,
                         struct region_shape* out) {
    int next = 0;
    out->rank = 0;
    for (int i = 0; i < in->rank; i++) {
        if (next < squeeze->count && squeeze->sizes[next] == i) {
            if (is_known(in->dims[i]) && in->dims[i] != 1) return 0;
            next++;
        } else {
            out->dims[out->rank++] = in->dims[i];
        }
    }
    return next == squeeze->count;
}

static int infer_unsqueeze(const struct region_reshape* unsqueeze, const struct region_shape* in,
                           struct region_shape* out) {
    int next = 0, from = 0;
    out->rank = in->rank + unsqueeze->count;
    if (out->rank > REGION_MAX_RANK) return 0;
    for (int i = 0; i < out->rank; i++) {
        if (next < unsqueeze->count && unsqueeze->sizes[next] == i) {
            out->dims[i] = 1;
            next++;
        } else if (from < in->rank) {
            out->dims[i] = in->dims[from++];
        } else {
            return 0;
        }
    }
    return next == unsqueeze->count;
}

static int infer_reshape(const struct region_reshape* reshape,
                         const struct region_shape* const* inputs, struct region_shape* out,
                         struct region_sizes* sizes, struct status* why) {
    const struct region_shape* in = inputs[0];
    int fits = 1, axis;
    switch (reshape->kind) {
        case REGION_RESHAPE_TO:
            fits = infer_reshape_to(reshape, in, out, sizes);
            break;
        case REGION_RESHAPE_FLATTEN:
            axis = (int)reshape->sizes[0];
            out->rank = 2;
            out->dims[0] = product(in, 0, axis, sizes);
            out->dims[1] = product(in, axis, in->rank, sizes);
            break;
        case REGION_RESHAPE_SQUEEZE:
            fits = infer_squeeze(reshape, in, out);
            break;
        case REGION_RESHAPE_UNSQUEEZE:
            fits = infer_unsqueeze(reshape, in, out);
            break;
        case REGION_RESHAPE_LIKE:
            *out = *inputs[1];
            fits = product(in, 0, in->rank, sizes) == product(out, 0, out->rank, sizes);
            break;
    }
    for (int i = 0; sizes == NULL && i < out->rank; i++) fits &= is_known(out->dims[i]);
    return fits || status_fail(why, STATUS_INVALID, "the new shape does not fit the input's");
}

static int infer_concat(const struct region_op* op, const struct region_shape* const* inputs,
                        struct region_shape* out, struct region_sizes* sizes, struct status* why) {
    int64_t channels = 0;
    for (int i = 0; i < op->input_count; i++) {
        const struct region_shape* in = inputs[i];
        for (int axis = 0; axis < in->rank; axis++) {
            if (axis == 1) continue;
            if (!is_known(out->dims[axis])) out->dims[axis] = in->dims[axis];
            if (is_known(in->dims[axis]) && in->dims[axis] != out->dims[axis]) {
                return status_fail(why, STATUS_INVALID,
                                   "inputs must have the same axis %d, but have %lld and %lld",
                                   axis, LL(out->dims[axis]), LL(in->dims[axis]));
            }
        }
        channels = is_known(channels) && is_known(in->dims[1]) ? channels + in->dims[1] : -1;
        if (channels > INT_MAX) {
            return status_fail(why, STATUS_INVALID, "the result has too many channels");
        }
    }
    out->dims[1] = is_known(channels) ? channels : region_new_size(sizes);
    return 1;
}

static void infer_slice(const struct region_op* op, const struct region_shape* in,
                        struct region_shape* out, struct region_sizes* sizes) {
    const int axis = op->is.slice.axis;
    const int64_t size = in->dims[axis];
    const int64_t first = smaller(op->is.slice.first, size), end = smaller(op->is.slice.end, size);
    out->dims[axis] = is_known(size) ? larger(0, end - first) : region_new_size(sizes);
}

int region_infer(const struct region_op* op, const struct region_shape* const* inputs,
                 struct region_shape* output, struct region_sizes* sizes, struct status* why) {
    const struct region_shape* in = inputs[0];
    struct region_shape* out = output;
    *out = *in;
    switch (op->kind) {
        case REGION_POINTWISE:
            return infer_pointwise(op, inputs, out, sizes, why);
        case REGION_CONV:
            return infer_conv(op, out, sizes, why);
        case REGION_POOL:
            return infer_pool(op, out, sizes, why);
        case REGION_GLOBAL_POOL:
            for (int i = 2; i < out->rank; i++) out->dims[i] = 1;
            if (!op->is.global_pool.keep_axes) out->rank = 2;
            return 1;
        case REGION_UNARY:
        case REGION_PRELU:
        case REGION_SOFTMAX:
            return 1;
        case REGION_BINARY:
            return infer_binary(in, inputs[1], out, sizes, why);
        case REGION_RESHAPE:
            return infer_reshape(&op->is.reshape, inputs, out, sizes, why);
        case REGION_TRANSPOSE:
            for (int i = 0; i < out->rank; i++) out->dims[i] = in->dims[op->is.transpose[i]];
            return 1;
        case REGION_SLICE:
            infer_slice(op, in, out, sizes);
            return 1;
        case REGION_CONCAT:
            return infer_concat(op, inputs, out, sizes, why);
        case REGION_PAD:
            for (int i = 0; i < out->rank; i++) {
                int64_t added = op->is.pad.before[i] + op->is.pad.after[i];
                if (added == 0) continue;
                out->dims[i] = is_known(in->dims[i]) ? in->dims[i] + added : region_new_size(sizes);
            }
            return 1;
    }
    return 1;
}
