/* What the oracle's files share. */
#include "graph_oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fake_ort.h"

const double oracle_rounding = 6e-8;

double oracle_rounded(double value, double roundings) {
    return roundings * oracle_rounding * fabs(value) + 1e-37; /* subnormals may be zero */
}

int oracle_allocate(struct oracle_tensor* tensor, int rank, const int64_t* dims) {
    int64_t count = 1;
    *tensor = (struct oracle_tensor){.known = 0};
    if (rank < 0 || rank > MODEL_MAX_RANK) return 0;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0 || dims[i] > ORACLE_MOST_NUMBERS) return 0;
        count *= dims[i];
        if (count > ORACLE_MOST_NUMBERS) return 0;
    }
    *tensor = (struct oracle_tensor){.known = 1, .rank = rank, .count = count};
    if (rank > 0) memcpy(tensor->dims, dims, (size_t)rank * sizeof *dims);
    tensor->values = fake_allocate((size_t)tensor->count, sizeof *tensor->values);
    tensor->bounds = fake_allocate((size_t)tensor->count, sizeof *tensor->bounds);
    return 1;
}

void oracle_release(struct oracle_tensor* tensor) {
    free(tensor->values);
    free(tensor->bounds);
    *tensor = (struct oracle_tensor){.known = 0};
}

const struct oracle_tensor* oracle_input(const struct oracle_node* n, int index) {
    const int value = model_input(n->node, index);
    if (value == MODEL_NO_VALUE) return NULL;
    struct oracle_tensor* tensor = &n->tensors[value];
    const struct tensor* constant = &n->model->values[value].constant;
    if (!tensor->known && constant->given && constant->element_type == TENSOR_FLOAT &&
        oracle_allocate(tensor, (int)constant->rank, constant->dims)) {
        for (int64_t i = 0; i < tensor->count; i++) {
            tensor->values[i] = ((const float*)constant->data)[i];
        }
    }
    return tensor->known ? tensor : NULL;
}

struct oracle_tensor* oracle_output(const struct oracle_node* n, int index, int rank,
                                    const int64_t* dims) {
    const int value = model_output(n->node, index);
    if (value == MODEL_NO_VALUE || n->tensors[value].known) return NULL;
    return oracle_allocate(&n->tensors[value], rank, dims) ? &n->tensors[value] : NULL;
}

int oracle_ints(const struct oracle_node* n, const char* attribute, int input, int64_t* ints) {
    const struct model_attribute* found = model_attribute(n->node, attribute);
    if (found != NULL) {
        if (found->type != MODEL_ATTRIBUTE_INTS || found->count > 16) return -2;
        for (int64_t i = 0; i < found->count; i++) ints[i] = found->ints[i];
        return (int)found->count;
    }
    const int value = model_input(n->node, input);
    if (value == MODEL_NO_VALUE) return -1;
    const struct tensor* constant = &n->model->values[value].constant;
    if (!constant->given || constant->element_type != TENSOR_INT64 || constant->rank != 1 ||
        constant->dims[0] > 16) {
        return -2;
    }
    for (int64_t i = 0; i < constant->dims[0]; i++) ints[i] = ((const int64_t*)constant->data)[i];
    return (int)constant->dims[0];
}

int oracle_axis(int64_t axis, int rank) {
    if (axis < -rank || axis >= rank) return -1;
    return (int)(axis < 0 ? axis + rank : axis);
}

/* Where a number is no number or too large for float32, nothing is known. */
static void bound_all(struct oracle_tensor* tensor) {
    for (int64_t i = 0; i < tensor->count; i++) {
        /* As a float, it is rounded at least once. */
        tensor->bounds[i] += oracle_rounded(tensor->values[i], 1);
        if (!(fabs(tensor->values[i]) < 1e37) || !(tensor->bounds[i] < 1e37)) {
            tensor->bounds[i] = INFINITY;
            if (!isfinite(tensor->values[i])) tensor->values[i] = 0;
        }
    }
}

enum oracle_verdict oracle_run_node(const struct model* model, int node,
                                    struct oracle_tensor* tensors) {
    static oracle_rule (*const rooms[])(const struct model_node*) = {oracle_elementwise,
                                                                     oracle_layers, oracle_shapes};
    const struct oracle_node n = {model, &model->nodes[node], tensors};
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        oracle_rule rule = rooms[i](n.node);
        if (rule == NULL) continue;
        enum oracle_verdict verdict = rule(&n);
        for (int o = 0; o < n.node->output_count; o++) {
            if (n.node->outputs[o] == MODEL_NO_VALUE) continue;
            struct oracle_tensor* output = &tensors[n.node->outputs[o]];
            if (verdict != ORACLE_COMPUTED) oracle_release(output);
            if (output->known) bound_all(output);
        }
        return verdict;
    }
    return ORACLE_UNKNOWN;
}
