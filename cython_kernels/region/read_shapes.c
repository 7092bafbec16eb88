/* Reading what moves numbers without computing, and Softmax. */
#include <limits.h>
#include <stdlib.h>

#include "base/memory.h"
#include "region/read.h"

/* --- The same numbers in the same order. */

static int add_reshape(struct region_reader* r, const struct region_reshape* reshape) {
    int x;
    if (!region_read_input(r, 0, 0, REGION_MAX_RANK, &x)) return 0;
    struct region_op* op = region_begin_op(r, REGION_RESHAPE, &x, 1);
    if (op == NULL) return 0;
    op->is.reshape = *reshape;
    return region_end_op(r, 0);
}

static int read_identity(struct region_reader* r) {
    return add_reshape(r, &(struct region_reshape){.kind = REGION_RESHAPE_SQUEEZE});
}

static int read_dropout(struct region_reader* r) {
    if (model_output(r->node, 1) != MODEL_NO_VALUE || model_input(r->node, 2) != MODEL_NO_VALUE) {
        return status_fail(r->why, STATUS_INVALID, "it must be for inference, with one output");
    }
    return read_identity(r);
}

static int read_reshape(struct region_reader* r) {
    struct region_reshape reshape = {.kind = REGION_RESHAPE_TO};
    int rests = 0;
    if (!region_read_ints_of(r, "shape", 1, reshape.sizes, REGION_MAX_RANK, &reshape.count)) {
        return 0;
    }
    if (reshape.count < 0) return status_fail(r->why, STATUS_INVALID, "it must have a shape");
    for (int i = 0; i < reshape.count; i++) {
        const int64_t size = reshape.sizes[i];
        rests += size == -1;
        if (size < -1 || size > INT_MAX || rests > 1 ||
            (size == 0 && model_int(r->node, "allowzero", 0) != 0)) {
            return status_fail(r->why, STATUS_INVALID,
                               "the shape must have sizes above 0, 0 for an axis that stays, and "
                               "-1 at most once, but size %d is %lld",
                               i, LL(size));
        }
    }
    return add_reshape(r, &reshape);
}

static int read_flatten(struct region_reader* r) {
    struct region_reshape reshape = {.kind = REGION_RESHAPE_FLATTEN, .count = 1};
    const struct model_value* x = region_model_input(r, 0);
    int64_t axis = model_int(r->node, "axis", 1);
    int rank = x == NULL ? 0 : x->rank;
    if (axis < -rank || axis > rank) {
        return status_fail(r->why, STATUS_INVALID, "axis must lie in %d..%d, but is %lld", -rank,
                           rank, LL(axis));
    }
    reshape.sizes[0] = axis < 0 ? axis + rank : axis;
    return add_reshape(r, &reshape);
}

/* The axes, rising, out of `rank`. */
static int read_axes(struct region_reader* r, int rank, struct region_reshape* reshape) {
    int64_t axes[REGION_MAX_RANK];
    int count, seen = 0;
    if (!region_read_ints_of(r, "axes", 1, axes, REGION_MAX_RANK, &count)) return 0;
    if (count < 0) return status_fail(r->why, STATUS_INVALID, "axes must be given, but are not");
    if (reshape->kind == REGION_RESHAPE_UNSQUEEZE) rank += count;
    if (rank > REGION_MAX_RANK) {
        return status_fail(r->why, STATUS_INVALID, "regions have at most %d axes, not %d",
                           REGION_MAX_RANK, rank);
    }
    for (int i = 0; i < count; i++) {
        int axis;
        if (!region_read_axis(r, axes[i], rank, &axis)) return 0;
        if (seen >> axis & 1) return status_fail(r->why, STATUS_INVALID, "axes must differ");
        seen |= 1 << axis;
    }
    for (int axis = 0; axis < rank; axis++) {
        if (seen >> axis & 1) reshape->sizes[reshape->count++] = axis;
    }
    return 1;
}

static int read_squeeze_kind(struct region_reader* r, enum region_reshape_kind kind) {
    struct region_reshape reshape = {.kind = kind};
    const struct model_value* x = region_model_input(r, 0);
    if (x == NULL || x->rank < 0) {
        return status_fail(r->why, STATUS_INVALID, "input 0 must have a known rank");
    }
    return read_axes(r, x->rank, &reshape) && add_reshape(r, &reshape);
}

static int read_squeeze(struct region_reader* r) {
    return read_squeeze_kind(r, REGION_RESHAPE_SQUEEZE);
}

static int read_unsqueeze(struct region_reader* r) {
    return read_squeeze_kind(r, REGION_RESHAPE_UNSQUEEZE);
}

/* --- Other orders. */

static int read_transpose(struct region_reader* r) {
    const struct model_attribute* perm = model_attribute(r->node, "perm");
    int x, seen = 0;
    if (!region_read_input(r, 0, 1, REGION_MAX_RANK, &x)) return 0;
    const int rank = r->graph->values[x].shape.rank;
    if (perm != NULL && (perm->type != MODEL_ATTRIBUTE_INTS || perm->count != rank)) {
        return status_fail(r->why, STATUS_INVALID, "perm must have %d axes, but has not", rank);
    }
    struct region_op* op = region_begin_op(r, REGION_TRANSPOSE, &x, 1);
    if (op == NULL) return 0;
    for (int i = 0; i < rank; i++) {
        int64_t axis = perm != NULL ? perm->ints[i] : rank - 1 - i;
        if (axis < 0 || axis >= rank || (seen >> axis & 1)) {
            return status_fail(r->why, STATUS_INVALID, "perm must be an order of the axes");
        }
        seen |= 1 << axis;
        op->is.transpose[i] = (int)axis;
    }
    return region_end_op(r, 0);
}

/* Adds [first, end) of an axis of x as an output of the node. */
static int add_slice(struct region_reader* r, int x, int axis, int64_t first, int64_t end,
                     int output) {
    struct region_op* op = region_begin_op(r, REGION_SLICE, &x, 1);
    if (op == NULL) return 0;
    op->is.slice.axis = axis;
    op->is.slice.first = first;
    op->is.slice.end = end;
    return region_end_op(r, output);
}

/* A bound of Slice, which counts from the end if it is negative. */
static int64_t slice_bound(int64_t bound, int64_t size) {
    if (bound < 0) bound = bound < -size ? 0 : bound + size;
    return bound > size ? size : bound;
}

/* Regions slice channels, wherever they are. */
static int check_sliced_axis(struct region_reader* r, const struct region_shape* shape, int axis) {
    return ((axis == 1 || axis == shape->rank - 1) && shape->dims[axis] >= 0) ||
           status_fail(r->why, STATUS_INVALID,
                       "regions divide axis 1 or the last one, of known size, only");
}

static int read_slice(struct region_reader* r) {
    int64_t first, end, axis = 0, step = 1;
    int counts[4], x, sliced;
    if (!region_read_input(r, 0, 2, REGION_MAX_RANK, &x) ||
        !region_read_ints_of(r, "starts", 1, &first, 1, &counts[0]) ||
        !region_read_ints_of(r, "ends", 2, &end, 1, &counts[1]) ||
        !region_read_ints_of(r, "axes", 3, &axis, 1, &counts[2]) ||
        !region_read_ints(r, 4, &step, 1, &counts[3])) {
        return 0;
    }
    const struct region_shape* shape = &r->graph->values[x].shape;
    if (!region_read_axis(r, axis, shape->rank, &sliced) || !check_sliced_axis(r, shape, sliced)) {
        return 0;
    }
    if (counts[0] != 1 || counts[1] != 1 || step != 1) {
        return status_fail(r->why, STATUS_INVALID, "regions slice one axis only, in steps of 1");
    }
    first = slice_bound(first, shape->dims[sliced]);
    end = slice_bound(end, shape->dims[sliced]);
    return add_slice(r, x, sliced, first, end < first ? first : end, 0);
}

/* Sizes of the outputs of Split. */
static int read_split_sizes(struct region_reader* r, int64_t size, int64_t* sizes, int count) {
    int given;
    if (!region_read_ints_of(r, "split", 1, sizes, count, &given)) return 0;
    if (given < 0) {
        const int64_t each = (size + count - 1) / count;
        for (int i = 0; i < count; i++) {
            const int64_t left = size - i * each;
            sizes[i] = left < 0 ? 0 : left < each ? left : each;
        }
        given = count;
    }
    int64_t total = 0;
    for (int i = 0; i < given; i++) {
        if (sizes[i] < 0 || sizes[i] > size) given = -1;
        total += given < 0 ? 0 : sizes[i];
    }
    return (given == count && total == size) ||
           status_fail(r->why, STATUS_INVALID, "the sizes of %d outputs must add up to %lld", count,
                       LL(size));
}

static int read_split(struct region_reader* r) {
    int x, axis;
    const int count = r->node->output_count;
    if (!region_read_input(r, 0, 2, REGION_MAX_RANK, &x)) return 0;
    const struct region_shape shape = r->graph->values[x].shape;
    if (!region_read_axis(r, model_int(r->node, "axis", 0), shape.rank, &axis) ||
        !check_sliced_axis(r, &shape, axis)) {
        return 0;
    }
    int64_t* sizes = malloc((size_t)count * sizeof *sizes);
    if (sizes == NULL) return region_no_memory(r);
    int known = read_split_sizes(r, shape.dims[axis], sizes, count);
    int64_t first = 0;
    for (int i = 0; known && i < count; first += sizes[i++]) {
        if (model_output(r->node, i) == MODEL_NO_VALUE) continue;
        known = add_slice(r, x, axis, first, first + sizes[i], i);
    }
    free(sizes);
    return known;
}

static int read_concat(struct region_reader* r) {
    const int count = r->node->input_count;
    int axis, known = count >= 1;
    int* inputs = malloc((size_t)(count + 1) * sizeof *inputs);
    if (inputs == NULL) return region_no_memory(r);
    if (!known) status_fail(r->why, STATUS_INVALID, "it has no inputs");
    for (int i = 0; known && i < count; i++) {
        known = region_read_input(r, i, 2, REGION_MAX_RANK, &inputs[i]);
        if (known &&
            r->graph->values[inputs[i]].shape.rank != r->graph->values[inputs[0]].shape.rank) {
            known = status_fail(r->why, STATUS_INVALID, "inputs must have the same rank");
        }
    }
    if (known) {
        const int rank = r->graph->values[inputs[0]].shape.rank;
        known = region_read_axis(r, model_int(r->node, "axis", INT_MAX), rank, &axis) &&
                (axis == 1 || status_fail(r->why, STATUS_INVALID,
                                          "regions concatenate along axis 1 only, not %d", axis));
    }
    if (known) {
        known = region_begin_op(r, REGION_CONCAT, inputs, count) != NULL && region_end_op(r, 0);
    }
    free(inputs);
    return known;
}

/* --- Padding with a number. */

static int read_pad_value(struct region_reader* r, float* value) {
    float* number;
    int64_t count;
    *value = model_float(r->node, "value", 0.0f);
    if (region_model_input(r, 2) == NULL) return 1;
    if (!region_read_floats(r, 2, -1, &number, &count)) return 0;
    if (count == 1) *value = number[0];
    memory_release(number);
    return count == 1 || status_fail(r->why, STATUS_INVALID, "the value must be one number");
}

static int read_pad(struct region_reader* r) {
    int64_t pads[2 * REGION_MAX_RANK];
    int x, count;
    float value;
    if (strcmp(model_string(r->node, "mode", "constant"), "constant") != 0 ||
        region_model_input(r, 3) != NULL) {
        return status_fail(r->why, STATUS_INVALID, "mode must be constant, without axes");
    }
    if (!region_read_input(r, 0, 1, REGION_MAX_RANK, &x) || !read_pad_value(r, &value) ||
        !region_read_ints_of(r, "pads", 1, pads, 2 * REGION_MAX_RANK, &count)) {
        return 0;
    }
    const int rank = r->graph->values[x].shape.rank;
    if (count != 2 * rank) {
        return status_fail(r->why, STATUS_INVALID, "pads must have %d sizes, but has %d", 2 * rank,
                           count);
    }
    struct region_op* op = region_begin_op(r, REGION_PAD, &x, 1);
    if (op == NULL) return 0;
    op->is.pad.value = value;
    for (int i = 0; i < rank; i++) {
        if (pads[i] < 0 || pads[rank + i] < 0 || pads[i] > 1 << 20 || pads[rank + i] > 1 << 20) {
            return status_fail(r->why, STATUS_INVALID, "pads must lie in 0..2**20");
        }
        op->is.pad.before[i] = pads[i];
        op->is.pad.after[i] = pads[rank + i];
    }
    return region_end_op(r, 0);
}

/* --- Softmax, over the last axis. */

static int read_softmax(struct region_reader* r) {
    int x, axis;
    const int old = r->node->since_version < 13; /* axes from this one on count as one */
    if (!region_read_input(r, 0, 1, REGION_MAX_RANK, &x)) return 0;
    const struct region_shape* shape = &r->graph->values[x].shape;
    if (!region_read_axis(r, model_int(r->node, "axis", old ? 1 : -1), shape->rank, &axis)) {
        return 0;
    }
    if (axis != shape->rank - 1) {
        return status_fail(r->why, STATUS_INVALID, "regions know it for the last axis only");
    }
    struct region_op* op = region_begin_op(r, REGION_SOFTMAX, &x, 1);
    if (op == NULL) return 0;
    op->is.softmax = model_is(r->node, "LogSoftmax") ? LOG_SOFTMAX : SOFTMAX;
    return region_end_op(r, 0);
}

region_node_reader region_shape_reader(const struct model_node* node) {
    static const struct {
        const char* op_type;
        region_node_reader read;
    } readers[] = {
        {"Identity", read_identity},   {"Dropout", read_dropout}, {"Reshape", read_reshape},
        {"Flatten", read_flatten},     {"Squeeze", read_squeeze}, {"Unsqueeze", read_unsqueeze},
        {"Transpose", read_transpose}, {"Slice", read_slice},     {"Split", read_split},
        {"Concat", read_concat},       {"Pad", read_pad},         {"Softmax", read_softmax},
        {"LogSoftmax", read_softmax},
    };
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        if (model_is(node, readers[i].op_type)) return readers[i].read;
    }
    return NULL;
}
