/* Bytes to a node. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_ort.h"
#include "graph_case.h"
#include "op/sparse_conv.h"

/* A node that is being added. */
struct adding {
    struct graph_case* c;
    struct graph_bytes* b;
    int number;
    struct model_node* node;
    const struct oracle_tensor* x; /* its first input, in the first run */
};

/* --- Parts. */

static struct model_attribute* add_attribute(struct adding* a, const char* name,
                                             enum model_attribute_type type, int count) {
    const int i = a->node->attribute_count;
    struct model_attribute* attribute = &a->c->attributes[a->number][i];
    struct graph_attribute* numbers = &a->c->numbers[a->number][i];
    if (i == GRAPH_MOST_ATTRIBUTES) abort();
    *attribute = (struct model_attribute){name, type, count, numbers->ints, numbers->floats, ""};
    a->node->attribute_count++;
    return attribute;
}

static void add_ints(struct adding* a, const char* name, int count, const int64_t* ints) {
    add_attribute(a, name, MODEL_ATTRIBUTE_INTS, count);
    memcpy(a->c->numbers[a->number][a->node->attribute_count - 1].ints, ints,
           (size_t)count * sizeof *ints);
}

static void add_int(struct adding* a, const char* name, int64_t number) {
    add_ints(a, name, 1, &number);
}

static void add_float(struct adding* a, const char* name, float number) {
    add_attribute(a, name, MODEL_ATTRIBUTE_FLOATS, 1);
    a->c->numbers[a->number][a->node->attribute_count - 1].floats[0] = number;
}

static void add_string(struct adding* a, const char* name, const char* string) {
    add_attribute(a, name, MODEL_ATTRIBUTE_STRING, 0)->string = string;
}

static void add_input(struct adding* a, int value) {
    if (value >= 0 || value == MODEL_NO_VALUE) {
        a->c->inputs[a->number][a->node->input_count++] = value;
    }
}

/* A constant of exactly its size, so that a sanitizer sees any byte beyond. */
static void* add_constant(struct adding* a, int type, size_t size, int rank, const int64_t* dims) {
    const int value = graph_add_value(a->c, MODEL_NO_NODE);
    int64_t count = 1;
    if (value < 0) return NULL;
    struct model_value* v = &a->c->values[value];
    v->element_type = type;
    v->rank = rank;
    v->constant = (struct tensor){.given = 1, .element_type = type, .rank = (size_t)rank};
    for (int i = 0; i < rank; i++) {
        v->dims[i] = v->constant.dims[i] = dims[i];
        count *= dims[i];
    }
    void* data = fake_allocate((size_t)count, size);
    a->c->constants[value] = data;
    v->constant.data = count > 0 ? data : NULL;
    add_input(a, value);
    return data;
}

/* Numbers of which `zeros` of 256 are zero. */
static void add_floats(struct adding* a, int rank, const int64_t* dims, int zeros) {
    float* floats = add_constant(a, TENSOR_FLOAT, sizeof *floats, rank, dims);
    uint32_t state = graph_byte(a->b);
    int64_t count = 1;
    for (int i = 0; i < rank; i++) count *= dims[i];
    for (int64_t i = 0; floats != NULL && i < count; i++) {
        const float number = graph_number(&state, 0);
        floats[i] = (int)(state >> 11) % 256 < zeros ? 0 : number;
    }
}

static void add_index_list(struct adding* a, int count, const int64_t* ints) {
    int64_t* data = add_constant(a, TENSOR_INT64, sizeof *data, 1, (const int64_t[]){count});
    if (data != NULL && count > 0) memcpy(data, ints, (size_t)count * sizeof *ints);
}

/* Integers as an attribute, or as an input, as they are since later opsets. */
static void add_either(struct adding* a, const char* name, int is_attribute, int count,
                       const int64_t* ints) {
    if (is_attribute) {
        add_ints(a, name, count, ints);
    } else {
        add_index_list(a, count, ints);
    }
}

/* A computed value, the latest ones more often. */
static int choose_computed(struct graph_case* c, struct graph_bytes* b, int rank) {
    const int byte = graph_byte(b);
    int skip = byte % 4 == 3 ? byte / 4 : byte % 4, found = -1;
    for (int i = c->model.value_count - 1; i >= 0; i--) {
        if (c->values[i].constant.given || !c->tensors[0][i].known) continue;
        if (rank >= 0 && c->tensors[0][i].rank != rank) continue;
        found = i;
        if (skip-- == 0) break;
    }
    return found;
}

/* --- Operators. */

static int64_t channels_of(const struct adding* a) {
    return a->x->rank > 1 && a->x->dims[1] > 0 ? a->x->dims[1] : 1;
}

static void add_windows(struct adding* a, const int64_t* kernel, int is_pool) {
    static const char* const automatic[] = {"SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"};
    const int spatial = a->x->rank - 2;
    const int how = graph_byte(a->b);
    int64_t pads[4], numbers[2];
    if (is_pool || (how & 1)) add_ints(a, "kernel_shape", spatial, kernel);
    if (how & 2) {
        for (int i = 0; i < spatial; i++) numbers[i] = 1 + graph_below(a->b, 3);
        add_ints(a, "strides", spatial, numbers);
    }
    if ((how & 28) == 28) {
        for (int i = 0; i < spatial; i++) numbers[i] = 1 + graph_below(a->b, 3);
        add_ints(a, "dilations", spatial, numbers);
    }
    if ((how & 96) == 96) {
        add_string(a, "auto_pad", automatic[how >> 3 & 3]);
    } else if (how & 96) {
        for (int i = 0; i < 2 * spatial; i++) pads[i] = graph_below(a->b, kernel[i % spatial]);
        add_ints(a, "pads", 2 * spatial, pads);
    }
}

static int zeros_of(struct adding* a) {
    static const int zeros[] = {0, 128, 205, 230, 245, 256};
    return zeros[graph_below(a->b, 6)];
}

static void build_conv(struct adding* a) {
    const int shape = graph_byte(a->b);
    const int64_t channels = channels_of(a);
    const int pointwise = shape & 1;
    const int64_t groups = shape & 6 ? (shape & 6) == 6 && channels % 2 == 0 ? 2 : 1 : channels;
    const int64_t rows = groups * (1 + graph_below(a->b, groups > 2 ? 2 : 20));
    int64_t dims[MODEL_MAX_RANK] = {rows, channels / groups, 1, 1, 1};
    const int64_t most = groups == channels ? 5 : channels / groups < 6 ? 4 : 3;
    for (int i = 2; i < a->x->rank && !pointwise; i++) dims[i] = 1 + graph_below(a->b, most);
    add_floats(a, a->x->rank, dims, pointwise ? zeros_of(a) : 0);
    if (shape & 8) add_floats(a, 1, dims, 0);
    if (groups > 1) add_int(a, "group", groups);
    if (a->x->rank >= 3 && a->x->rank <= 4) add_windows(a, dims + 2, 0);
}

static void build_pool(struct adding* a) {
    int64_t kernel[4];
    for (int i = 0; i < 4; i++) kernel[i] = 1 + graph_below(a->b, 5);
    if (a->x->rank < 3 || a->x->rank > 4) return;
    add_windows(a, kernel, 1);
    const int how = graph_byte(a->b);
    if (how & 1) add_int(a, "ceil_mode", 1);
    if (how & 2 && model_is(a->node, "AveragePool")) add_int(a, "count_include_pad", how >> 2 & 1);
}

static void build_product(struct adding* a) {
    const int how = graph_byte(a->b), is_gemm = model_is(a->node, "Gemm");
    const int64_t columns = a->x->rank == 2 ? a->x->dims[1] : 1;
    const int64_t rows = 1 + graph_below(a->b, 30);
    const int transposed = is_gemm && (how & 1);
    const int64_t dims[2] = {transposed ? rows : columns, transposed ? columns : rows};
    add_floats(a, 2, dims, zeros_of(a));
    if (!is_gemm) return;
    if (how & 2) add_floats(a, 1, &rows, 0);
    if (transposed) add_int(a, "transB", 1);
    if (how & 4) add_float(a, "alpha", 0.5f);
    if (how & 8) add_float(a, "beta", -1.5f);
}

static void build_sparse(struct adding* a) {
    const int64_t channels = channels_of(a);
    const int64_t height = (const int64_t[]){1, 2, 4}[graph_below(a->b, 3)];
    const int64_t blocks_high = 1 + graph_below(a->b, 5);
    uint32_t state = graph_byte(a->b);
    const uint32_t density = 1 + (uint32_t)graph_below(a->b, 8);
    int32_t indices[6 * 24], starts[8] = {0};
    int32_t count = 0;
    for (int64_t r = 0; r < blocks_high; r++) {
        for (int64_t k = 0; k < channels && k < 24; k++) {
            graph_number(&state, 0);
            if ((state >> 12) % 8 < density) indices[count++] = (int32_t)k;
        }
        starts[r + 1] = count;
    }
    a->node->domain = "ort_sparse";
    add_floats(a, 2, (const int64_t[]){count, height}, 0);
    int32_t* to = add_constant(a, TENSOR_INT32, sizeof *to, 1, (const int64_t[]){count});
    if (to != NULL) memcpy(to, indices, (size_t)count * sizeof *to);
    to = add_constant(a, TENSOR_INT32, sizeof *to, 1, (const int64_t[]){blocks_high + 1});
    if (to != NULL) memcpy(to, starts, (size_t)(blocks_high + 1) * sizeof *to);
    if (state >> 31) add_floats(a, 1, (const int64_t[]){blocks_high * height}, 0);
    add_int(a, "in_channels", channels);
    if (height > 1) add_int(a, "block_rows", height);
}

static void build_unary(struct adding* a) {
    const int how = graph_byte(a->b);
    const char* op = a->node->op_type;
    const int has_alpha =
        strcmp(op, "LeakyRelu") == 0 || strcmp(op, "Elu") == 0 || strcmp(op, "HardSigmoid") == 0;
    if (has_alpha && how & 1) add_float(a, "alpha", (float)how / 256);
    if (strcmp(op, "HardSigmoid") == 0 && how & 2) add_float(a, "beta", 0.25f);
    if (strcmp(op, "Gelu") == 0 && how & 1) add_string(a, "approximate", "tanh");
    if (strcmp(op, "Clip") == 0) {
        if (how & 1) {
            add_floats(a, 0, NULL, 0);
        } else {
            add_input(a, MODEL_NO_VALUE);
        }
        if (how & 2) {
            add_floats(a, 0, NULL, 0);
            float* most = a->c->constants[a->c->model.value_count - 1];
            if (most != NULL) *most += 2;
        }
    }
}

/* Another computed value, numbers for channels, or one number. */
static void build_binary(struct adding* a) {
    const int how = graph_byte(a->b);
    const int rank = a->x->rank;
    int64_t dims[MODEL_MAX_RANK] = {1, channels_of(a), 1, 1, 1};
    const int swaps = how & 8;
    const int first = a->c->inputs[a->number][0];
    if (swaps) a->node->input_count = 0;
    switch (how % 5) {
        case 0:
        case 1:
            add_input(a, choose_computed(a->c, a->b, how & 16 ? -1 : rank));
            break;
        case 2:
            add_floats(a, rank, dims, 0);
            break;
        case 3:
            add_floats(a, how & 32 ? 0 : 1, (const int64_t[]){1}, 0);
            break;
        default: /* the last axes only */
            for (int i = 0; i < rank; i++) dims[i] = how >> (5 + i % 3) & 1 ? 1 : a->x->dims[i];
            add_floats(a, how & 16 && rank > 2 ? rank - 1 : rank,
                       how & 16 && rank > 2 ? dims + 1 : dims, 0);
    }
    if (swaps) add_input(a, first);
    if (a->node->op_type[0] == 'M' && a->node->op_type[1] != 'u' && how & 64) {
        add_input(a, choose_computed(a->c, a->b, rank));
    }
}

static void build_prelu(struct adding* a) {
    const int64_t channels = graph_byte(a->b) % 4 ? channels_of(a) : 1;
    const int64_t dims[MODEL_MAX_RANK] = {channels, 1, 1, 1, 1};
    add_floats(a, a->x->rank > 2 ? a->x->rank - 1 : 1, dims, 0);
}

static void build_normalization(struct adding* a) {
    const int64_t channels = channels_of(a);
    for (int i = 0; i < 4; i++) {
        add_floats(a, 1, &channels, 0);
        float* numbers = a->c->constants[a->c->model.value_count - 1];
        for (int64_t k = 0; i == 3 && numbers != NULL && k < channels; k++) numbers[k] += 1.5f;
    }
    if (graph_byte(a->b) & 1) add_float(a, "epsilon", 1e-3f);
}

static void build_reduction(struct adding* a) {
    const int how = graph_byte(a->b);
    int64_t axes[MODEL_MAX_RANK];
    if (a->node->op_type[0] != 'R') return;
    for (int i = 2; i < a->x->rank; i++) axes[i - 2] = how & 1 ? i : i - a->x->rank;
    if (a->x->rank > 2) add_either(a, "axes", how & 2, a->x->rank - 2, axes);
    if (how & 4) add_int(a, "keepdims", how >> 3 & 1);
}

static void build_softmax(struct adding* a) {
    if (graph_byte(a->b) & 1) add_int(a, "axis", a->x->rank - 1);
}

static void build_reshape(struct adding* a) {
    const int how = graph_byte(a->b), rank = a->x->rank;
    const int64_t channels = channels_of(a);
    const int64_t half = channels % 2 == 0 ? 2 : 1;
    const int64_t rows = rank > 3 ? a->x->dims[2] : 1, columns = rank > 3 ? a->x->dims[3] : 1;
    const int64_t shapes[][MODEL_MAX_RANK] = {
        {0, -1},
        {0, half, channels / half, rows, -1}, /* the middle of a channel shuffle */
        {0, channels, -1},
        {-1, channels, 1, 1},
        {0, 0, rows * columns},
        {0, -1, rows, columns},
    };
    static const int ranks[] = {2, 5, 3, 4, 3, 4};
    add_either(a, "shape", how & 8, ranks[how % 6], shapes[how % 6]);
}

static void build_flatten(struct adding* a) {
    const int how = graph_byte(a->b);
    if (how & 1) add_int(a, "axis", how / 2 % (a->x->rank + 1));
}

static void build_squeeze(struct adding* a) {
    const int how = graph_byte(a->b);
    int64_t axes[MODEL_MAX_RANK];
    int count = 0;
    if (model_is(a->node, "Unsqueeze")) {
        axes[count++] = how / 2 % (a->x->rank + 1);
    } else {
        for (int i = 0; i < a->x->rank; i++) {
            if (a->x->dims[i] == 1 && how >> (1 + i) & 1) axes[count++] = i;
        }
        if (count == 0) return;
    }
    add_either(a, "axes", how & 1, count, axes);
}

static void build_transpose(struct adding* a) {
    int64_t perm[MODEL_MAX_RANK];
    const int how = graph_byte(a->b), rank = a->x->rank;
    static const int64_t usual[3][MODEL_MAX_RANK] = {{0, 2, 3, 1}, {0, 3, 1, 2}, {0, 2, 1, 3, 4}};
    if (how % 4 == 0) return;
    if ((how % 4 == 1 && rank == 5) || (how % 4 != 1 && rank == 4)) {
        add_ints(a, "perm", rank, usual[how % 4 == 1 ? 2 : how % 4 - 2]);
        return;
    }
    for (int i = 0; i < rank; i++) perm[i] = i;
    for (int i = rank - 1; i > 0; i--) {
        const int other = (int)graph_below(a->b, i + 1);
        const int64_t swapped = perm[i];
        perm[i] = perm[other];
        perm[other] = swapped;
    }
    add_ints(a, "perm", rank, perm);
}

static int choose_axis(struct adding* a) {
    const int byte = graph_byte(a->b);
    return a->x->rank > 1 && byte % 8 ? 1 : a->x->rank > 0 ? byte / 8 % a->x->rank : 0;
}

static void build_slice(struct adding* a) {
    const int axis = choose_axis(a), how = graph_byte(a->b);
    const int64_t size = a->x->rank > 0 ? a->x->dims[axis] : 1,
                  named = how & 1 ? axis - a->x->rank : axis;
    int64_t first = graph_below(a->b, size + 1), end = graph_below(a->b, size + 3);
    if (how & 2) first -= size;
    if (how & 4) end = INT64_MAX;
    add_index_list(a, 1, &first);
    add_index_list(a, 1, &end);
    add_index_list(a, 1, &named);
    if (how & 8) add_index_list(a, 1, (const int64_t[]){1});
}

static void build_split(struct adding* a) {
    const int axis = choose_axis(a), how = graph_byte(a->b);
    const int64_t size = a->x->rank > 0 ? a->x->dims[axis] : 1;
    int64_t sizes[GRAPH_MOST_OUTPUTS], left = size;
    const int outputs = 1 + how % 3;
    add_int(a, "axis", axis);
    if (how & 8) {
        for (int i = 0; i < outputs; left -= sizes[i++]) {
            sizes[i] = i == outputs - 1 ? left : graph_below(a->b, left + 1);
        }
        add_either(a, "split", how & 16, outputs, sizes);
    }
    for (int i = 1; i < outputs; i++) {
        const int value = graph_add_value(a->c, a->number);
        if (value >= 0) a->c->outputs[a->number][a->node->output_count++] = value;
    }
}

static void build_concat(struct adding* a) {
    const int axis = choose_axis(a), more = (int)graph_below(a->b, 4);
    for (int i = 0; i < more; i++) {
        if (graph_byte(a->b) % 8 == 0) {
            add_floats(a, a->x->rank, a->x->dims, 0);
        } else {
            add_input(a, choose_computed(a->c, a->b, a->x->rank));
        }
    }
    add_int(a, "axis", axis);
}

static void build_pad(struct adding* a) {
    const int how = graph_byte(a->b), rank = a->x->rank;
    int64_t pads[2 * MODEL_MAX_RANK] = {0};
    for (int i = 0; i < rank; i++) {
        if (i < 2 && !(how & 4)) continue;
        pads[i] = graph_below(a->b, 3);
        pads[rank + i] = graph_below(a->b, 3);
    }
    add_either(a, "pads", how & 1, 2 * rank, pads);
    if (how & 1) {
        add_float(a, "value", 0.5f);
    } else if (how & 2) {
        add_floats(a, 0, NULL, 0);
    }
}

static void build_nothing(struct adding* a) { (void)a; }

static void build_other(struct adding* a) { a->node->domain = "other"; }

static const char* const functions[] = {
    "Relu",    "Clip", "LeakyRelu", "Elu",  "HardSigmoid", "HardSwish",
    "Sigmoid", "Tanh", "Softplus",  "Mish", "Gelu",        "Abs",
    "Neg",     "Sqrt", "Exp",       "Log",  "Erf",         "Reciprocal"};

static const struct {
    const char* op_type;
    void (*build)(struct adding*);
    int share; /* how often, to the others */
} operators[] = {
    {"Conv", build_conv, 14},
    {"SparseConv1x1", build_sparse, 3},
    {"Gemm", build_product, 3},
    {"MatMul", build_product, 2},
    {NULL, build_unary, 24}, /* one of the functions */
    {"Sin", build_nothing, 2},
    {"Twice", build_other, 1},
    {"PRelu", build_prelu, 2},
    {"Add", build_binary, 6},
    {"Sub", build_binary, 1},
    {"Mul", build_binary, 5},
    {"Div", build_binary, 1},
    {"Max", build_binary, 1},
    {"Min", build_binary, 1},
    {"BatchNormalization", build_normalization, 2},
    {"MaxPool", build_pool, 3},
    {"AveragePool", build_pool, 3},
    {"GlobalAveragePool", build_nothing, 2},
    {"GlobalMaxPool", build_nothing, 1},
    {"ReduceMean", build_reduction, 2},
    {"ReduceMax", build_reduction, 1},
    {"ReduceSum", build_reduction, 1},
    {"Softmax", build_softmax, 1},
    {"LogSoftmax", build_softmax, 1},
    {"Identity", build_nothing, 1},
    {"Dropout", build_nothing, 1},
    {"Reshape", build_reshape, 4},
    {"Flatten", build_flatten, 2},
    {"Squeeze", build_squeeze, 1},
    {"Unsqueeze", build_squeeze, 1},
    {"Transpose", build_transpose, 4},
    {"Slice", build_slice, 3},
    {"Split", build_split, 3},
    {"Concat", build_concat, 4},
    {"Pad", build_pad, 2},
};

enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

int graph_add_node(struct graph_case* c, struct graph_bytes* b) {
    int choice = graph_byte(b) % 128;
    size_t op = 0;
    for (; op + 1 < sizeof operators / sizeof operators[0]; op++) {
        choice -= operators[op].share;
        if (choice < 0) break;
    }
    const int number = c->model.node_count, x = choose_computed(c, b, -1);
    if (x < 0) return 0;
    struct model_node* node = &c->nodes[number];
    snprintf(c->node_names[number], sizeof c->node_names[number], "n%d", number);
    *node = (struct model_node){
        .name = c->node_names[number],
        .domain = "",
        .op_type = operators[op].op_type != NULL ? operators[op].op_type
                                                 : functions[graph_below(b, FUNCTIONS)],
        .since_version = 13,
        .inputs = c->inputs[number],
        .outputs = c->outputs[number],
        .attributes = c->attributes[number],
    };
    c->model.node_count++;
    struct adding a = {c, b, number, node, &c->tensors[0][x]};
    add_input(&a, x);
    const int y = graph_add_value(c, number);
    if (y < 0) return 0;
    c->outputs[number][node->output_count++] = y;
    operators[op].build(&a);
    return c->model.value_count < GRAPH_MOST_VALUES;
}
