/* Reading layers with weights: convolutions and matrix products. */
#include <limits.h>
#include <stdlib.h>

#include "base/arithmetic.h"
#include "base/memory.h"
#include "op/sparse_conv.h"
#include "region/matrix.h"
#include "region/read.h"

/* A bias with a number for each row, or none. It is scaled, and one number stands for all. */
static int read_bias(struct region_reader* r, int index, int64_t rows, float scale, float** bias) {
    *bias = NULL;
    if (region_model_input(r, index) == NULL) return 1;
    float* read;
    int64_t count;
    if (!region_read_floats(r, index, -1, &read, &count)) return 0;
    const struct tensor* tensor = &region_model_input(r, index)->constant;
    const int is_row = tensor->rank == 0 || count == tensor->dims[tensor->rank - 1];
    if (!is_row || (count != rows && count != 1)) {
        memory_release(read);
        return status_fail(r->why, STATUS_INVALID,
                           "the bias must have a number for each of %lld output channels, but has "
                           "%lld",
                           LL(rows), LL(count));
    }
    float* numbers = memory_allocate(rows, sizeof *numbers);
    for (int64_t i = 0; numbers != NULL && i < rows; i++) {
        numbers[i] = scale * read[count == 1 ? 0 : i];
    }
    memory_release(read);
    *bias = numbers;
    return numbers != NULL || region_no_memory(r);
}

/* Adds a pointwise operator with these weights; takes the bias. */
static int add_pointwise(struct region_reader* r, int x, const struct region_dense* dense,
                         float* bias, const int64_t stride[2]) {
    if (dense->rows < 1 || dense->group_columns < 1 || dense->rows > INT_MAX / 4 ||
        dense->group_columns * dense->groups > SPARSE_CONV_MAX_IN_CHANNELS ||
        dense->rows > INT_MAX / dense->group_columns) {
        memory_release(bias);
        return status_fail(r->why, STATUS_INVALID, "weights of %lld x %lld are none or too many",
                           LL(dense->rows), LL(dense->group_columns));
    }
    struct region_op* op = region_begin_op(r, REGION_POINTWISE, &x, 1);
    if (op == NULL) {
        memory_release(bias);
        return 0;
    }
    struct region_pointwise* layer = &op->is.pointwise;
    layer->epilogue.bias = bias;
    for (int i = 0; i < SPMM_AXES; i++) layer->stride[i] = i == 0 ? 1 : stride[i - 1];
    if (!region_matrix_create(&layer->matrix, dense)) return region_no_memory(r);
    return region_end_op(r, 0);
}

/* --- Conv. */

/* Adds a convolution with these weights; takes them and the bias. */
static int add_conv(struct region_reader* r, int x, const struct conv_geometry* geometry,
                    float* weights, float* bias) {
    struct region_op* op = region_begin_op(r, REGION_CONV, &x, 1);
    if (op == NULL) {
        memory_release(weights);
        memory_release(bias);
        return 0;
    }
    op->is.conv =
        (struct region_conv){.geometry = *geometry, .weights = weights, .epilogue = {.bias = bias}};
    return region_end_op(r, 0);
}

static struct conv_geometry conv_geometry_of(const struct region_windows* w, int64_t in_channels,
                                             int64_t out_channels, int64_t groups) {
    struct conv_geometry g = {
        .in_channels = in_channels, .out_channels = out_channels, .groups = groups};
    for (int i = 0; i < CONV_AXES; i++) {
        g.kernel[i] = w->kernel[i];
        g.stride[i] = w->stride[i];
        g.dilation[i] = w->dilation[i];
        g.pad_begin[i] = w->pad_begin[i];
        g.pad_end[i] = w->pad_end[i];
    }
    return g;
}

static int is_pointwise(const struct region_windows* w) {
    return w->kernel[0] * w->kernel[1] == 1 && w->pad_begin[0] + w->pad_begin[1] == 0 &&
           w->pad_end[0] + w->pad_end[1] == 0;
}

/* Checks the sizes of the weights; gives the input channels of a group. */
static int check_conv(struct region_reader* r, int x, const struct tensor* weights,
                      int64_t groups) {
    const struct region_shape* shape = &r->graph->values[x].shape;
    if ((int)weights->rank != shape->rank) {
        return status_fail(r->why, STATUS_INVALID, "the weights must have rank %d like X, not %zu",
                           shape->rank, weights->rank);
    }
    const int64_t rows = weights->dims[0], columns = weights->dims[1];
    if (rows < 1 || columns < 1 || rows > INT_MAX || columns > SPARSE_CONV_MAX_IN_CHANNELS ||
        groups < 1 || rows % groups != 0 || groups > SPARSE_CONV_MAX_IN_CHANNELS / columns) {
        return status_fail(r->why, STATUS_INVALID,
                           "weights of %lld x %lld channels do not fit %lld groups", LL(rows),
                           LL(columns), LL(groups));
    }
    if (shape->dims[1] >= 0 && shape->dims[1] != columns * groups) {
        return status_fail(r->why, STATUS_INVALID, "X must have %lld channels, but has %lld",
                           LL(columns * groups), LL(shape->dims[1]));
    }
    return 1;
}

static int read_conv(struct region_reader* r) {
    int x;
    struct region_windows w;
    float *weights, *bias;
    int64_t count;
    const int64_t groups = model_int(r->node, "group", 1);
    const struct model_value* value = region_model_input(r, 1);
    if (!region_read_input(r, 0, 3, 4, &x)) return 0;
    if (value == NULL || !value->constant.given) {
        return status_fail(r->why, STATUS_INVALID,
                           "the weights must be constant, but are computed");
    }
    const struct tensor* tensor = &value->constant;
    if (!check_conv(r, x, tensor, groups) || !region_read_windows(r, x, tensor->dims + 2, &w)) {
        return 0;
    }
    const int64_t rows = tensor->dims[0], columns = tensor->dims[1];
    const int64_t cells = w.kernel[0] * w.kernel[1];
    if (!is_pointwise(&w) && (columns > CONV_MAX_TAPS || cells > CONV_MAX_TAPS / columns)) {
        return status_fail(r->why, STATUS_INVALID,
                           "a kernel of %lld x %lld cells in each of %lld input channels stays "
                           "ONNX Runtime's: regions have convolutions of at most %d weights a "
                           "pixel",
                           LL(w.kernel[0]), LL(w.kernel[1]), LL(columns), CONV_MAX_TAPS);
    }
    const struct conv_geometry g = conv_geometry_of(&w, columns * groups, rows, groups);
    if (!is_pointwise(&w) && !conv_geometry_fits(&g)) {
        return status_fail(
            r->why, STATUS_INVALID,
            "a kernel that spans so much of %lld input channels stays ONNX Runtime's", LL(columns));
    }
    if (!region_read_floats(r, 1, -1, &weights, &count)) return 0;
    if (!read_bias(r, 2, rows, 1.0f, &bias)) {
        memory_release(weights);
        return 0;
    }
    if (!is_pointwise(&w) || (groups > 1 && columns == 1)) {
        return add_conv(r, x, &g, weights, bias);
    }
    const struct region_dense dense = {weights, rows, columns, groups, columns, 1};
    int added = add_pointwise(r, x, &dense, bias, w.stride);
    memory_release(weights);
    return added;
}

/* --- Matrix products: planes of one pixel. */

static int read_product(struct region_reader* r, int transposed, float alpha, float beta) {
    static const int64_t stride[2] = {1, 1};
    int x;
    float *weights, *bias;
    int64_t count;
    if (!region_read_input(r, 0, 2, 2, &x) || !region_read_floats(r, 1, 2, &weights, &count)) {
        return 0;
    }
    const int64_t* dims = region_model_input(r, 1)->constant.dims;
    const int64_t rows = transposed ? dims[0] : dims[1], columns = transposed ? dims[1] : dims[0];
    const struct region_dense dense = {
        weights, rows, columns, 1, transposed ? columns : 1, transposed ? 1 : rows};
    for (int64_t i = 0; i < count && alpha != 1.0f; i++) weights[i] *= alpha;
    int added = read_bias(r, 2, rows, beta, &bias) && add_pointwise(r, x, &dense, bias, stride);
    memory_release(weights);
    return added;
}

static int read_gemm(struct region_reader* r) {
    if (model_int(r->node, "transA", 0) != 0) {
        return status_fail(r->why, STATUS_INVALID, "transA must be 0");
    }
    return read_product(r, model_int(r->node, "transB", 0) != 0,
                        model_float(r->node, "alpha", 1.0f), model_float(r->node, "beta", 1.0f));
}

static int read_matmul(struct region_reader* r) { return read_product(r, 0, 1.0f, 1.0f); }

/* --- SparseConv1x1. */

/* An attribute must have its type, as the custom op demands; absent, it keeps its default. */
static int has_type(struct region_reader* r, const char* name, enum model_attribute_type type) {
    const struct model_attribute* found = model_attribute(r->node, name);
    return found == NULL || (found->type == type) ||
           status_fail(r->why, STATUS_INVALID, "%s: must be an attribute of another type", name);
}

static int read_sparse_attributes(struct region_reader* r, struct sparse_conv* op) {
    const struct model_node* node = r->node;
    const struct model_attribute* strides = model_attribute(node, "strides");
    sparse_conv_set_defaults(op);
    if (!has_type(r, "in_channels", MODEL_ATTRIBUTE_INTS) ||
        !has_type(r, "block_rows", MODEL_ATTRIBUTE_INTS) ||
        !has_type(r, "strides", MODEL_ATTRIBUTE_INTS) ||
        !has_type(r, "activation", MODEL_ATTRIBUTE_STRING) ||
        !has_type(r, "activation_min", MODEL_ATTRIBUTE_FLOATS) ||
        !has_type(r, "activation_max", MODEL_ATTRIBUTE_FLOATS) ||
        !has_type(r, "activation_alpha", MODEL_ATTRIBUTE_FLOATS)) {
        return 0;
    }
    op->in_channels = model_int(node, "in_channels", op->in_channels);
    op->block_rows = model_int(node, "block_rows", op->block_rows);
    op->minimum = model_float(node, "activation_min", op->minimum);
    op->maximum = model_float(node, "activation_max", op->maximum);
    op->alpha = model_float(node, "activation_alpha", op->alpha);
    if (strides != NULL && strides->count > 0 &&
        !sparse_conv_set_strides(&op->strides, strides->ints, (size_t)strides->count, r->why)) {
        return 0;
    }
    return activation_from_name(model_string(node, "activation", activation_name(op->activation)),
                                &op->activation, r->why);
}

static int read_sparse_constants(struct region_reader* r, struct sparse_conv* op) {
    for (int i = 0; i < SPARSE_CONV_INPUT_COUNT; i++) {
        const struct model_value* value = region_model_input(r, i);
        if (!sparse_conv_inputs[i].constant || value == NULL) continue;
        if (!value->constant.given) {
            return status_fail(r->why, STATUS_INVALID, "%s must be constant, but is computed",
                               sparse_conv_inputs[i].name);
        }
        op->constants[i] = value->constant;
    }
    return 1;
}

static int read_sparse(struct region_reader* r) {
    struct sparse_conv op;
    struct sparse_conv_weights weights;
    int inputs[2], count = 1;
    if (!region_read_input(r, SPARSE_CONV_X, 2, REGION_MAX_RANK, &inputs[0]) ||
        !read_sparse_attributes(r, &op) || !read_sparse_constants(r, &op)) {
        return 0;
    }
    const int rank = r->graph->values[inputs[0]].shape.rank;
    if (op.strides.count != 0 && op.strides.count != (size_t)rank - 2) {
        return status_fail(r->why, STATUS_INVALID, "strides must be one for each spatial axis");
    }
    if (region_model_input(r, SPARSE_CONV_RESIDUAL) != NULL) {
        count = 2;
        if (!region_read_input(r, SPARSE_CONV_RESIDUAL, rank, rank, &inputs[1])) return 0;
    }
    if (!sparse_conv_read(&op, &weights, r->why)) return 0;
    struct region_op* added = region_begin_op(r, REGION_POINTWISE, inputs, 1);
    if (added == NULL) {
        sparse_conv_release(&weights);
        return 0;
    }
    struct region_pointwise* layer = &added->is.pointwise;
    layer->matrix = weights.matrix;
    layer->epilogue = weights.epilogue;
    for (int i = 0; i < SPMM_AXES; i++) {
        const int axis = i - (SPMM_AXES - (rank - 2));
        layer->stride[i] = axis < 0 ? 1 : sparse_conv_stride(&op.strides, (size_t)axis);
    }
    if (!region_end_op(r, 0)) return 0;
    if (count == 1) return 1;
    /* A residual whose shape is not known to be that of Y can only be checked in a run. */
    struct region_op* last = &r->graph->ops[r->graph->op_count - 1];
    last->inputs[1] = inputs[1];
    last->input_count = 2;
    return 1;
}

region_node_reader region_layer_reader(const struct model_node* node) {
    if (strcmp(node->domain, "ort_sparse") == 0 && strcmp(node->op_type, "SparseConv1x1") == 0) {
        return read_sparse;
    }
    if (model_is(node, "Conv")) return read_conv;
    if (model_is(node, "Gemm")) return read_gemm;
    if (model_is(node, "MatMul")) return read_matmul;
    return NULL;
}
