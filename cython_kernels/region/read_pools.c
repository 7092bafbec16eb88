/* Reading pools. */
#include "region/read.h"

static int read_pool(struct region_reader* r, enum pool_kind kind) {
    struct region_windows w;
    int x;
    if (model_output(r->node, 1) != MODEL_NO_VALUE) {
        return status_fail(r->why, STATUS_INVALID, "regions do not give the indices of a pool");
    }
    if (model_int(r->node, "storage_order", 0) != 0) {
        return status_fail(r->why, STATUS_INVALID, "storage_order must be 0");
    }
    if (!region_read_input(r, 0, 3, 4, &x) || !region_read_windows(r, x, NULL, &w)) return 0;
    struct region_op* op = region_begin_op(r, REGION_POOL, &x, 1);
    if (op == NULL) return 0;
    struct pool_geometry* g = &op->is.pool.geometry;
    *g = (struct pool_geometry){
        .kind = kind,
        .ceil_mode = model_int(r->node, "ceil_mode", 0) != 0,
        .count_include_pad = model_int(r->node, "count_include_pad", 0) != 0,
    };
    for (int i = 0; i < 2; i++) {
        g->kernel[i] = w.kernel[i];
        g->stride[i] = w.stride[i];
        g->dilation[i] = w.dilation[i];
        g->pad_begin[i] = w.pad_begin[i];
        g->pad_end[i] = w.pad_end[i];
        if (w.pad_begin[i] >= w.kernel[i] || w.pad_end[i] >= w.kernel[i]) {
            return status_fail(r->why, STATUS_INVALID, "pads must be smaller than the kernel");
        }
    }
    return region_end_op(r, 0);
}

static int read_maximum(struct region_reader* r) { return read_pool(r, POOL_MAXIMUM); }
static int read_average(struct region_reader* r) { return read_pool(r, POOL_AVERAGE); }

static int add_global(struct region_reader* r, enum global_pool_kind kind, int keep_axes) {
    int x;
    if (!region_read_input(r, 0, 3, REGION_MAX_RANK, &x)) return 0;
    struct region_op* op = region_begin_op(r, REGION_GLOBAL_POOL, &x, 1);
    if (op == NULL) return 0;
    op->is.global_pool = (struct region_global_pool){.kind = kind, .keep_axes = keep_axes};
    return region_end_op(r, 0);
}

static int read_global_average(struct region_reader* r) {
    return add_global(r, GLOBAL_POOL_AVERAGE, 1);
}

static int read_global_maximum(struct region_reader* r) {
    return add_global(r, GLOBAL_POOL_MAXIMUM, 1);
}

/* A reduction of all spatial axes. */
static int read_reduction(struct region_reader* r, enum global_pool_kind kind) {
    int64_t axes[REGION_MAX_RANK];
    int count, x, seen = 0;
    if (!region_read_input(r, 0, 3, REGION_MAX_RANK, &x) ||
        !region_read_ints_of(r, "axes", 1, axes, REGION_MAX_RANK, &count)) {
        return 0;
    }
    const int rank = r->graph->values[x].shape.rank;
    for (int i = 0; i < count; i++) {
        int axis;
        if (!region_read_axis(r, axes[i], rank, &axis)) return 0;
        seen |= 1 << axis;
    }
    if (seen != (1 << rank) - 4) {
        return status_fail(r->why, STATUS_INVALID,
                           "axes must be all spatial ones: 2 up to the last");
    }
    return add_global(r, kind, model_int(r->node, "keepdims", 1) != 0);
}

static int read_reduce_mean(struct region_reader* r) {
    return read_reduction(r, GLOBAL_POOL_AVERAGE);
}

static int read_reduce_max(struct region_reader* r) {
    return read_reduction(r, GLOBAL_POOL_MAXIMUM);
}

static int read_reduce_sum(struct region_reader* r) { return read_reduction(r, GLOBAL_POOL_SUM); }

region_node_reader region_pool_reader(const struct model_node* node) {
    static const struct {
        const char* op_type;
        region_node_reader read;
    } readers[] = {
        {"MaxPool", read_maximum},
        {"AveragePool", read_average},
        {"GlobalAveragePool", read_global_average},
        {"GlobalMaxPool", read_global_maximum},
        {"ReduceMean", read_reduce_mean},
        {"ReduceMax", read_reduce_max},
        {"ReduceSum", read_reduce_sum},
    };
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        if (model_is(node, readers[i].op_type)) return readers[i].read;
    }
    return NULL;
}
