/* Changes that make a model another one: one that breaks a rule, or contradicts itself, or is as
 * valid as before. What it says of memory stays true: data are as long as their shapes say. */
#include <string.h>

#include "graph_case.h"

/* A number near a power of two, negative ones too, or a small one. */
static int64_t number_of(const struct graph_change* change) {
    const int64_t small = (int8_t)change->value;
    const int exponent = change->exponent % 80;
    return exponent < 63 ? (int64_t)((uint64_t)small + ((uint64_t)1 << exponent)) : small;
}

static void change_attribute(struct graph_case* c, const struct graph_change* change,
                             struct model_node* node, int at) {
    static const char* const names[] = {"axis",  "axes",  "pads",     "strides", "kernel_shape",
                                        "group", "alpha", "auto_pad", "split",   "keepdims",
                                        "mode",  "perm",  "shape",    "min",     "spatial"};
    if (node->attribute_count == 0) return;
    const int index = change->where % node->attribute_count;
    struct model_attribute* attribute = &c->attributes[at][index];
    struct graph_attribute* numbers = &c->numbers[at][index];
    switch (change->what % 4) {
        case 0:
            numbers->ints[change->other % GRAPH_MOST_NUMBERS] = number_of(change);
            numbers->floats[change->other % GRAPH_MOST_NUMBERS] = (float)number_of(change);
            break;
        case 1:
            attribute->type = (enum model_attribute_type)(change->other % 4);
            if (attribute->count == 0) attribute->count = 1;
            break;
        case 2:
            attribute->name = names[change->other % (sizeof names / sizeof names[0])];
            break;
        default:
            attribute->count = change->other % (GRAPH_MOST_NUMBERS + 1);
            break;
    }
}

/* Of a computed value, what the model says of its shape and type; of integers, what they are. */
static void change_value(struct graph_case* c, const struct graph_change* change) {
    const int number = change->node % c->model.value_count;
    struct model_value* value = &c->values[number];
    if (value->constant.given && value->element_type == TENSOR_INT64) {
        int64_t* ints = c->constants[number];
        if (value->dims[0] > 0) ints[change->where % value->dims[0]] = number_of(change);
        return;
    }
    switch (change->where % 5) {
        case 0: /* a constant becomes something that is computed elsewhere */
            value->constant.given = 0;
            break;
        case 1:
            value->element_type = value->constant.element_type = change->other % 20;
            if (value->element_type != TENSOR_FLOAT) value->constant.given = 0;
            break;
        case 2:
            value->leaves = !value->leaves && value->producer != MODEL_NO_NODE;
            break;
        case 3:
            if (value->constant.given || value->rank <= 0) break;
            value->dims[change->other % value->rank] =
                number_of(change) < 0 ? -1 : number_of(change);
            break;
        default:
            if (value->constant.given) break;
            value->rank = change->other % (MODEL_MAX_RANK + 2) - 1;
            for (int i = 0; i < value->rank; i++) {
                if (value->dims[i] == 0) value->dims[i] = 1;
            }
    }
}

/* Other inputs, which are computed before or by nobody; fewer of them, and of outputs. */
static void change_wires(struct graph_case* c, const struct graph_change* change,
                         struct model_node* node, int at) {
    const int value = change->value % c->model.value_count;
    switch (change->where % 4) {
        case 0:
            if (node->input_count == 0 || c->values[value].producer >= at) break;
            c->inputs[at][change->other % node->input_count] = value;
            break;
        case 1:
            if (node->input_count == 0) break;
            c->inputs[at][change->other % node->input_count] = MODEL_NO_VALUE;
            break;
        case 2:
            node->input_count = change->other % (node->input_count + 1);
            break;
        default:
            if (node->input_count == GRAPH_MOST_INPUTS || c->values[value].producer >= at) break;
            c->inputs[at][node->input_count++] = value;
    }
}

static void change_node(const struct graph_case* c, const struct graph_change* change,
                        struct model_node* node) {
    switch (change->where % 4) {
        case 0:
            node->op_type = c->nodes[change->other % c->model.node_count].op_type;
            break;
        case 1:
            node->since_version = change->other % 30;
            break;
        case 2:
            node->closed = 1;
            break;
        default:
            node->domain = change->other % 2 ? "com.microsoft" : "";
    }
}

void graph_change(struct graph_case* c, const struct graph_change* change) {
    const int at = change->node % c->model.node_count;
    struct model_node* node = &c->nodes[at];
    c->is_changed = 1;
    switch (change->what / 4 % 8) {
        case 0:
        case 1:
        case 2:
            change_attribute(c, change, node, at);
            break;
        case 3:
        case 4:
            change_value(c, change);
            break;
        case 5:
        case 6:
            change_wires(c, change, node, at);
            break;
        default:
            change_node(c, change, node);
    }
}
