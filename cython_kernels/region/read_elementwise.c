/* Reading functions of each number, and of two numbers. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "region/read.h"

/* Functions without parameters. */
static const struct {
    const char* op_type;
    enum unary function;
} plain_functions[] = {
    {"Sigmoid", UNARY_SIGMOID},
    {"Tanh", UNARY_TANH},
    {"Softplus", UNARY_SOFTPLUS},
    {"Mish", UNARY_MISH},
    {"HardSwish", UNARY_HARD_SWISH},
    {"Abs", UNARY_ABS},
    {"Neg", UNARY_NEG},
    {"Sqrt", UNARY_SQRT},
    {"Exp", UNARY_EXP},
    {"Log", UNARY_LOG},
    {"Erf", UNARY_ERF},
    {"Reciprocal", UNARY_RECIPROCAL},
};

static const struct {
    const char* op_type;
    enum binary function;
} binary_functions[] = {
    {"Add", BINARY_ADD}, {"Sub", BINARY_SUB},     {"Mul", BINARY_MUL},
    {"Div", BINARY_DIV}, {"Max", BINARY_MAXIMUM}, {"Min", BINARY_MINIMUM},
};

static int add_unary(struct region_reader* r, enum unary function, float a, float b) {
    int x;
    if (!region_read_input(r, 0, 0, REGION_MAX_RANK, &x)) return 0;
    struct region_op* op = region_begin_op(r, REGION_UNARY, &x, 1);
    if (op == NULL) return 0;
    op->is.unary = (struct region_unary){.function = function, .a = a, .b = b};
    return region_end_op(r, 0);
}

static int read_plain(struct region_reader* r) {
    const size_t count = sizeof plain_functions / sizeof plain_functions[0];
    for (size_t i = 0; i < count; i++) {
        if (model_is(r->node, plain_functions[i].op_type)) {
            return add_unary(r, plain_functions[i].function, 0, 0);
        }
    }
    return 0;
}

static int read_relu(struct region_reader* r) { return add_unary(r, UNARY_CLIP, 0, INFINITY); }

static int read_leaky_relu(struct region_reader* r) {
    return add_unary(r, UNARY_LEAKY_RELU, model_float(r->node, "alpha", 0.01f), 0);
}

static int read_elu(struct region_reader* r) {
    return add_unary(r, UNARY_ELU, model_float(r->node, "alpha", 1.0f), 0);
}

static int read_hard_sigmoid(struct region_reader* r) {
    return add_unary(r, UNARY_HARD_SIGMOID, model_float(r->node, "alpha", 0.2f),
                     model_float(r->node, "beta", 0.5f));
}

static int read_gelu(struct region_reader* r) {
    const char* approximate = model_string(r->node, "approximate", "none");
    if (strcmp(approximate, "tanh") == 0) return add_unary(r, UNARY_GELU_TANH, 0, 0);
    return strcmp(approximate, "none") == 0
               ? add_unary(r, UNARY_GELU, 0, 0)
               : status_fail(r->why, STATUS_INVALID,
                             "approximate must be none or tanh, but is %.64s", approximate);
}

/* A bound of Clip: an attribute, an input, or none. */
static int read_bound(struct region_reader* r, const char* name, int index, float* bound) {
    *bound = model_float(r->node, name, *bound);
    if (region_model_input(r, index) == NULL) return 1;
    float* number;
    int64_t count;
    if (!region_read_floats(r, index, -1, &number, &count)) return 0;
    if (count == 1) *bound = number[0];
    memory_release(number);
    return count == 1 || status_fail(r->why, STATUS_INVALID,
                                     "input %d must be one number, but has %lld", index, LL(count));
}

static int read_clip(struct region_reader* r) {
    float least = -INFINITY, most = INFINITY;
    if (!read_bound(r, "min", 1, &least) || !read_bound(r, "max", 2, &most)) return 0;
    if (!(least <= most)) {
        return status_fail(r->why, STATUS_INVALID,
                           "min must be at most max, but they are %g and %g", (double)least,
                           (double)most);
    }
    return add_unary(r, UNARY_CLIP, least, most);
}

/* Slopes for channels: all axes but that of the channels are 1. */
static int read_prelu(struct region_reader* r) {
    int x;
    float* slope;
    int64_t count;
    if (!region_read_input(r, 0, 2, REGION_MAX_RANK, &x) ||
        !region_read_floats(r, 1, -1, &slope, &count)) {
        return 0;
    }
    const struct region_shape* shape = &r->graph->values[x].shape;
    const struct tensor* tensor = &region_model_input(r, 1)->constant;
    int from_end = shape->rank - 1; /* the channels' axis, counted from the last */
    int64_t channels = tensor->rank >= (size_t)from_end && tensor->rank <= (size_t)shape->rank
                           ? tensor->dims[tensor->rank - (size_t)from_end]
                           : 1;
    if (count != 1 && (channels != count || channels != shape->dims[1])) {
        memory_release(slope);
        return status_fail(r->why, STATUS_INVALID,
                           "the slope must be one number, or one for each channel");
    }
    struct region_op* op = region_begin_op(r, REGION_PRELU, &x, 1);
    if (op == NULL) {
        memory_release(slope);
        return 0;
    }
    op->is.prelu.slope = slope;
    op->is.prelu.count = count;
    return region_end_op(r, 0);
}

static int add_binary(struct region_reader* r, enum binary function, int first, int second,
                      int* out) {
    const int inputs[] = {first, second};
    struct region_op* op = region_begin_op(r, REGION_BINARY, inputs, 2);
    if (op == NULL) return 0;
    op->is.binary = (struct region_binary){.function = function};
    return region_finish_op(r, out);
}

/* Max and Min may have any number of inputs. */
static int read_binary(struct region_reader* r) {
    const size_t count = sizeof binary_functions / sizeof binary_functions[0];
    enum binary function = BINARY_ADD;
    int sum, next;
    for (size_t i = 0; i < count; i++) {
        if (model_is(r->node, binary_functions[i].op_type)) {
            function = binary_functions[i].function;
        }
    }
    if (!region_read_input(r, 0, 0, REGION_MAX_RANK, &sum)) return 0;
    if (r->node->input_count == 1) {
        return status_fail(r->why, STATUS_INVALID, "it must have at least 2 inputs, but has 1");
    }
    for (int i = 1; i < r->node->input_count; i++) {
        if (!region_read_input(r, i, 0, REGION_MAX_RANK, &next) ||
            !add_binary(r, function, sum, next, &sum)) {
            return 0;
        }
    }
    return region_give_output(r, 0, sum);
}

/* --- Batch normalization: y = x * scale + shift, a number for each channel. */

static int read_channels(struct region_reader* r, float* numbers[5], int64_t* channels) {
    for (int i = 1; i < 5; i++) {
        int64_t count;
        if (!region_read_floats(r, i, 1, &numbers[i], &count)) return 0;
        if (i == 1) *channels = count;
        if (count != *channels) {
            return status_fail(r->why, STATUS_INVALID,
                               "input %d must have %lld numbers, but has %lld", i, LL(*channels),
                               LL(count));
        }
    }
    return 1;
}

static int add_scale_and_shift(struct region_reader* r, int x, float* scale, float* shift,
                               int64_t channels) {
    struct region_shape shape = {.rank = r->graph->values[x].shape.rank - 1, .dims = {channels}};
    for (int i = 1; i < shape.rank; i++) shape.dims[i] = 1;
    int scales, shifts, scaled, out;
    if (!region_add_constant(r, &shape, scale, &scales)) {
        memory_release(shift);
        return 0;
    }
    if (!region_add_constant(r, &shape, shift, &shifts) ||
        !add_binary(r, BINARY_MUL, x, scales, &scaled) ||
        !add_binary(r, BINARY_ADD, scaled, shifts, &out)) {
        return 0;
    }
    return region_give_output(r, 0, out);
}

static int read_batch_normalization(struct region_reader* r) {
    float* numbers[5] = {NULL};
    int64_t channels = 0;
    int x;
    if (model_int(r->node, "training_mode", 0) != 0 || model_int(r->node, "spatial", 1) != 1 ||
        model_output(r->node, 1) != MODEL_NO_VALUE) {
        return status_fail(r->why, STATUS_INVALID, "it must be for inference, with one output");
    }
    if (!region_read_input(r, 0, 2, REGION_MAX_RANK, &x)) return 0;
    int known = read_channels(r, numbers, &channels);
    if (known && r->graph->values[x].shape.dims[1] != channels) {
        known = status_fail(r->why, STATUS_INVALID, "X must have %lld channels", LL(channels));
    }
    if (known) {
        const float epsilon = model_float(r->node, "epsilon", 1e-5f);
        float *scale = numbers[1], *shift = numbers[2];
        for (int64_t c = 0; c < channels; c++) {
            scale[c] /= sqrtf(numbers[4][c] + epsilon);
            shift[c] -= numbers[3][c] * scale[c];
        }
        known = add_scale_and_shift(r, x, scale, shift, channels);
        numbers[1] = numbers[2] = NULL;
    }
    for (int i = 1; i < 5; i++) memory_release(numbers[i]);
    return known;
}

region_node_reader region_elementwise_reader(const struct model_node* node) {
    static const struct {
        const char* op_type;
        region_node_reader read;
    } readers[] = {
        {"Relu", read_relu},   {"Clip", read_clip},
        {"PRelu", read_prelu}, {"LeakyRelu", read_leaky_relu},
        {"Elu", read_elu},     {"HardSigmoid", read_hard_sigmoid},
        {"Gelu", read_gelu},   {"BatchNormalization", read_batch_normalization},
    };
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        if (model_is(node, readers[i].op_type)) return readers[i].read;
    }
    for (size_t i = 0; i < sizeof plain_functions / sizeof plain_functions[0]; i++) {
        if (model_is(node, plain_functions[i].op_type)) return read_plain;
    }
    for (size_t i = 0; i < sizeof binary_functions / sizeof binary_functions[0]; i++) {
        if (model_is(node, binary_functions[i].op_type)) return read_binary;
    }
    return NULL;
}
