/* Which layers of a region are computed depth first: those between which large planes would lie. */
#include <stdlib.h>

#include "base/cache.h"
#include "region/plan.h"

/* A run of layers that could be a chain. */
struct candidate {
    int count;
    struct chain_unit units[CHAIN_MOST_UNITS];
    int last_ops[CHAIN_MOST_UNITS]; /* of the units */
};

/* The operator that reads a value, if only that one does and nobody else gets it; or -1. */
static int* find_readers(const struct region_graph* graph) {
    int* readers = malloc((size_t)(graph->value_count + 1) * sizeof *readers);
    for (int i = 0; readers != NULL && i < graph->value_count; i++) readers[i] = -1;
    for (int i = 0; readers != NULL && i < graph->op_count; i++) {
        const struct region_op* op = &graph->ops[i];
        const struct region_value* value = &graph->values[op->inputs[0]];
        if (value->uses == 1 && value->output < 0) readers[op->inputs[0]] = i;
    }
    return readers;
}

static int has_planes(const struct region_plan* plan, int value) {
    const struct region_shape* shape = &plan->shapes[value];
    return shape->rank == 4 && shape->dims[0] > 0 && shape->dims[2] > 1 && shape->dims[3] > 0;
}

static int is_pointwise(const struct region_op* op) {
    if (op->kind != REGION_POINTWISE) return 0;
    for (int axis = 0; axis < SPMM_AXES; axis++) {
        if (op->is.pointwise.stride[axis] != 1) return 0;
    }
    return 1;
}

/* Whether the planes of a value, of one image, would hardly stay in the cache until they are read,
 * and are wide enough to be computed line by line. */
static int is_better_rolled(const struct region_plan* plan, int value) {
    const struct region_shape* shape = &plan->shapes[value];
    const int64_t least_width = 56;
    const int64_t floats = shape->dims[1] * shape->dims[2] * shape->dims[3];
    return shape->dims[3] >= least_width && floats * (int64_t)sizeof(float) > cache_l2_bytes() / 2;
}

/* Adds the depthwise layer that reads a value, and the pointwise one behind it. Returns whether the
 * chain may go on. */
static int add_unit(const struct region_plan* plan, const int* readers, int value,
                    struct candidate* found) {
    const struct region_graph* graph = plan->graph;
    const int reader = readers[value];
    if (reader < 0 || found->count == CHAIN_MOST_UNITS || !is_better_rolled(plan, value)) return 0;
    const struct region_op* op = &graph->ops[reader];
    if (op->kind != REGION_CONV || !conv_layer_takes_lines(op->is.conv.layer)) return 0;
    struct chain_unit* unit = &found->units[found->count];
    unit->conv = op->is.conv.layer;
    found->last_ops[found->count++] = reader;
    const int next = readers[op->output];
    if (next < 0 || !is_pointwise(&graph->ops[next])) return 0;
    unit->pointwise = graph->ops[next].is.pointwise.layer;
    found->last_ops[found->count - 1] = next;
    return graph->ops[next].input_count == 1; /* a residual would need planes */
}

static void find_units(const struct region_plan* plan, const int* readers, int first,
                       struct candidate* found) {
    const struct region_op* op = &plan->graph->ops[first];
    *found = (struct candidate){.count = 0};
    if (!has_planes(plan, op->inputs[0]) || !has_planes(plan, op->output)) return;
    if (op->kind == REGION_CONV) {
        found->units[0].conv = op->is.conv.layer;
    } else if (is_pointwise(op) && op->input_count == 1) {
        found->units[0].pointwise = op->is.pointwise.layer;
    } else {
        return;
    }
    found->last_ops[found->count++] = first;
    for (int value = op->output; add_unit(plan, readers, value, found);) {
        value = plan->graph->ops[found->last_ops[found->count - 1]].output;
    }
}

/* As many units as have rings that the L2 cache holds beside weights and panel. Returns NULL with
 * an empty status where there are none. */
static struct chain_plan* make_chain(const struct region_plan* plan, const struct region_op* first,
                                     struct candidate* found, struct status* status) {
    const struct region_shape* shape = &plan->shapes[first->inputs[0]];
    const int64_t most = cache_l2_bytes() / 8 * 7 / (int64_t)sizeof(float);
    for (; found->count > 1; found->count--) {
        *status = (struct status){.message = ""};
        struct chain_plan* chain =
            chain_plan_create(found->units, found->count, shape->dims[0], &shape->dims[2], status);
        if (chain == NULL && status->code == STATUS_NO_MEMORY) return NULL;
        if (chain == NULL) continue;
        if (chain_plan_line_floats(chain) <= most) return chain;
        chain_plan_destroy(chain);
    }
    *status = (struct status){.message = ""};
    return NULL;
}

/* The operators of a chain lie between others, which do not read what is inside of it. */
static void set_steps(struct region_plan* plan, const int* readers, int first, int last,
                      struct chain_plan* chain) {
    for (int i = first; i != last; i = readers[plan->graph->ops[i].output]) {
        plan->steps[i].kind = REGION_STEP_INSIDE;
        plan->steps[i].plan.inside = last;
    }
    struct region_step* step = &plan->steps[last];
    step->kind = REGION_STEP_CHAIN;
    step->task_count = chain_plan_tasks(chain);
    step->plan.chain.plan = chain;
    step->plan.chain.input = plan->graph->ops[first].inputs[0];
}

int region_find_chains(struct region_plan* plan, struct status* why) {
    const struct region_graph* graph = plan->graph;
    int* readers = find_readers(graph);
    if (readers == NULL) return status_fail(why, STATUS_NO_MEMORY, "not enough memory for a plan");
    int succeeded = 1;
    for (int i = 0; succeeded && i < graph->op_count; i++) {
        if (plan->steps[i].kind != REGION_STEP_NONE) continue;
        struct candidate found;
        find_units(plan, readers, i, &found);
        if (found.count < 2) continue;
        struct status status = {.message = ""};
        struct chain_plan* chain = make_chain(plan, &graph->ops[i], &found, &status);
        if (chain != NULL) {
            set_steps(plan, readers, i, found.last_ops[found.count - 1], chain);
        } else if (status.code == STATUS_NO_MEMORY) {
            succeeded = status_fail(why, STATUS_NO_MEMORY, "not enough memory for a plan");
        }
    }
    free(readers);
    return succeeded;
}
