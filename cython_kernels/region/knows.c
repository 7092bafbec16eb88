/* Whether a region can have a node: by reading it into a graph of its own. */
#include <stdlib.h>

#include "base/arithmetic.h"
#include "region/graph.h"
#include "region/matrix.h"

/* A model of one node and its values, so that the work does not depend on the rest of the model. */
struct alone {
    struct model model;
    struct model_node node;
    int* numbers; /* of inputs and outputs */
    int* graph_values;
};

static int take_value(struct alone* alone, const struct model* from, int value) {
    if (value == MODEL_NO_VALUE) return MODEL_NO_VALUE;
    alone->model.values[alone->model.value_count] = from->values[value];
    return alone->model.value_count++;
}

static void release_alone(struct alone* alone) {
    free(alone->model.values);
    free(alone->numbers);
    free(alone->graph_values);
}

static int make_alone(struct alone* alone, const struct model* from, int number) {
    const struct model_node* node = &from->nodes[number];
    const size_t most = (size_t)node->input_count + (size_t)node->output_count + 1;
    *alone = (struct alone){.node = *node};
    alone->model.values = malloc(most * sizeof *alone->model.values);
    alone->numbers = malloc(most * sizeof *alone->numbers);
    alone->graph_values = malloc(most * sizeof *alone->graph_values);
    if (alone->model.values == NULL || alone->numbers == NULL || alone->graph_values == NULL) {
        release_alone(alone);
        return 0;
    }
    int count = 0;
    for (int i = 0; i < node->input_count; i++) {
        alone->numbers[count++] = take_value(alone, from, node->inputs[i]);
    }
    for (int i = 0; i < node->output_count; i++) {
        alone->numbers[count++] = take_value(alone, from, node->outputs[i]);
    }
    for (int i = 0; i < count; i++) alone->graph_values[i] = REGION_NO_VALUE;
    alone->node.inputs = alone->numbers;
    alone->node.outputs = alone->numbers + node->input_count;
    alone->model.nodes = &alone->node;
    alone->model.node_count = 1;
    return 1;
}

/* Adds the inputs that are computed. */
static int add_inputs(struct region_reader* r, const struct model_node* node) {
    for (int i = 0; i < node->input_count; i++) {
        if (node->inputs[i] == MODEL_NO_VALUE) continue;
        const struct model_value* value = &r->model->values[node->inputs[i]];
        if (value->constant.given || value->rank < 0) continue;
        const struct region_shape shape = region_shape_of(value, r->graph->sizes);
        if (!region_add_value(r->graph, &shape, NULL, &r->values[node->inputs[i]])) {
            return status_fail(r->why, STATUS_NO_MEMORY, "not enough memory");
        }
    }
    return 1;
}

static int is_float_output(const struct region_reader* r, const struct model_node* node) {
    const int output = model_output(node, 0);
    const int type = output == MODEL_NO_VALUE ? 0 : r->model->values[output].element_type;
    return type == 0 || type == TENSOR_FLOAT ||
           status_fail(r->why, STATUS_INVALID, "its output must be float32");
}

/* --- The guess. */

static void add_numbers(int64_t* total, const struct region_shape* shape) {
    const int64_t count = region_count(shape);
    if (count < 0 || __builtin_add_overflow(*total, count, total)) *total = INT64_MAX;
}

static int is_function(enum unary function) {
    return function != UNARY_CLIP && function != UNARY_LEAKY_RELU && function != UNARY_ABS &&
           function != UNARY_NEG && function != UNARY_AFFINE && function != UNARY_HARD_SIGMOID &&
           function != UNARY_HARD_SWISH;
}

static int is_costly(enum activation activation) {
    return activation == ACTIVATION_SILU || activation == ACTIVATION_SIGMOID;
}

static void set_pointwise_work(const struct region_pointwise* layer, struct region_work* work,
                               const struct region_shape* y) {
    const struct block_csr* matrix = &layer->matrix;
    work->kind = REGION_WORK_POINTWISE;
    work->weights = capped_product(matrix->rows, matrix->columns);
    work->stored = capped_product(region_matrix_blocks(matrix), matrix->block_rows);
    work->pixels = capped_product(y->dims[0], region_plane(y));
    work->multiply_adds = capped_product(work->weights, work->pixels);
    if (is_costly(layer->epilogue.activation)) work->functions = work->outputs;
}

static void set_conv_work(const struct conv_geometry* g, struct region_work* work,
                          const struct region_shape* y) {
    work->kind = REGION_WORK_CONV;
    work->depthwise = g->in_channels == g->groups;
    work->weights =
        capped_product(g->out_channels, g->in_channels / g->groups * g->kernel[0] * g->kernel[1]);
    work->pixels = capped_product(y->dims[0], region_plane(y));
    work->multiply_adds = capped_product(work->weights, work->pixels);
}

/* Adds the work of one operator to that of the node. */
static void add_work(const struct region_op* op, const struct region_shape* const* inputs,
                     const struct region_shape* y, struct region_work* work) {
    for (int i = 0; i < op->input_count; i++) add_numbers(&work->inputs, inputs[i]);
    add_numbers(&work->outputs, y);
    switch (op->kind) {
        case REGION_POINTWISE:
            set_pointwise_work(&op->is.pointwise, work, y);
            break;
        case REGION_CONV:
            set_conv_work(&op->is.conv.geometry, work, y);
            break;
        case REGION_POOL:
        case REGION_GLOBAL_POOL:
            work->kind = REGION_WORK_POOL;
            break;
        case REGION_UNARY:
            if (is_function(op->is.unary.function)) add_numbers(&work->functions, y);
            work->kind = REGION_WORK_ELEMENTWISE;
            break;
        case REGION_SOFTMAX:
            add_numbers(&work->functions, y);
            work->kind = REGION_WORK_ELEMENTWISE;
            break;
        case REGION_PRELU:
        case REGION_BINARY:
            work->kind = REGION_WORK_ELEMENTWISE;
            break;
        default:
            work->kind = REGION_WORK_MOVE;
            break;
    }
}

/* Works out the shapes of all values of the graph, from guessed ones of the node's inputs. */
static int guess_shapes(const struct region_reader* r, struct region_shape* shapes,
                        const struct region_shape** inputs, struct region_work* work) {
    const struct region_graph* graph = r->graph;
    struct status ignored;
    for (int i = 0; i < graph->op_count; i++) {
        const struct region_op* op = &graph->ops[i];
        struct region_shape* out = &shapes[op->output];
        for (int k = 0; k < op->input_count; k++) inputs[k] = &shapes[op->inputs[k]];
        if (!region_infer(op, inputs, out, NULL, &ignored) || region_count(out) < 0) return 0;
        add_work(op, inputs, out, work);
    }
    return 1;
}

static struct region_shape sure_shape(const struct region_shape* shape) {
    struct region_shape sure = *shape;
    for (int i = 0; i < sure.rank; i++) {
        if (sure.dims[i] < 0) sure.dims[i] = MODEL_UNKNOWN_DIM;
    }
    return sure;
}

static int fill_in(const struct region_reader* r, const struct model_node* node,
                   const struct region_guess* guess) {
    const struct region_graph* graph = r->graph;
    size_t most = 1;
    for (int i = 0; i < graph->op_count; i++) {
        if ((size_t)graph->ops[i].input_count > most) most = (size_t)graph->ops[i].input_count;
    }
    struct region_shape* shapes = calloc((size_t)graph->value_count + 1, sizeof *shapes);
    const struct region_shape** inputs = malloc(most * sizeof(void*));
    const int enough = shapes != NULL && inputs != NULL;
    int matches = 1;
    *guess->work = (struct region_work){.kind = REGION_WORK_MOVE};
    for (int i = 0; enough && i < graph->value_count; i++) shapes[i] = graph->values[i].shape;
    for (int i = 0; enough && i < node->input_count; i++) {
        const int value =
            node->inputs[i] == MODEL_NO_VALUE ? REGION_NO_VALUE : r->values[node->inputs[i]];
        if (value == REGION_NO_VALUE) continue;
        matches &= guess->inputs[i].rank == shapes[value].rank;
        shapes[value] = guess->inputs[i];
    }
    const int fits = enough && matches && guess_shapes(r, shapes, inputs, guess->work);
    if (!fits) *guess->work = (struct region_work){.kind = REGION_WORK_MOVE};
    for (int i = 0; i < node->output_count; i++) {
        guess->sure[i] = guess->outputs[i] = (struct region_shape){.rank = MODEL_UNKNOWN_RANK};
        if (node->outputs[i] == MODEL_NO_VALUE) continue;
        const int found = r->values[node->outputs[i]];
        if (found == REGION_NO_VALUE) continue;
        guess->sure[i] = sure_shape(&graph->values[found].shape);
        if (fits) guess->outputs[i] = shapes[found];
    }
    free(shapes);
    free(inputs);
    return enough || status_fail(r->why, STATUS_NO_MEMORY, "not enough memory");
}

int region_knows(const struct model* model, int number, const struct region_guess* guess,
                 struct status* why) {
    struct region_graph graph;
    struct alone alone;
    if (model->nodes[number].closed) {
        return status_fail(why, STATUS_INVALID, "it has subgraphs or another provider");
    }
    if (!make_alone(&alone, model, number)) {
        return status_fail(why, STATUS_NO_MEMORY, "not enough memory");
    }
    int known = 0;
    if (region_graph_init(&graph)) {
        struct region_reader reader = {
            .graph = &graph, .model = &alone.model, .values = alone.graph_values, .why = why};
        known = is_float_output(&reader, &alone.node) && add_inputs(&reader, &alone.node) &&
                region_read_node(&reader, 0);
        if (known && guess != NULL) known = fill_in(&reader, &alone.node, guess);
    } else {
        status_fail(why, STATUS_NO_MEMORY, "not enough memory");
    }
    region_graph_release(&graph);
    release_alone(&alone);
    return known;
}
