/* The oracle of what moves numbers without computing. */
#include <math.h>
#include <string.h>

#include "graph_oracle.h"

/* The same numbers in the same order. */
static enum oracle_verdict rename_to(const struct oracle_node* n, const struct oracle_tensor* x,
                                     int rank, const int64_t* dims) {
    struct oracle_tensor* y = oracle_output(n, 0, rank, dims);
    if (y == NULL || y->count != x->count) return ORACLE_REFUSED;
    memcpy(y->values, x->values, (size_t)x->count * sizeof *x->values);
    memcpy(y->bounds, x->bounds, (size_t)x->count * sizeof *x->bounds);
    return ORACLE_COMPUTED;
}

static enum oracle_verdict run_reshape(const struct oracle_node* n) {
    int64_t sizes[16], others = 1;
    const struct oracle_tensor* x = oracle_input(n, 0);
    const int count = oracle_ints(n, "shape", 1, sizes);
    int rest = -1;
    if (x == NULL || count < 0 || count > MODEL_MAX_RANK) return ORACLE_REFUSED;
    for (int i = 0; i < count; i++) {
        if (sizes[i] == 0 && i >= x->rank) return ORACLE_REFUSED;
        if (sizes[i] == 0) sizes[i] = x->dims[i];
        if (sizes[i] < -1 || sizes[i] > 1 << 20 || others > 1 << 20) return ORACLE_REFUSED;
        if (sizes[i] == -1) {
            if (rest >= 0) return ORACLE_REFUSED;
            rest = i;
        } else {
            others *= sizes[i];
        }
    }
    if (rest >= 0) {
        if (others == 0 || x->count % others != 0) return ORACLE_REFUSED;
        sizes[rest] = x->count / others;
    }
    return rename_to(n, x, count, sizes);
}

static enum oracle_verdict run_flatten(const struct oracle_node* n) {
    const struct oracle_tensor* x = oracle_input(n, 0);
    int64_t dims[2] = {1, 1}, axis = model_int(n->node, "axis", 1);
    if (x == NULL || axis < -x->rank || axis > x->rank) return ORACLE_REFUSED;
    if (axis < 0) axis += x->rank;
    for (int i = 0; i < x->rank; i++) dims[i < axis ? 0 : 1] *= x->dims[i];
    return rename_to(n, x, 2, dims);
}

static enum oracle_verdict run_squeeze(const struct oracle_node* n) {
    const struct oracle_tensor* x = oracle_input(n, 0);
    const int adds = model_is(n->node, "Unsqueeze");
    int64_t axes[16], dims[16];
    const int count = oracle_ints(n, "axes", 1, axes);
    if (x == NULL || count < 0) return ORACLE_REFUSED;
    const int rank = adds ? x->rank + count : x->rank; /* which axes count in */
    int listed = 0, next = 0, out = 0;
    if (rank > MODEL_MAX_RANK) return ORACLE_REFUSED;
    for (int i = 0; i < count; i++) {
        const int axis = oracle_axis(axes[i], rank);
        if (axis < 0 || (listed >> axis & 1)) return ORACLE_REFUSED;
        listed |= 1 << axis;
    }
    for (int i = 0; i < rank; i++) {
        if (adds) {
            dims[out++] = listed >> i & 1 ? 1 : x->dims[next++];
        } else if (!(listed >> i & 1)) {
            dims[out++] = x->dims[i];
        } else if (x->dims[i] != 1) {
            return ORACLE_REFUSED;
        }
    }
    return rename_to(n, x, out, dims);
}

/* Element `i` of y comes from x, `from` numbers of an axis further. Copies all elements of y that
 * have one in x, whose axes are the given ones of y. */
static void gather(const struct oracle_tensor* x, struct oracle_tensor* y, const int* axis_of,
                   const int64_t* from) {
    for (int64_t i = 0; i < y->count; i++) {
        int64_t rest = i, at[MODEL_MAX_RANK], index = 0, inside = 1;
        for (int k = y->rank - 1; k >= 0; k--) {
            at[axis_of[k]] = rest % y->dims[k] + from[k];
            rest /= y->dims[k];
        }
        for (int k = 0; k < x->rank; k++) {
            inside &= at[k] >= 0 && at[k] < x->dims[k];
            index = index * x->dims[k] + at[k];
        }
        if (!inside) continue;
        y->values[i] = x->values[index];
        y->bounds[i] = x->bounds[index];
    }
}

static const int same_axes[MODEL_MAX_RANK] = {0, 1, 2, 3, 4};

static enum oracle_verdict run_transpose(const struct oracle_node* n) {
    const struct oracle_tensor* x = oracle_input(n, 0);
    static const int64_t from[MODEL_MAX_RANK];
    int64_t perm[16], dims[MODEL_MAX_RANK];
    int axes[MODEL_MAX_RANK], seen = 0;
    const int count = oracle_ints(n, "perm", 1 << 20, perm);
    if (x == NULL || (count != -1 && count != x->rank)) return ORACLE_REFUSED;
    for (int i = 0; i < x->rank; i++) {
        axes[i] = count == -1 ? x->rank - 1 - i : oracle_axis(perm[i], x->rank);
        if (axes[i] < 0 || (seen >> axes[i] & 1)) return ORACLE_REFUSED;
        seen |= 1 << axes[i];
        dims[i] = x->dims[axes[i]];
    }
    struct oracle_tensor* y = oracle_output(n, 0, x->rank, dims);
    if (y == NULL) return ORACLE_REFUSED;
    gather(x, y, axes, from);
    return ORACLE_COMPUTED;
}

/* Takes [first, end) of an axis as an output of the node. */
static int take(const struct oracle_node* n, const struct oracle_tensor* x, int output, int axis,
                int64_t first, int64_t end) {
    int64_t dims[MODEL_MAX_RANK], from[MODEL_MAX_RANK] = {0};
    memcpy(dims, x->dims, sizeof dims);
    dims[axis] = end > first ? end - first : 0;
    from[axis] = first;
    struct oracle_tensor* y = oracle_output(n, output, x->rank, dims);
    if (y != NULL) gather(x, y, same_axes, from);
    return y != NULL;
}

static int64_t slice_bound(int64_t bound, int64_t size) {
    if (bound < 0) bound += size;
    return bound < 0 ? 0 : bound > size ? size : bound;
}

static enum oracle_verdict run_slice(const struct oracle_node* n) {
    const struct oracle_tensor* x = oracle_input(n, 0);
    int64_t starts[16], ends[16], axes[16], steps[16];
    if (x == NULL || oracle_ints(n, "starts", 1, starts) != 1 ||
        oracle_ints(n, "ends", 2, ends) != 1 || oracle_ints(n, "axes", 3, axes) != 1) {
        return ORACLE_REFUSED;
    }
    const int axis = oracle_axis(axes[0], x->rank);
    const int step_count = oracle_ints(n, "steps", 4, steps);
    if (axis < 0 || (step_count != -1 && (step_count != 1 || steps[0] != 1))) {
        return ORACLE_REFUSED;
    }
    const int64_t first =
        slice_bound(starts[0] < -(1 << 20) ? -(1 << 20) : starts[0], x->dims[axis]);
    const int64_t end = slice_bound(ends[0] < -(1 << 20) ? -(1 << 20) : ends[0], x->dims[axis]);
    return take(n, x, 0, axis, first, end) ? ORACLE_COMPUTED : ORACLE_REFUSED;
}

static enum oracle_verdict run_split(const struct oracle_node* n) {
    const struct oracle_tensor* x = oracle_input(n, 0);
    int64_t sizes[16], total = 0, first = 0;
    const int outputs = n->node->output_count;
    if (x == NULL || outputs < 1 || outputs > 16) return ORACLE_REFUSED;
    const int axis = oracle_axis(model_int(n->node, "axis", 0), x->rank);
    const int count = oracle_ints(n, "split", 1, sizes);
    if (axis < 0 || (count != -1 && count != outputs)) return ORACLE_REFUSED;
    for (int i = 0; i < outputs; i++) {
        if (count == -1) {
            if (x->dims[axis] % outputs != 0) return ORACLE_REFUSED;
            sizes[i] = x->dims[axis] / outputs;
        }
        if (sizes[i] < 0 || sizes[i] > x->dims[axis]) return ORACLE_REFUSED;
        total += sizes[i];
    }
    if (total != x->dims[axis]) return ORACLE_REFUSED;
    for (int i = 0; i < outputs; first += sizes[i++]) {
        if (n->node->outputs[i] == MODEL_NO_VALUE) continue;
        if (!take(n, x, i, axis, first, first + sizes[i])) return ORACLE_REFUSED;
    }
    return ORACLE_COMPUTED;
}

static enum oracle_verdict run_concat(const struct oracle_node* n) {
    const struct oracle_tensor* first = oracle_input(n, 0);
    if (first == NULL) return ORACLE_REFUSED;
    const int axis = oracle_axis(model_int(n->node, "axis", 1 << 20), first->rank);
    if (axis < 0) return ORACLE_REFUSED;
    int64_t dims[MODEL_MAX_RANK], from[MODEL_MAX_RANK] = {0};
    memcpy(dims, first->dims, sizeof dims);
    dims[axis] = 0;
    for (int i = 0; i < n->node->input_count; i++) {
        const struct oracle_tensor* x = oracle_input(n, i);
        if (x == NULL || x->rank != first->rank) return ORACLE_REFUSED;
        for (int k = 0; k < x->rank; k++) {
            if (k != axis && x->dims[k] != first->dims[k]) return ORACLE_REFUSED;
        }
        dims[axis] += x->dims[axis];
    }
    struct oracle_tensor* y = oracle_output(n, 0, first->rank, dims);
    if (y == NULL) return ORACLE_REFUSED;
    for (int i = 0; i < n->node->input_count; i++) {
        const struct oracle_tensor* x = oracle_input(n, i);
        gather(x, y, same_axes, from);
        from[axis] -= x->dims[axis];
    }
    return ORACLE_COMPUTED;
}

static enum oracle_verdict run_pad(const struct oracle_node* n) {
    const struct oracle_tensor* x = oracle_input(n, 0);
    const struct oracle_tensor* value = oracle_input(n, 2);
    int64_t pads[16], dims[MODEL_MAX_RANK], from[MODEL_MAX_RANK];
    const int count = oracle_ints(n, "pads", 1, pads);
    if (x == NULL || count != 2 * x->rank || (value != NULL && value->count != 1) ||
        strcmp(model_string(n->node, "mode", "constant"), "constant") != 0) {
        return ORACLE_REFUSED;
    }
    for (int i = 0; i < x->rank; i++) {
        if (pads[i] < 0 || pads[x->rank + i] < 0 || pads[i] > 1000 || pads[x->rank + i] > 1000) {
            return ORACLE_REFUSED;
        }
        dims[i] = x->dims[i] + pads[i] + pads[x->rank + i];
        from[i] = -pads[i];
    }
    struct oracle_tensor* y = oracle_output(n, 0, x->rank, dims);
    if (y == NULL) return ORACLE_REFUSED;
    const double number = value != NULL ? value->values[0] : model_float(n->node, "value", 0);
    for (int64_t i = 0; i < y->count; i++) y->values[i] = number;
    gather(x, y, same_axes, from);
    return ORACLE_COMPUTED;
}

oracle_rule oracle_shapes(const struct model_node* node) {
    static const struct {
        const char* op_type;
        oracle_rule rule;
    } rules[] = {
        {"Reshape", run_reshape}, {"Flatten", run_flatten},     {"Squeeze", run_squeeze},
        {"Slice", run_slice},     {"Transpose", run_transpose}, {"Unsqueeze", run_squeeze},
        {"Split", run_split},     {"Concat", run_concat},       {"Pad", run_pad},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (model_is(node, rules[i].op_type)) return rules[i].rule;
    }
    return NULL;
}
