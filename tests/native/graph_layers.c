/* The oracle of layers with weights, pools and softmax. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "graph_oracle.h"
#include "op/sparse_conv.h"

/* --- Sums whose rounding is bounded by that of their terms. */

struct sum {
    double value, bound, magnitude;
    int64_t terms;
};

static void add_term(struct sum* sum, double weight, double x, double bound) {
    sum->value += weight * x;
    sum->bound += fabs(weight) * bound;
    sum->magnitude += fabs(weight * x);
    sum->terms++;
}

static void store(struct oracle_tensor* y, int64_t at, const struct sum* sum, double scale) {
    y->values[at] = sum->value * scale;
    y->bounds[at] = (sum->bound + oracle_rounded(sum->magnitude, (double)sum->terms + 4)) * scale;
}

enum { NO_INPUT = 1 << 20 };

/* --- Windows, along height and width; of one spatial axis the height is 1. */

struct windows {
    int64_t size[2], kernel[2], stride[2], dilation[2], begin[2], end[2], count[2];
};

static int read_sizes(const struct oracle_node* n, const char* name, int spatial, int64_t least,
                      int64_t otherwise, int64_t* sizes) {
    int64_t ints[16];
    const int count = oracle_ints(n, name, NO_INPUT, ints);
    for (int i = 0; i < 2; i++) sizes[i] = otherwise;
    if (count == -1 || count == 0) return 1;
    if (count != spatial) return 0;
    for (int i = 0; i < spatial; i++) {
        sizes[2 - spatial + i] = ints[i];
        if (ints[i] < least || ints[i] > 1 << 16) return 0;
    }
    return 1;
}

static int read_pads(const struct oracle_node* n, int spatial, struct windows* w) {
    const char* automatic = model_string(n->node, "auto_pad", "NOTSET");
    int64_t pads[16];
    if (strcmp(automatic, "VALID") == 0) return 1;
    if (strncmp(automatic, "SAME", 4) == 0) {
        for (int i = 2 - spatial; i < 2; i++) {
            const int64_t extent = w->dilation[i] * (w->kernel[i] - 1) + 1;
            const int64_t count = (w->size[i] + w->stride[i] - 1) / w->stride[i];
            int64_t padding = (count - 1) * w->stride[i] + extent - w->size[i];
            if (padding < 0) padding = 0;
            w->begin[i] = strcmp(automatic, "SAME_UPPER") == 0 ? padding / 2 : (padding + 1) / 2;
            w->end[i] = padding - w->begin[i];
        }
        return 1;
    }
    const int count = oracle_ints(n, "pads", NO_INPUT, pads);
    if (count == -1 || count == 0) return 1;
    if (count != 2 * spatial) return 0;
    for (int i = 0; i < spatial; i++) {
        w->begin[2 - spatial + i] = pads[i];
        w->end[2 - spatial + i] = pads[spatial + i];
        if (pads[i] < 0 || pads[spatial + i] < 0) return 0;
    }
    return 1;
}

static int read_windows(const struct oracle_node* n, const struct oracle_tensor* x,
                        const int64_t* kernel, int ceil_mode, struct windows* w) {
    const int spatial = x->rank - 2;
    *w = (struct windows){.size = {1, 1}};
    if (spatial < 1 || spatial > 2) return 0;
    for (int i = 0; i < spatial; i++) w->size[2 - spatial + i] = x->dims[2 + i];
    if (!read_sizes(n, "kernel_shape", spatial, 1, 1, w->kernel) ||
        !read_sizes(n, "strides", spatial, 1, 1, w->stride) ||
        !read_sizes(n, "dilations", spatial, 1, 1, w->dilation)) {
        return 0;
    }
    for (int i = 0; kernel != NULL && i < spatial; i++) {
        if (model_attribute(n->node, "kernel_shape") != NULL &&
            w->kernel[2 - spatial + i] != kernel[i]) {
            return 0;
        }
        w->kernel[2 - spatial + i] = kernel[i];
    }
    if (!read_pads(n, spatial, w)) return 0;
    for (int i = 0; i < 2; i++) {
        const int64_t rest =
            w->size[i] + w->begin[i] + w->end[i] - w->dilation[i] * (w->kernel[i] - 1) - 1;
        if (rest < 0 || w->size[i] < 1) return 0;
        w->count[i] = (ceil_mode ? (rest + w->stride[i] - 1) / w->stride[i] : rest / w->stride[i]);
        w->count[i] += 1;
        if (ceil_mode && (w->count[i] - 1) * w->stride[i] >= w->size[i] + w->begin[i]) {
            w->count[i]--;
        }
    }
    return 1;
}

static struct oracle_tensor* windows_output(const struct oracle_node* n,
                                            const struct oracle_tensor* x, int64_t channels,
                                            const struct windows* w) {
    int64_t dims[MODEL_MAX_RANK] = {x->dims[0], channels};
    for (int i = 2; i < x->rank; i++) dims[i] = w->count[i - 2 + 4 - x->rank];
    return oracle_output(n, 0, x->rank, dims);
}

/* The pixel of a plane for a cell of a window, or -1 in the padding. */
static int64_t pixel_of(const struct windows* w, int64_t output, int64_t cell) {
    const int64_t at[2] = {output / w->count[1], output % w->count[1]};
    const int64_t part[2] = {cell / w->kernel[1], cell % w->kernel[1]};
    int64_t pixel[2];
    for (int i = 0; i < 2; i++) {
        pixel[i] = at[i] * w->stride[i] + part[i] * w->dilation[i] - w->begin[i];
        if (pixel[i] < 0 || pixel[i] >= w->size[i]) return -1;
    }
    return pixel[0] * w->size[1] + pixel[1];
}

/* --- Conv. */

static enum oracle_verdict run_conv(const struct oracle_node* n) {
    const struct oracle_tensor *x = oracle_input(n, 0), *weights = oracle_input(n, 1);
    const struct oracle_tensor* bias = oracle_input(n, 2);
    const int64_t groups = model_int(n->node, "group", 1);
    struct windows w;
    if (x == NULL || weights == NULL || weights->rank != x->rank || groups < 1 ||
        x->dims[1] != weights->dims[1] * groups || weights->dims[0] % groups != 0 ||
        (bias == NULL && model_input(n->node, 2) != MODEL_NO_VALUE) ||
        (bias != NULL && (bias->rank != 1 || bias->dims[0] != weights->dims[0])) ||
        !read_windows(n, x, weights->dims + 2, 0, &w)) {
        return ORACLE_REFUSED;
    }
    const int64_t rows = weights->dims[0], group_in = weights->dims[1], group_out = rows / groups;
    const int64_t cells = w.kernel[0] * w.kernel[1], plane = w.size[0] * w.size[1];
    const int64_t out_plane = w.count[0] * w.count[1];
    struct oracle_tensor* y = windows_output(n, x, rows, &w);
    if (y == NULL) return ORACLE_REFUSED;
    for (int64_t i = 0; i < y->count; i++) {
        const int64_t row = i / out_plane % rows, image = i / out_plane / rows;
        struct sum sum = {0};
        for (int64_t c = 0; c < group_in; c++) {
            const int64_t channel = image * x->dims[1] + row / group_out * group_in + c;
            for (int64_t cell = 0; cell < cells; cell++) {
                const int64_t pixel = pixel_of(&w, i % out_plane, cell);
                if (pixel < 0) continue;
                const int64_t at = channel * plane + pixel;
                const double weight = weights->values[(row * group_in + c) * cells + cell];
                add_term(&sum, weight, x->values[at], x->bounds[at]);
            }
        }
        if (bias != NULL) add_term(&sum, 1, bias->values[row], 0);
        store(y, i, &sum, 1);
    }
    return ORACLE_COMPUTED;
}

/* --- Matrix products. */

static enum oracle_verdict run_product(const struct oracle_node* n, int transposed, double alpha,
                                       double beta) {
    const struct oracle_tensor *x = oracle_input(n, 0), *weights = oracle_input(n, 1);
    const struct oracle_tensor* bias = oracle_input(n, 2);
    if (x == NULL || weights == NULL || x->rank != 2 || weights->rank != 2) return ORACLE_REFUSED;
    const int64_t rows = weights->dims[transposed ? 0 : 1];
    const int64_t columns = weights->dims[transposed ? 1 : 0];
    if (x->dims[1] != columns || (bias != NULL && (bias->rank != 1 || bias->dims[0] != rows)) ||
        (bias == NULL && model_input(n->node, 2) != MODEL_NO_VALUE)) {
        return ORACLE_REFUSED;
    }
    struct oracle_tensor* y = oracle_output(n, 0, 2, (const int64_t[]){x->dims[0], rows});
    if (y == NULL) return ORACLE_REFUSED;
    for (int64_t i = 0; i < y->count; i++) {
        struct sum sum = {0};
        for (int64_t k = 0; k < columns; k++) {
            const int64_t at = i / rows * columns + k;
            const int64_t weight = transposed ? i % rows * columns + k : k * rows + i % rows;
            add_term(&sum, alpha * weights->values[weight], x->values[at], x->bounds[at]);
        }
        if (bias != NULL) add_term(&sum, beta, bias->values[i % rows], 0);
        store(y, i, &sum, 1);
    }
    return ORACLE_COMPUTED;
}

static enum oracle_verdict run_gemm(const struct oracle_node* n) {
    if (model_int(n->node, "transA", 0) != 0) return ORACLE_UNKNOWN;
    return run_product(n, model_int(n->node, "transB", 0) != 0, model_float(n->node, "alpha", 1.0f),
                       model_float(n->node, "beta", 1.0f));
}

static enum oracle_verdict run_matmul(const struct oracle_node* n) {
    return run_product(n, 0, 1, 1);
}

/* --- SparseConv1x1, of float32 values and int32 indices, without activation. */

static enum oracle_verdict run_sparse(const struct oracle_node* n) {
    const struct oracle_tensor* x = oracle_input(n, SPARSE_CONV_X);
    const struct oracle_tensor* values = oracle_input(n, SPARSE_CONV_VALUES);
    const struct oracle_tensor* bias = oracle_input(n, SPARSE_CONV_BIAS);
    const int indices = model_input(n->node, SPARSE_CONV_INDICES);
    const int indptr = model_input(n->node, SPARSE_CONV_INDPTR);
    if (x == NULL || values == NULL || indices == MODEL_NO_VALUE || indptr == MODEL_NO_VALUE ||
        x->rank < 2 || x->dims[1] != model_int(n->node, "in_channels", 0)) {
        return ORACLE_REFUSED;
    }
    const int64_t height = model_int(n->node, "block_rows", 1);
    const struct tensor* starts = &n->model->values[indptr].constant;
    const int32_t* start = starts->data;
    const int32_t* channel = n->model->values[indices].constant.data;
    const int64_t rows = (starts->dims[0] - 1) * height;
    int64_t dims[MODEL_MAX_RANK], plane = 1;
    memcpy(dims, x->dims, sizeof dims);
    dims[1] = rows;
    for (int i = 2; i < x->rank; i++) plane *= x->dims[i];
    struct oracle_tensor* y = oracle_output(n, 0, x->rank, dims);
    if (y == NULL) return ORACLE_REFUSED;
    for (int64_t i = 0; i < y->count; i++) {
        const int64_t row = i / plane % rows, image = i / plane / rows;
        struct sum sum = {0};
        for (int32_t b = start[row / height]; b < start[row / height + 1]; b++) {
            const int64_t at = (image * x->dims[1] + channel[b]) * plane + i % plane;
            add_term(&sum, values->values[b * height + row % height], x->values[at], x->bounds[at]);
        }
        if (bias != NULL) add_term(&sum, 1, bias->values[row], 0);
        store(y, i, &sum, 1);
    }
    return ORACLE_COMPUTED;
}

/* --- Pools. */

/* Cells of a window that are not beyond the padding. */
static int64_t cells_in_padding(const struct windows* w, int64_t output) {
    const int64_t at[2] = {output / w->count[1], output % w->count[1]};
    int64_t cells = 1;
    for (int i = 0; i < 2; i++) {
        int64_t inside = 0;
        for (int64_t k = 0; k < w->kernel[i]; k++) {
            inside +=
                at[i] * w->stride[i] + k * w->dilation[i] < w->size[i] + w->begin[i] + w->end[i];
        }
        cells *= inside;
    }
    return cells;
}

static enum oracle_verdict run_pool(const struct oracle_node* n) {
    const int average = model_is(n->node, "AveragePool");
    const int include_pad = model_int(n->node, "count_include_pad", 0) != 0;
    const struct oracle_tensor* x = oracle_input(n, 0);
    struct windows w;
    if (x == NULL || model_attribute(n->node, "kernel_shape") == NULL ||
        !read_windows(n, x, NULL, model_int(n->node, "ceil_mode", 0) != 0, &w)) {
        return ORACLE_REFUSED;
    }
    for (int i = 0; i < 2; i++) {
        if (w.begin[i] >= w.kernel[i] || w.end[i] >= w.kernel[i]) return ORACLE_REFUSED;
    }
    struct oracle_tensor* y = windows_output(n, x, x->dims[1], &w);
    if (y == NULL) return ORACLE_REFUSED;
    const int64_t plane = w.size[0] * w.size[1], out_plane = w.count[0] * w.count[1];
    for (int64_t i = 0; i < y->count; i++) {
        struct sum sum = {0};
        double most = -FLT_MAX, bound = 0;
        for (int64_t cell = 0; cell < w.kernel[0] * w.kernel[1]; cell++) {
            const int64_t pixel = pixel_of(&w, i % out_plane, cell);
            if (pixel < 0) continue;
            const int64_t at = i / out_plane * plane + pixel;
            add_term(&sum, 1, x->values[at], x->bounds[at]);
            most = fmax(most, x->values[at]);
            bound = fmax(bound, x->bounds[at]);
        }
        if (average) {
            const int64_t count = include_pad ? cells_in_padding(&w, i % out_plane) : sum.terms;
            store(y, i, &sum, 1 / (double)(count > 0 ? count : 1));
        } else {
            y->values[i] = most;
            y->bounds[i] = bound;
        }
    }
    return ORACLE_COMPUTED;
}

/* Global pools, and reductions of all spatial axes; regions leave other axes, so do we. */
static enum oracle_verdict run_global(const struct oracle_node* n) {
    const char* op = n->node->op_type;
    const int is_reduction = op[0] == 'R', is_maximum = strstr(op, "Max") != NULL;
    const int keep = !is_reduction || model_int(n->node, "keepdims", 1) != 0;
    const struct oracle_tensor* x = oracle_input(n, 0);
    int64_t axes[16], dims[MODEL_MAX_RANK] = {0}, plane = 1;
    if (x == NULL || x->rank < 3) return ORACLE_REFUSED;
    if (is_reduction) {
        int seen = 0;
        const int count = oracle_ints(n, "axes", 1, axes);
        for (int i = 0; i < count; i++) {
            const int axis = oracle_axis(axes[i], x->rank);
            if (axis < 0) return ORACLE_REFUSED;
            seen |= 1 << axis;
        }
        if (seen != (1 << x->rank) - 4) return ORACLE_UNKNOWN;
    }
    for (int i = 0; i < x->rank; i++) {
        dims[i] = i < 2 ? x->dims[i] : 1;
        if (i >= 2) plane *= x->dims[i];
    }
    struct oracle_tensor* y = oracle_output(n, 0, keep ? x->rank : 2, dims);
    if (y == NULL || (plane == 0 && y->count > 0)) return ORACLE_REFUSED;
    for (int64_t i = 0; i < y->count; i++) {
        struct sum sum = {0};
        double most = -INFINITY, bound = 0;
        for (int64_t k = i * plane; k < (i + 1) * plane; k++) {
            add_term(&sum, 1, x->values[k], x->bounds[k]);
            most = fmax(most, x->values[k]);
            bound = fmax(bound, x->bounds[k]);
        }
        store(y, i, &sum, strstr(op, "Sum") != NULL ? 1 : 1 / (double)plane);
        if (is_maximum) {
            y->values[i] = most;
            y->bounds[i] = bound;
        }
    }
    return ORACLE_COMPUTED;
}

/* --- Softmax over the last axis. */

static enum oracle_verdict run_softmax(const struct oracle_node* n) {
    const struct oracle_tensor* x = oracle_input(n, 0);
    const int is_log = model_is(n->node, "LogSoftmax");
    if (x == NULL || x->rank < 1) return ORACLE_REFUSED;
    const int axis =
        oracle_axis(model_int(n->node, "axis", n->node->since_version < 13 ? 1 : -1), x->rank);
    if (axis < 0) return ORACLE_REFUSED;
    if (axis != x->rank - 1) return ORACLE_UNKNOWN;
    struct oracle_tensor* y = oracle_output(n, 0, x->rank, x->dims);
    const int64_t size = x->dims[x->rank - 1];
    if (y == NULL) return ORACLE_REFUSED;
    for (int64_t i = 0; i < y->count; i++) {
        const int64_t row = i / size * size;
        double most = -INFINITY, sum = 0, bound = 0;
        for (int64_t k = row; k < row + size; k++) most = fmax(most, x->values[k]);
        for (int64_t k = row; k < row + size; k++) {
            sum += exp(x->values[k] - most);
            bound = fmax(bound, x->bounds[k]);
        }
        const double logarithm = x->values[i] - most - log(sum);
        const double off = 2 * bound + oracle_rounded(x->values[i], 8) + oracle_rounded(most, 8) +
                           (double)(size + 20) * oracle_rounding + oracle_rounded(log(sum), 8);
        y->values[i] = is_log ? logarithm : exp(logarithm);
        y->bounds[i] = is_log ? off : exp(logarithm) * expm1(off) + 1e-37;
    }
    return ORACLE_COMPUTED;
}

oracle_rule oracle_layers(const struct model_node* node) {
    static const struct {
        const char* op_type;
        oracle_rule rule;
    } rules[] = {
        {"Conv", run_conv},
        {"Gemm", run_gemm},
        {"MatMul", run_matmul},
        {"MaxPool", run_pool},
        {"AveragePool", run_pool},
        {"GlobalAveragePool", run_global},
        {"GlobalMaxPool", run_global},
        {"ReduceMean", run_global},
        {"ReduceMax", run_global},
        {"ReduceSum", run_global},
        {"Softmax", run_softmax},
        {"LogSoftmax", run_softmax},
    };
    if (strcmp(node->domain, "ort_sparse") == 0) return run_sparse;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (model_is(node, rules[i].op_type)) return rules[i].rule;
    }
    return NULL;
}
