/* Making a plan. */
#include "region/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Floats of an array that can be addressed at all; sums over the values of a graph fit too. */
static const int64_t most_floats = (int64_t)1 << 45;

static int infer_shape(struct region_plan* plan, const struct region_op* op,
                       const struct region_shape** inputs, struct status* why) {
    struct region_shape* out = &plan->shapes[op->output];
    for (int i = 0; i < op->input_count; i++) inputs[i] = &plan->shapes[op->inputs[i]];
    if (!region_infer(op, inputs, out, NULL, why)) return 0;
    const int64_t count = region_count(out);
    return (count >= 0 && count <= most_floats) ||
           status_fail(why, STATUS_INVALID, "a tensor inside of a region is too large");
}

int region_infer_shapes(struct region_plan* plan, struct status* why) {
    const struct region_graph* graph = plan->graph;
    int most = 1, fits = 1;
    for (int i = 0; i < graph->op_count; i++) {
        if (graph->ops[i].input_count > most) most = graph->ops[i].input_count;
    }
    const struct region_shape** inputs = malloc((size_t)most * sizeof(void*));
    if (inputs == NULL) return status_fail(why, STATUS_NO_MEMORY, "not enough memory");
    for (int i = 0; fits && i < graph->op_count; i++) {
        fits = infer_shape(plan, &graph->ops[i], inputs, why);
    }
    free(inputs);
    return fits;
}

static int allocate_arrays(struct region_plan* plan) {
    const struct region_graph* graph = plan->graph;
    const size_t values = (size_t)graph->value_count + 1;
    plan->inputs = calloc((size_t)graph->input_count + 1, sizeof *plan->inputs);
    plan->outputs = calloc((size_t)graph->output_count + 1, sizeof *plan->outputs);
    plan->shapes = calloc(values, sizeof *plan->shapes);
    plan->places = calloc(values, sizeof *plan->places);
    plan->storages = calloc(values + (size_t)graph->op_count, sizeof *plan->storages);
    plan->steps = calloc((size_t)graph->op_count + 1, sizeof *plan->steps);
    return plan->inputs != NULL && plan->outputs != NULL && plan->shapes != NULL &&
           plan->places != NULL && plan->storages != NULL && plan->steps != NULL;
}

static int check_inputs(const struct region_plan* plan, struct status* why) {
    const struct region_graph* graph = plan->graph;
    for (int i = 0; i < graph->input_count; i++) {
        const int rank = graph->values[graph->inputs[i]].shape.rank;
        if (plan->inputs[i].rank != rank) {
            return status_fail(why, STATUS_INVALID,
                               "input %d of a region must have rank %d, but has rank %d", i, rank,
                               plan->inputs[i].rank);
        }
        const int64_t count = region_count(&plan->inputs[i]);
        if (count < 0 || count > most_floats) {
            return status_fail(why, STATUS_INVALID, "input %d of a region is too large", i);
        }
    }
    return 1;
}

static void take_known_shapes(struct region_plan* plan) {
    const struct region_graph* graph = plan->graph;
    for (int i = 0; i < graph->value_count; i++) {
        if (graph->values[i].constant != NULL) plan->shapes[i] = graph->values[i].shape;
    }
    for (int i = 0; i < graph->input_count; i++) plan->shapes[graph->inputs[i]] = plan->inputs[i];
}

static int make(struct region_plan* plan, struct status* why) {
    const struct region_graph* graph = plan->graph;
    if (!check_inputs(plan, why)) return 0;
    take_known_shapes(plan);
    if (!region_infer_shapes(plan, why)) return 0;
    for (int i = 0; i < graph->output_count; i++) {
        plan->outputs[i] = plan->shapes[graph->outputs[i]];
    }
    if (!region_split_images(plan, why) || !region_find_chains(plan, why)) return 0;
    if (!region_place_values(plan)) {
        return status_fail(why, STATUS_NO_MEMORY, "not enough memory for a plan");
    }
    for (int i = 0; i < graph->op_count; i++) {
        if (!region_plan_step(plan, i, why)) return 0;
    }
    return 1;
}

struct region_plan* region_plan_create(const struct region_graph* graph,
                                       const struct region_shape* inputs, struct status* why) {
    struct region_plan* plan = calloc(1, sizeof *plan);
    if (plan != NULL) plan->graph = graph;
    if (plan == NULL || !allocate_arrays(plan)) {
        region_plan_destroy(plan);
        status_fail(why, STATUS_NO_MEMORY, "not enough memory for a plan");
        return NULL;
    }
    memcpy(plan->inputs, inputs, (size_t)graph->input_count * sizeof *inputs);
    if (make(plan, why)) return plan;
    region_plan_destroy(plan);
    return NULL;
}

void region_plan_destroy(struct region_plan* plan) {
    if (plan == NULL) return;
    free(plan->inputs);
    free(plan->outputs);
    free(plan->shapes);
    free(plan->places);
    free(plan->storages);
    for (int i = 0; plan->steps != NULL && i < plan->graph->op_count; i++) {
        if (plan->steps[i].kind == REGION_STEP_CHAIN) {
            chain_plan_destroy(plan->steps[i].plan.chain.plan);
        }
    }
    free(plan->steps);
    free(plan);
}
