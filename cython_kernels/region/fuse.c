/* Simplifying the graph of a region: what follows a layer becomes part of it.
 *
 * A layer that takes in the operator after it moves to that operator's place, since what else that
 * one reads may be computed only then. */
#include "region/fuse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "region/layout.h"
#include "region/matrix.h"

/* Operators without inputs are gone. */
static int is_gone(const struct region_op* op) { return op->inputs == NULL; }

struct region_op* region_only_producer(struct region_graph* graph, int value, int uses) {
    const struct region_value* v = &graph->values[value];
    if (v->producer < 0 || v->uses != uses || v->output >= 0) return NULL;
    return &graph->ops[v->producer];
}

struct region_op* region_sole_producer(struct region_graph* graph, int value) {
    return region_only_producer(graph, value, 1);
}

void region_take_place(struct region_graph* graph, struct region_op* layer,
                       struct region_op* next) {
    const int output = next->output;
    region_op_release(next);
    *next = *layer;
    graph->values[next->output].part_of = output;
    next->output = output;
    graph->values[output].producer = (int)(next - graph->ops);
    memset(layer, 0, sizeof *layer);
    layer->kind = REGION_RESHAPE; /* which owns nothing but its inputs, and has none */
}

void region_drop(struct region_graph* graph, struct region_op* op, const struct region_op* other) {
    if (other != NULL) graph->values[op->output].part_of = other->output;
    for (int i = 0; i < op->input_count; i++) graph->values[op->inputs[i]].uses--;
    region_op_release(op);
    memset(op, 0, sizeof *op);
    op->kind = REGION_RESHAPE;
}

static struct epilogue* epilogue_of(struct region_op* op) {
    if (op->kind == REGION_POINTWISE) return &op->is.pointwise.epilogue;
    if (op->kind == REGION_CONV) return &op->is.conv.epilogue;
    return NULL;
}

static int64_t rows_of(const struct region_op* op) {
    return op->kind == REGION_POINTWISE ? op->is.pointwise.matrix.rows
                                        : op->is.conv.geometry.out_channels;
}

/* --- x * f(x). */

/* The function that x times this function of x is, or UNARY_COUNT. */
static enum unary times_itself(const struct region_op* op) {
    if (op->kind != REGION_UNARY) return UNARY_COUNT;
    const struct region_unary* f = &op->is.unary;
    if (f->function == UNARY_SIGMOID) return UNARY_SILU;
    if (f->function == UNARY_HARD_SIGMOID && fabsf(f->a - 1.0f / 6.0f) < 1e-6f && f->b == 0.5f) {
        return UNARY_HARD_SWISH;
    }
    return UNARY_COUNT;
}

/* SiLU and HardSwish as they are written where there is no operator for them, and Mish. */
static void join_product(struct region_graph* graph, struct region_op* op) {
    if (op->kind != REGION_BINARY || op->is.binary.function != BINARY_MUL) return;
    for (int side = 0; side < 2; side++) {
        const int x = op->inputs[1 - side];
        struct region_op* f = region_sole_producer(graph, op->inputs[side]);
        if (f == NULL || f->kind != REGION_UNARY) continue;
        struct region_op* inner = NULL;
        enum unary joined = times_itself(f);
        if (f->is.unary.function == UNARY_TANH) {
            inner = region_sole_producer(graph, f->inputs[0]);
            if (inner == NULL || inner->kind != REGION_UNARY ||
                inner->is.unary.function != UNARY_SOFTPLUS) {
                continue;
            }
            joined = UNARY_MISH;
        }
        if (joined == UNARY_COUNT || (inner != NULL ? inner : f)->inputs[0] != x) continue;
        region_drop(graph, f, op);
        if (inner != NULL) region_drop(graph, inner, op);
        op->kind = REGION_UNARY;
        op->inputs[0] = x;
        op->input_count = 1;
        op->is.unary = (struct region_unary){.function = joined};
        return;
    }
}

/* --- Activations of layers. */

/* Whether the epilogue of a layer can compute a function; it is set if so. */
static int set_activation(struct epilogue* epilogue, const struct region_unary* f) {
    switch (f->function) {
        case UNARY_CLIP:
            epilogue->activation = ACTIVATION_CLIP;
            epilogue->minimum = f->a;
            epilogue->maximum = f->b;
            return 1;
        case UNARY_LEAKY_RELU:
            epilogue->activation = ACTIVATION_LEAKY_RELU;
            epilogue->alpha = f->a;
            return 1;
        case UNARY_HARD_SWISH:
            epilogue->activation = ACTIVATION_HARD_SWISH;
            return 1;
        case UNARY_SIGMOID:
            epilogue->activation = ACTIVATION_SIGMOID;
            return 1;
        case UNARY_SILU:
            epilogue->activation = ACTIVATION_SILU;
            return 1;
        default:
            return 0;
    }
}

/* Returns whether memory sufficed. */
static int take_activation(struct region_graph* graph, struct region_op* op) {
    if (op->kind != REGION_UNARY && op->kind != REGION_PRELU) return 1;
    struct region_op* layer = region_sole_producer(graph, op->inputs[0]);
    struct epilogue* epilogue = layer != NULL ? epilogue_of(layer) : NULL;
    if (epilogue == NULL || epilogue->activation != ACTIVATION_NONE) return 1;
    if (op->kind == REGION_UNARY) {
        if (set_activation(epilogue, &op->is.unary)) region_take_place(graph, layer, op);
        return 1;
    }
    const int64_t rows = rows_of(layer);
    float* slope = memory_allocate(rows, sizeof *slope);
    if (slope == NULL) return 0;
    for (int64_t i = 0; i < rows; i++) {
        slope[i] = op->is.prelu.slope[op->is.prelu.count == 1 ? 0 : i];
    }
    epilogue->activation = ACTIVATION_PRELU;
    epilogue->slope = slope;
    region_take_place(graph, layer, op);
    return 1;
}

/* --- Sums and products of layers. */

/* Whether a constant is a number for each of these channels, or one for all. */
static int is_channel_constant(const struct region_value* constant, int rank, int64_t channels) {
    if (constant->constant == NULL) return 0;
    const struct region_shape* shape = &constant->shape;
    const int axis = shape->rank - rank + 1;
    if (shape->rank > rank) return 0;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] != 1 && (i != axis || shape->dims[i] != channels)) return 0;
    }
    return 1;
}

static float* bias_of(struct epilogue* epilogue, int64_t rows) {
    if (epilogue->bias == NULL) {
        float* zeros = memory_allocate(rows, sizeof *zeros);
        if (zeros != NULL) memset(zeros, 0, (size_t)rows * sizeof *zeros);
        epilogue->bias = zeros;
    }
    return (float*)epilogue->bias;
}

/* Multiplies the sums of a layer by a number for each row. */
static void scale_layer(struct region_op* layer, const float* scale) {
    if (layer->kind == REGION_POINTWISE) {
        region_matrix_scale_rows(&layer->is.pointwise.matrix, scale);
        return;
    }
    const struct conv_geometry* g = &layer->is.conv.geometry;
    const int64_t taps = g->in_channels / g->groups * g->kernel[0] * g->kernel[1];
    for (int64_t i = 0; i < g->out_channels * taps; i++) {
        layer->is.conv.weights[i] *= scale[i / taps];
    }
}

/* What a constant operand does to y: y * scale + shift. */
static void affine_of(enum binary function, int constant_first, float number, float* scale,
                      float* shift) {
    *scale = 1;
    *shift = 0;
    switch (function) {
        case BINARY_ADD:
            *shift = number;
            break;
        case BINARY_SUB:
            *scale = constant_first ? -1.0f : 1.0f;
            *shift = constant_first ? number : -number;
            break;
        case BINARY_MUL:
            *scale = number;
            break;
        default: /* BINARY_DIV */
            *scale = 1 / number;
            break;
    }
}

/* Takes a sum or product with a constant into the weights and the bias. Returns whether memory
 * sufficed. */
static int take_constant(struct region_graph* graph, struct region_op* op) {
    if (op->kind != REGION_BINARY) return 1;
    const enum binary function = op->is.binary.function;
    const int constant_first = graph->values[op->inputs[0]].constant != NULL;
    const struct region_value* constant = &graph->values[op->inputs[!constant_first]];
    struct region_op* layer = region_sole_producer(graph, op->inputs[constant_first]);
    struct epilogue* epilogue = layer != NULL ? epilogue_of(layer) : NULL;
    if (function > BINARY_DIV || (function == BINARY_DIV && constant_first) || epilogue == NULL ||
        epilogue->activation != ACTIVATION_NONE || layer->input_count != 1) {
        return 1;
    }
    const int64_t rows = rows_of(layer);
    const int rank = graph->values[layer->output].shape.rank;
    if (!is_channel_constant(constant, rank, rows)) return 1;
    float *bias = bias_of(epilogue, rows), *scale = memory_allocate(rows, sizeof *scale);
    if (bias == NULL || scale == NULL) {
        memory_release(scale);
        return 0;
    }
    const int one = region_count(&constant->shape) == 1;
    for (int64_t i = 0; i < rows; i++) {
        float shift;
        affine_of(function, constant_first, constant->constant[one ? 0 : i], &scale[i], &shift);
        bias[i] = bias[i] * scale[i] + shift;
    }
    if (function != BINARY_ADD) scale_layer(layer, scale);
    memory_release(scale);
    region_take_place(graph, layer, op);
    return 1;
}

/* Takes zeros round the planes of its input into the padding of a convolution. */
static void take_padding(struct region_graph* graph, struct region_op* op) {
    if (op->kind != REGION_CONV) return;
    struct region_op* pad = region_sole_producer(graph, op->inputs[0]);
    if (pad == NULL || pad->kind != REGION_PAD || pad->is.pad.value != 0) return;
    const int rank = graph->values[op->inputs[0]].shape.rank, first = 4 - rank;
    struct conv_geometry padded = op->is.conv.geometry;
    for (int axis = 0; axis < rank; axis++) {
        const int64_t before = pad->is.pad.before[axis], after = pad->is.pad.after[axis];
        if (axis < 2) {
            if (before != 0 || after != 0) return;
            continue;
        }
        const int i = first + axis - 2;
        const int64_t most = padded.dilation[i] * (padded.kernel[i] - 1);
        padded.pad_begin[i] += before;
        padded.pad_end[i] += after;
        if (padded.pad_begin[i] > most || padded.pad_end[i] > most) return;
    }
    op->is.conv.geometry = padded;
    op->inputs[0] = pad->inputs[0];
    graph->values[pad->inputs[0]].uses++;
    region_drop(graph, pad, op);
}

/* Makes the other operand of a sum the residual of a pointwise layer. */
static void take_residual(struct region_graph* graph, struct region_op* op) {
    if (op->kind != REGION_BINARY || op->is.binary.function != BINARY_ADD) return;
    for (int side = 0; side < 2; side++) {
        struct region_op* layer = region_sole_producer(graph, op->inputs[side]);
        const int other = op->inputs[1 - side];
        const struct region_value* residual = &graph->values[other];
        if (layer == NULL || layer->kind != REGION_POINTWISE || layer->input_count != 1 ||
            layer->is.pointwise.epilogue.activation != ACTIVATION_NONE ||
            residual->constant != NULL || other == op->inputs[side] ||
            !region_same_shape(&residual->shape, &graph->values[layer->output].shape)) {
            continue;
        }
        layer->inputs[1] = other;
        layer->input_count = 2;
        region_take_place(graph, layer, op);
        return;
    }
}

void region_remove_gone(struct region_graph* graph) {
    int kept = 0;
    for (int i = 0; i < graph->op_count; i++) {
        if (!is_gone(&graph->ops[i])) graph->ops[kept++] = graph->ops[i];
    }
    graph->op_count = kept;
    region_count_uses(graph);
}

int region_fuse(struct region_graph* graph, struct status* why) {
    int enough = region_use_planes(graph);
    region_count_uses(graph);
    for (int i = 0; enough && i < graph->op_count; i++) {
        if (!is_gone(&graph->ops[i])) join_product(graph, &graph->ops[i]);
    }
    for (int i = 0; enough && i < graph->op_count; i++) {
        struct region_op* op = &graph->ops[i];
        if (is_gone(op)) continue;
        take_padding(graph, op);
        enough = take_constant(graph, op);
        if (enough) take_residual(graph, op);
        if (enough) enough = take_activation(graph, op);
        if (enough && !is_gone(op)) enough = region_take_shuffle(graph, op);
    }
    region_remove_gone(graph);
    return enough || status_fail(why, STATUS_NO_MEMORY, "not enough memory for a layer");
}
