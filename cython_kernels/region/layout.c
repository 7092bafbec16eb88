/* NHWC inside of a region: networks that were made for it turn planes into NHWC and back round what
 * they do to channels. Here that is done to the planes instead, and the turns cancel each other. */
#include "region/layout.h"

#include <stdlib.h>
#include <string.h>

#include "region/fuse.h"

/* What is known of a value. */
struct knowledge {
    int same;      /* the value that it is equal to: itself, or one before */
    int planes;    /* the value whose planes it has in NHWC, or -1 */
    int split;     /* the value in NHWC whose channels it has in groups, or -1 */
    int swapped;   /* the same, with groups and the channels in them exchanged */
    int parted;    /* the value whose planes, of two axes of channels, it has in NHWC, or -1 */
    int exchanged; /* whether these two axes are exchanged in it */
    int padding;   /* the operator of the new graph whose result it is, if that pads; or -1 */
};

struct rewriting {
    struct region_graph* graph;
    struct knowledge* knowledge; /* of values */
    int room;
    int node; /* of the model, whose operator is looked at */
};

int region_is_to_nhwc(const int* order, int rank) {
    int is = rank >= 3 && order[0] == 0;
    for (int axis = 1; is && axis < rank; axis++)
        is = order[axis] == (axis == rank - 1 ? 1 : axis + 1);
    return is;
}

int region_is_to_planes(const int* order, int rank) {
    int is = rank >= 3 && order[0] == 0;
    for (int axis = 1; is && axis < rank; axis++)
        is = order[axis] == (axis == 1 ? rank - 1 : axis - 1);
    return is;
}

static int swaps_last_two(const int* order, int rank) {
    int is = rank >= 4;
    for (int axis = 0; is && axis < rank - 2; axis++) is = order[axis] == axis;
    return is && order[rank - 1] == rank - 2;
}

/* Makes room for what is known of new values. */
static int learn_values(struct rewriting* w) {
    const int count = w->graph->value_count;
    if (count > w->room) {
        const int room = 2 * count;
        struct knowledge* moved = realloc(w->knowledge, (size_t)room * sizeof *moved);
        if (moved == NULL) return 0;
        for (int i = w->room; i < room; i++)
            moved[i] = (struct knowledge){i, -1, -1, -1, -1, 0, -1};
        w->knowledge = moved;
        w->room = room;
    }
    return 1;
}

/* Adds an operator of one input with a new output of this shape. */
static struct region_op* add_op(struct rewriting* w, enum region_kind kind, int input,
                                struct region_shape shape) {
    struct region_op* op = region_add_op(w->graph, kind, &input, 1);
    if (op == NULL || !learn_values(w)) return NULL;
    w->graph->values[op->output].shape = shape;
    w->graph->values[op->output].node = w->node;
    return op;
}

/* Adds an operator that is there already. */
static int keep_op(struct rewriting* w, struct region_op* op) {
    struct region_op* kept = region_add_op(w->graph, op->kind, op->inputs, op->input_count);
    if (kept == NULL || !learn_values(w)) return 0;
    const int unused = kept->output; /* its own output stays */
    free(kept->inputs);
    *kept = *op;
    op->inputs = NULL;
    w->graph->values[unused].producer = -1;
    return 1;
}

/* Turns an operator into the one that gives its output from planes. */
static int keep_as_turn(struct rewriting* w, struct region_op* op, int planes) {
    const int rank = w->graph->values[planes].shape.rank, output = op->output;
    struct region_op* turn = add_op(w, REGION_TRANSPOSE, planes, w->graph->values[output].shape);
    if (turn == NULL) return 0;
    for (int axis = 0; axis < rank; axis++) {
        turn->is.transpose[axis] = axis == 0 ? 0 : axis == rank - 1 ? 1 : axis + 1;
    }
    turn->output = output;
    w->knowledge[output].planes = planes;
    region_op_release(op);
    return 1;
}

static struct region_shape with_channels(const struct region_graph* graph, int planes,
                                         int64_t channels) {
    struct region_shape shape = graph->values[planes].shape;
    shape.dims[1] = channels;
    return shape;
}

/* A function of each number, or some channels, of NHWC: of planes instead. */
static int move_to_planes(struct rewriting* w, struct region_op* op, int planes) {
    const struct region_shape* out = &w->graph->values[op->output].shape;
    const struct region_shape shape = with_channels(w->graph, planes, out->dims[out->rank - 1]);
    struct region_op* moved = add_op(w, op->kind, planes, shape);
    if (moved == NULL) return 0;
    moved->is = op->is;
    if (op->kind == REGION_SLICE) moved->is.slice.axis = 1;
    return keep_as_turn(w, op, moved->output);
}

/* A shuffle of the channels of NHWC: of planes instead. */
static int move_shuffle(struct rewriting* w, struct region_op* join, int nhwc, int64_t groups) {
    struct region_graph* graph = w->graph;
    const int planes = w->knowledge[nhwc].planes;
    const struct region_shape whole = graph->values[planes].shape;
    const int64_t group_channels = whole.dims[1] / groups;
    /* -1 cannot be worked out for no image, so what is known is said. */
    int64_t plane = region_plane(&whole), rest = plane;
    for (int axis = 2; axis < whole.rank; axis++) {
        if (whole.dims[axis] <= 0) rest = -1;
    }
    if (rest == -1) plane = region_new_size(graph->sizes);
    const struct region_reshape split = {REGION_RESHAPE_TO, 4, {0, groups, group_channels, rest}};
    const struct region_shape parts = {4, {whole.dims[0], groups, group_channels, plane}};
    const struct region_shape swapped = {4, {whole.dims[0], group_channels, groups, plane}};
    struct region_op* op = add_op(w, REGION_RESHAPE, planes, parts);
    if (op == NULL) return 0;
    op->is.reshape = split;
    op = add_op(w, REGION_TRANSPOSE, op->output, swapped);
    if (op == NULL) return 0;
    memcpy(op->is.transpose, (const int[]){0, 2, 1, 3}, 4 * sizeof(int));
    op = add_op(w, REGION_RESHAPE, op->output, whole);
    if (op == NULL) return 0;
    op->is.reshape = (struct region_reshape){.kind = REGION_RESHAPE_LIKE};
    op->inputs[1] = planes;
    op->input_count = 2;
    return keep_as_turn(w, join, op->output);
}

/* NHWC whose channels were two axes: planes instead. */
static int move_merge(struct rewriting* w, struct region_op* merge, int parted, int exchanged) {
    const struct region_shape in = w->graph->values[parted].shape;
    struct region_shape swapped = in, planes = in;
    struct region_reshape to = {.kind = REGION_RESHAPE_TO, .count = in.rank - 1};
    if (exchanged) {
        swapped.dims[1] = in.dims[2];
        swapped.dims[2] = in.dims[1];
    }
    planes.rank = in.rank - 1;
    planes.dims[1] = in.dims[1] * in.dims[2];
    to.sizes[1] = planes.dims[1];
    for (int axis = 2; axis < planes.rank; axis++) {
        planes.dims[axis] = in.dims[axis + 1];
        to.sizes[axis] = in.dims[axis + 1];
    }
    struct region_op* op = add_op(w, REGION_TRANSPOSE, parted, swapped);
    if (op == NULL) return 0;
    for (int axis = 0; axis < in.rank; axis++) op->is.transpose[axis] = axis;
    op->is.transpose[1] = exchanged ? 2 : 1;
    op->is.transpose[2] = exchanged ? 1 : 2;
    op = add_op(w, REGION_RESHAPE, op->output, planes);
    if (op == NULL) return 0;
    op->is.reshape = to;
    return keep_as_turn(w, merge, op->output);
}

/* Whether a reshape makes one axis of the last two; all sizes but the first are known. */
static int merges_channels(const struct region_shape* x, const struct region_shape* y) {
    if (y->rank != x->rank - 1 || y->rank < 3) return 0;
    for (int axis = 0; axis < y->rank - 1; axis++) {
        if (x->dims[axis] != y->dims[axis] || (axis > 0 && x->dims[axis] <= 0)) return 0;
    }
    const int64_t outer = x->dims[x->rank - 2], inner = x->dims[x->rank - 1];
    return outer > 0 && inner > 0 && y->dims[y->rank - 1] / outer == inner;
}

/* Whether a transpose of [N, a, b, H, W] puts a and b last, or b and a. */
static int parts_channels(const int* order, int rank, int* exchanged) {
    int is = rank >= 4 && order[0] == 0;
    for (int axis = 1; is && axis < rank - 2; axis++) is = order[axis] == axis + 2;
    if (!is) return 0;
    *exchanged = order[rank - 2] == 2 && order[rank - 1] == 1;
    return *exchanged || (order[rank - 2] == 1 && order[rank - 1] == 2);
}

/* Whether a reshape puts the channels of NHWC into groups. */
static int splits_channels(const struct region_shape* x, const struct region_shape* y) {
    if (y->rank != x->rank + 1) return 0;
    for (int axis = 0; axis < x->rank - 1; axis++) {
        if (x->dims[axis] != y->dims[axis]) return 0;
    }
    const int64_t groups = y->dims[x->rank - 1], channels = y->dims[x->rank];
    return groups > 0 && channels > 0 && x->dims[x->rank - 1] / groups == channels;
}

static int rewrite_reshape(struct rewriting* w, struct region_op* op) {
    const struct region_value* values = w->graph->values;
    const struct knowledge* in = &w->knowledge[op->inputs[0]];
    const struct region_shape *x = &values[op->inputs[0]].shape, *y = &values[op->output].shape;
    if (in->planes >= 0 && splits_channels(x, y)) w->knowledge[op->output].split = op->inputs[0];
    if (in->swapped >= 0 && region_same_shape(&values[in->swapped].shape, y)) {
        /* Groups are the last axis now. */
        return move_shuffle(w, op, in->swapped, x->dims[x->rank - 1]);
    }
    if (in->parted >= 0 && merges_channels(x, y)) {
        return move_merge(w, op, in->parted, in->exchanged);
    }
    return keep_op(w, op);
}

/* Planes of padded NHWC: padded planes instead, as convolutions take them. */
static int move_padding(struct rewriting* w, struct region_op* turn, int padding) {
    const struct region_op pad = w->graph->ops[padding]; /* which may move */
    const struct region_shape nhwc = w->graph->values[pad.inputs[0]].shape;
    const struct region_shape padded = w->graph->values[turn->output].shape;
    struct region_shape planes = nhwc;
    for (int axis = 0; axis < nhwc.rank; axis++) {
        planes.dims[axis] = nhwc.dims[turn->is.transpose[axis]];
    }
    struct region_op* op = add_op(w, REGION_TRANSPOSE, pad.inputs[0], planes);
    if (op == NULL) return 0;
    memcpy(op->is.transpose, turn->is.transpose, sizeof op->is.transpose);
    op = add_op(w, REGION_PAD, op->output, padded);
    if (op == NULL) return 0;
    op->is.pad.value = pad.is.pad.value;
    for (int axis = 0; axis < nhwc.rank; axis++) {
        op->is.pad.before[axis] = pad.is.pad.before[turn->is.transpose[axis]];
        op->is.pad.after[axis] = pad.is.pad.after[turn->is.transpose[axis]];
    }
    op->output = turn->output;
    w->graph->values[op->output].node = w->graph->values[pad.output].node;
    region_op_release(turn);
    return 1;
}

static int rewrite_transpose(struct rewriting* w, struct region_op* op) {
    const int input = op->inputs[0], output = op->output;
    const int rank = w->graph->values[input].shape.rank, planes = w->knowledge[input].planes;
    if (planes >= 0 && region_is_to_planes(op->is.transpose, rank)) {
        if (w->graph->values[output].output < 0) {
            w->knowledge[output].same = planes;
            region_op_release(op);
            return 1;
        }
        op->kind = REGION_RESHAPE;
        op->inputs[0] = planes;
        op->is.reshape = (struct region_reshape){.kind = REGION_RESHAPE_SQUEEZE};
        return keep_op(w, op);
    }
    const int padding = w->knowledge[input].padding;
    if (padding >= 0 && region_is_to_planes(op->is.transpose, rank)) {
        return move_padding(w, op, padding);
    }
    if (region_is_to_nhwc(op->is.transpose, rank)) w->knowledge[output].planes = input;
    if (parts_channels(op->is.transpose, rank, &w->knowledge[output].exchanged)) {
        w->knowledge[output].parted = input;
    }
    if (w->knowledge[input].split >= 0 && swaps_last_two(op->is.transpose, rank)) {
        w->knowledge[output].swapped = w->knowledge[input].split;
    }
    return keep_op(w, op);
}

/* Adds an operator of the old graph to the new one, or what takes its place. */
static int rewrite(struct rewriting* w, struct region_op* op) {
    for (int i = 0; i < op->input_count; i++) op->inputs[i] = w->knowledge[op->inputs[i]].same;
    const int planes = w->knowledge[op->inputs[0]].planes;
    const int rank = w->graph->values[op->inputs[0]].shape.rank;
    w->node = w->graph->values[op->output].node;
    switch (op->kind) {
        case REGION_TRANSPOSE:
            return rewrite_transpose(w, op);
        case REGION_RESHAPE:
            return rewrite_reshape(w, op);
        case REGION_PAD:
            w->knowledge[op->output].padding = w->graph->op_count;
            return keep_op(w, op);
        case REGION_UNARY:
            return planes >= 0 ? move_to_planes(w, op, planes) : keep_op(w, op);
        case REGION_SLICE:
            return planes >= 0 && op->is.slice.axis == rank - 1 ? move_to_planes(w, op, planes)
                                                                : keep_op(w, op);
        default:
            return keep_op(w, op);
    }
}

/* Removes operators whose results nobody reads. */
static void remove_dead(struct region_graph* graph) {
    region_count_uses(graph);
    for (int i = graph->op_count - 1; i >= 0; i--) {
        if (graph->values[graph->ops[i].output].uses == 0) region_drop(graph, &graph->ops[i], NULL);
    }
    region_remove_gone(graph);
}

int region_use_planes(struct region_graph* graph) {
    struct region_op* old = graph->ops;
    const int count = graph->op_count;
    struct rewriting w = {.graph = graph};
    int turns = 0, enough = 1;
    for (int i = 0; i < count; i++) {
        const int rank = graph->values[old[i].output].shape.rank;
        int ignored;
        turns |= old[i].kind == REGION_TRANSPOSE &&
                 (region_is_to_nhwc(old[i].is.transpose, rank) ||
                  parts_channels(old[i].is.transpose, rank, &ignored));
        turns |= old[i].kind == REGION_PAD;
    }
    if (!turns) return 1;
    graph->ops = NULL;
    graph->op_count = graph->op_room = 0;
    enough = learn_values(&w);
    int done = 0;
    while (enough && done < count) enough = rewrite(&w, &old[done++]);
    for (int i = 0; i < count; i++) {
        if (old[i].inputs != NULL) region_op_release(&old[i]);
    }
    free(old);
    free(w.knowledge);
    if (enough) remove_dead(graph);
    return enough;
}
