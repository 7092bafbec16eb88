#include "region/describe.h"

#include "base/arithmetic.h"
#include "region/plan.h"

static const char* const step_names[] = {
    [REGION_STEP_NONE] = "none", [REGION_STEP_LAYER] = "layer", [REGION_STEP_ROWS] = "rows",
    [REGION_STEP_COPY] = "copy", [REGION_STEP_CHAIN] = "chain", [REGION_STEP_INSIDE] = "inside",
};

#define KIND_NAME(enumerator, name) [enumerator] = name,
static const char* const kind_names[] = {REGION_KIND_LIST(KIND_NAME)};
#undef KIND_NAME

static const char* kind_name(const struct region_op* op) {
    const struct conv_geometry* g = &op->is.conv.geometry;
    return op->kind == REGION_CONV && g->groups == g->in_channels ? "depthwise convolution"
                                                                  : kind_names[op->kind];
}

void region_describe_shape(struct json* json, const struct region_shape* shape) {
    json_begin(json, '[');
    for (int axis = 0; axis < shape->rank; axis++) json_int(json, shape->dims[axis]);
    json_end(json, ']');
}

/* --- Operators. */

/* Whether the work of what once gave a value is this operator's. */
static int does_work_of(const struct region_graph* graph, int op, int value) {
    const struct region_value* values = graph->values;
    while (values[value].producer < 0 && values[value].part_of >= 0) value = values[value].part_of;
    return values[value].producer == op;
}

static void write_nodes(struct json* json, const struct region_graph* graph, int op) {
    int last = -1; /* a node may have become several operators */
    json_key(json, "nodes");
    json_begin(json, '[');
    for (int v = 0; v < graph->value_count; v++) {
        const int node = graph->values[v].node;
        if (node < 0 || node == last || !does_work_of(graph, op, v)) continue;
        json_string(json, graph->node_names[node]);
        last = node;
    }
    json_end(json, ']');
}

static int64_t weights_of(const struct region_op* op) {
    const struct conv_geometry* g = &op->is.conv.geometry;
    if (op->kind == REGION_POINTWISE) {
        return capped_product(spmm_layer_rows(op->is.pointwise.layer),
                              spmm_layer_columns(op->is.pointwise.layer));
    }
    if (op->kind != REGION_CONV) return 0;
    return capped_product(g->out_channels,
                          g->in_channels / g->groups * g->kernel[0] * g->kernel[1]);
}

static void write_kernel(struct json* json, const struct region_op* op) {
    const int64_t* kernel = op->kind == REGION_CONV   ? op->is.conv.geometry.kernel
                            : op->kind == REGION_POOL ? op->is.pool.geometry.kernel
                                                      : NULL;
    json_key(json, "kernel");
    if (kernel == NULL) {
        json_null(json);
        return;
    }
    json_begin(json, '[');
    for (int axis = 0; axis < 2; axis++) json_int(json, kernel[axis]);
    json_end(json, ']');
}

static void write_op(struct json* json, const struct region_plan* plan, int number) {
    const struct region_op* op = &plan->graph->ops[number];
    const struct region_shape* output = &plan->shapes[op->output];
    const int64_t weights = weights_of(op);
    const int64_t stored = op->kind == REGION_POINTWISE ? op->is.pointwise.stored : weights;
    json_begin(json, '{');
    json_key(json, "kind");
    json_string(json, kind_name(op));
    write_nodes(json, plan->graph, number);
    json_key(json, "input");
    region_describe_shape(json, &plan->shapes[op->inputs[0]]);
    json_key(json, "output");
    region_describe_shape(json, output);
    write_kernel(json, op);
    json_key(json, "weights");
    json_int(json, weights);
    json_key(json, "stored");
    json_int(json, stored);
    json_key(json, "multiply_adds");
    json_int(json, stored == 0 ? 0
                               : capped_product(stored, capped_product(output->dims[0],
                                                                       region_plane(output))));
    json_end(json, '}');
}

/* --- Steps. */

int region_plan_op_count(const struct region_plan* plan) { return plan->graph->op_count; }

int region_plan_has_step(const struct region_plan* plan, int op) {
    return plan->steps[op].task_count > 0;
}

void region_describe_step(struct json* json, const struct region_plan* plan, int op) {
    const struct region_step* step = &plan->steps[op];
    json_key(json, "kind");
    json_string(json, step_names[step->kind]);
    json_key(json, "tasks");
    json_int(json, step->task_count);
    json_key(json, "ring_bytes");
    if (step->kind == REGION_STEP_CHAIN) {
        json_int(json, chain_plan_line_floats(step->plan.chain.plan) * (int64_t)sizeof(float));
    } else {
        json_null(json);
    }
    json_key(json, "ops");
    json_begin(json, '[');
    for (int i = 0; i < op; i++) {
        const struct region_step* other = &plan->steps[i];
        if (other->kind == REGION_STEP_INSIDE && other->plan.inside == op) write_op(json, plan, i);
    }
    write_op(json, plan, op);
    json_end(json, ']');
}

void region_describe_steps(struct json* json, const struct region_plan* plan) {
    json_begin(json, '[');
    for (int op = 0; op < region_plan_op_count(plan); op++) {
        if (!region_plan_has_step(plan, op)) continue;
        json_begin(json, '{');
        region_describe_step(json, plan, op);
        json_end(json, '}');
    }
    json_end(json, ']');
}
