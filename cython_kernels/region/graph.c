#include "region/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/arithmetic.h"
#include "base/memory.h"

int region_graph_init(struct region_graph* graph) {
    *graph = (struct region_graph){.sizes = region_sizes_create()};
    return graph->sizes != NULL;
}

void region_op_release(struct region_op* op) {
    free(op->inputs);
    op->inputs = NULL;
    switch (op->kind) {
        case REGION_POINTWISE:
            memory_release((void*)op->is.pointwise.matrix.values);
            memory_release((void*)op->is.pointwise.matrix.indices);
            memory_release((void*)op->is.pointwise.matrix.indptr);
            epilogue_release(&op->is.pointwise.epilogue);
            spmm_layer_destroy(op->is.pointwise.layer);
            break;
        case REGION_CONV:
            memory_release(op->is.conv.weights);
            epilogue_release(&op->is.conv.epilogue);
            conv_layer_destroy(op->is.conv.layer);
            break;
        case REGION_POOL:
            pool_layer_destroy(op->is.pool.layer);
            break;
        case REGION_PRELU:
            memory_release(op->is.prelu.slope);
            break;
        default:
            break;
    }
}

void region_graph_release(struct region_graph* graph) {
    for (int i = 0; i < graph->op_count; i++) region_op_release(&graph->ops[i]);
    for (int i = 0; i < graph->value_count; i++) memory_release(graph->values[i].constant);
    free(graph->ops);
    free(graph->values);
    free(graph->inputs);
    free(graph->outputs);
    free(graph->node_names);
    region_sizes_destroy(graph->sizes);
}

/* Makes room for one more element of an array. */
static int make_room(void** array, int count, int* room, size_t size) {
    if (count < *room) return 1;
    int wanted = *room > 0 ? 2 * *room : 16;
    void* larger_array = realloc(*array, (size_t)wanted * size);
    if (larger_array == NULL) return 0;
    *array = larger_array;
    *room = wanted;
    return 1;
}

int region_add_value(struct region_graph* graph, const struct region_shape* shape, float* constant,
                     int* out) {
    if (!make_room((void**)&graph->values, graph->value_count, &graph->value_room,
                   sizeof *graph->values)) {
        memory_release(constant);
        return 0;
    }
    *out = graph->value_count++;
    graph->values[*out] = (struct region_value){.shape = *shape,
                                                .constant = constant,
                                                .producer = -1,
                                                .input = -1,
                                                .output = -1,
                                                .node = -1,
                                                .part_of = -1};
    return 1;
}

struct region_op* region_add_op(struct region_graph* graph, enum region_kind kind,
                                const int* inputs, int input_count) {
    if (!make_room((void**)&graph->ops, graph->op_count, &graph->op_room, sizeof *graph->ops)) {
        return NULL;
    }
    struct region_op op = {.kind = kind, .input_count = input_count};
    op.inputs = calloc((size_t)larger(input_count, 2), sizeof *op.inputs);
    if (op.inputs == NULL ||
        !region_add_value(graph, &(struct region_shape){0}, NULL, &op.output)) {
        free(op.inputs);
        return NULL;
    }
    memcpy(op.inputs, inputs, (size_t)input_count * sizeof *inputs);
    graph->values[op.output].producer = graph->op_count;
    graph->ops[graph->op_count] = op;
    return &graph->ops[graph->op_count++];
}

void region_count_uses(struct region_graph* graph) {
    for (int i = 0; i < graph->value_count; i++) {
        graph->values[i].uses = graph->values[i].output >= 0;
        graph->values[i].producer = -1;
    }
    for (int i = 0; i < graph->op_count; i++) {
        const struct region_op* op = &graph->ops[i];
        for (int k = 0; k < op->input_count; k++) graph->values[op->inputs[k]].uses++;
        graph->values[op->output].producer = i;
        if (op->kind == REGION_SOFTMAX) { /* which takes rows as they follow each other */
            graph->values[op->inputs[0]].contiguous = graph->values[op->output].contiguous = 1;
        }
    }
}

static const char* name_of(const struct model* model, const struct model_node* node) {
    const int output = model_output(node, 0);
    if (node->name[0] != 0 || output == MODEL_NO_VALUE) return node->name;
    return model->values[output].name;
}

int region_keep_names(struct region_graph* graph, const struct model* model) {
    size_t bytes = 1;
    for (int i = 0; i < model->node_count; i++) {
        bytes += sizeof(char*) + strlen(name_of(model, &model->nodes[i])) + 1;
    }
    graph->node_names = malloc(bytes); /* pointers, then what they point to */
    if (graph->node_names == NULL) return 0;
    char* text = (char*)(graph->node_names + model->node_count);
    for (int i = 0; i < model->node_count; i++) {
        graph->node_names[i] = text;
        text = stpcpy(text, name_of(model, &model->nodes[i])) + 1;
    }
    return 1;
}
