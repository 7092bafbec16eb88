/* Reading a node of a model into the graph of a region: what all readers share. */
#include "region/read.h"

#include <stdlib.h>

#include "base/memory.h"

int region_no_memory(struct region_reader* r) {
    return status_fail(r->why, STATUS_NO_MEMORY, "not enough memory");
}

const struct model_value* region_model_input(const struct region_reader* r, int index) {
    int value = model_input(r->node, index);
    return value == MODEL_NO_VALUE ? NULL : &r->model->values[value];
}

static int is_float(const struct tensor* tensor) {
    return tensor->element_type == TENSOR_FLOAT || tensor->element_type == TENSOR_FLOAT16;
}

int region_read_floats(struct region_reader* r, int index, int rank, float** floats,
                       int64_t* count) {
    const struct model_value* value = region_model_input(r, index);
    if (value == NULL || !value->constant.given) {
        return status_fail(r->why, STATUS_INVALID, "input %d must be a constant, but is %s", index,
                           value == NULL ? "missing" : "computed");
    }
    const struct tensor* tensor = &value->constant;
    struct region_shape shape = {.rank = (int)tensor->rank};
    memcpy(shape.dims, tensor->dims, sizeof shape.dims);
    *count = region_count(&shape);
    if (!is_float(tensor) || (rank >= 0 && shape.rank != rank) || *count < 0) {
        return status_fail(r->why, STATUS_INVALID,
                           "input %d must be of type float, but has ONNX element type %d and rank "
                           "%d",
                           index, tensor->element_type, shape.rank);
    }
    *floats = tensor_widen_floats(tensor, *count);
    return *floats != NULL || region_no_memory(r);
}

int region_read_ints(struct region_reader* r, int index, int64_t* ints, int most, int* count) {
    const struct model_value* value = region_model_input(r, index);
    *count = -1;
    if (value == NULL) return 1;
    const struct tensor* tensor = &value->constant;
    int is_index = tensor->element_type == TENSOR_INT64 || tensor->element_type == TENSOR_INT32;
    int64_t size = tensor->rank == 0 ? 1 : tensor->dims[0];
    if (!tensor->given || !is_index || tensor->rank > 1 || size > most) {
        return status_fail(r->why, STATUS_INVALID,
                           "input %d must be a constant of at most %d integers, but is not", index,
                           most);
    }
    for (*count = 0; *count < size; (*count)++) ints[*count] = tensor_index_at(tensor, *count);
    return 1;
}

int region_read_ints_of(struct region_reader* r, const char* name, int input, int64_t* ints,
                        int most, int* count) {
    const struct model_attribute* attribute = model_attribute(r->node, name);
    if (attribute == NULL) return region_read_ints(r, input, ints, most, count);
    if (attribute->type != MODEL_ATTRIBUTE_INTS || attribute->count > most) {
        return status_fail(r->why, STATUS_INVALID, "%s must be at most %d integers, but is not",
                           name, most);
    }
    *count = (int)attribute->count;
    memcpy(ints, attribute->ints, (size_t)*count * sizeof *ints);
    return 1;
}

int region_read_axis(struct region_reader* r, int64_t axis, int rank, int* out) {
    if (axis < -rank || axis >= rank) {
        return status_fail(r->why, STATUS_INVALID, "the axis must lie in %d..%d, but is %lld",
                           -rank, rank - 1, LL(axis));
    }
    *out = (int)(axis < 0 ? axis + rank : axis);
    return 1;
}

int region_add_constant(struct region_reader* r, const struct region_shape* shape, float* numbers,
                        int* value) {
    return region_add_value(r->graph, shape, numbers, value) || region_no_memory(r);
}

/* A constant operand, once for each time that it is read. */
static int copy_constant(struct region_reader* r, int index, int* value) {
    struct region_shape shape = {0};
    int64_t count;
    float* numbers;
    if (!region_read_floats(r, index, -1, &numbers, &count)) return 0;
    const struct tensor* tensor = &region_model_input(r, index)->constant;
    shape.rank = (int)tensor->rank;
    memcpy(shape.dims, tensor->dims, sizeof shape.dims);
    return region_add_constant(r, &shape, numbers, value);
}

int region_read_input(struct region_reader* r, int index, int least_rank, int most_rank,
                      int* value) {
    const struct model_value* input = region_model_input(r, index);
    if (input == NULL) {
        return status_fail(r->why, STATUS_INVALID, "input %d must be given, but is missing", index);
    }
    if (input->element_type != TENSOR_FLOAT) {
        return status_fail(r->why, STATUS_INVALID,
                           "input %d must be float32, but has ONNX element type %d", index,
                           input->element_type);
    }
    int rank = input->constant.given ? (int)input->constant.rank : input->rank;
    if (rank < least_rank || rank > most_rank) {
        return rank == MODEL_UNKNOWN_RANK
                   ? status_fail(r->why, STATUS_INVALID, "input %d must have a known rank", index)
                   : status_fail(r->why, STATUS_INVALID,
                                 "input %d must have rank %d to %d, but has rank %d", index,
                                 least_rank, most_rank, rank);
    }
    if (input->constant.given) return copy_constant(r, index, value);
    *value = r->values[model_input(r->node, index)];
    return *value != REGION_NO_VALUE ||
           status_fail(r->why, STATUS_INVALID, "input %d is computed outside of the region", index);
}

struct region_op* region_begin_op(struct region_reader* r, enum region_kind kind, const int* inputs,
                                  int count) {
    struct region_op* op = region_add_op(r->graph, kind, inputs, count);
    if (op == NULL) {
        region_no_memory(r);
    } else {
        r->graph->values[op->output].node = (int)(r->node - r->model->nodes);
    }
    return op;
}

int region_finish_op(struct region_reader* r, int* output) {
    struct region_graph* graph = r->graph;
    const struct region_op* op = &graph->ops[graph->op_count - 1];
    const struct region_shape** inputs = malloc((size_t)op->input_count * sizeof(void*));
    if (inputs == NULL) return region_no_memory(r);
    for (int i = 0; i < op->input_count; i++) inputs[i] = &graph->values[op->inputs[i]].shape;
    int fits = region_infer(op, inputs, &graph->values[op->output].shape, graph->sizes, r->why);
    free(inputs);
    *output = op->output;
    return fits;
}

int region_give_output(struct region_reader* r, int output, int value) {
    const int number = model_output(r->node, output);
    const struct model_value* said = &r->model->values[number];
    struct region_shape* shape = &r->graph->values[value].shape;
    if (said->rank != MODEL_UNKNOWN_RANK && said->rank != shape->rank) {
        return status_fail(r->why, STATUS_INVALID,
                           "output %d is said to have rank %d, but has rank %d", output, said->rank,
                           shape->rank);
    }
    for (int i = 0; i < said->rank; i++) { /* none where it is unknown */
        if (shape->dims[i] < 0 && said->dims[i] >= 0) shape->dims[i] = said->dims[i];
    }
    r->values[number] = value;
    return 1;
}

int region_end_op(struct region_reader* r, int output) {
    int value;
    return region_finish_op(r, &value) && region_give_output(r, output, value);
}

static int has_output(const struct region_reader* r) {
    return model_output(r->node, 0) != MODEL_NO_VALUE ||
           status_fail(r->why, STATUS_INVALID, "it has no output");
}

int region_read_node(struct region_reader* r, int node) {
    static region_node_reader (*const rooms[])(const struct model_node*) = {
        region_layer_reader, region_elementwise_reader, region_pool_reader, region_shape_reader};
    r->node = &r->model->nodes[node];
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        region_node_reader reader = rooms[i](r->node);
        if (reader != NULL) return has_output(r) && reader(r);
    }
    return status_fail(r->why, STATUS_INVALID, "regions do not know this operator");
}
