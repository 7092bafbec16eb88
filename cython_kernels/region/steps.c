/* The step of an operator: its plan for the shapes at hand, and its tasks. */
#include "base/arithmetic.h"
#include "region/layout.h"
#include "region/plan.h"

/* --- Planning. */

static int plan_pointwise(struct region_plan* plan, const struct region_op* op,
                          struct region_step* step) {
    const struct region_shape *x = &plan->shapes[op->inputs[0]], *y = &plan->shapes[op->output];
    struct spmm_shape shape = {.batch = x->dims[0]};
    for (int i = 0; i < SPMM_AXES; i++) {
        const int axis = i - SPMM_AXES + x->rank;
        shape.input_size[i] = axis >= 2 ? x->dims[axis] : 1;
        shape.output_size[i] = axis >= 2 ? y->dims[axis] : 1;
        shape.stride[i] = op->is.pointwise.stride[i];
    }
    spmm_plan_make(&step->plan.spmm, op->is.pointwise.layer, &shape);
    step->task_count = step->plan.spmm.task_count;
    return 1;
}

static int plan_conv(struct region_plan* plan, const struct region_op* op, struct region_step* step,
                     struct status* why) {
    const struct region_shape* x = &plan->shapes[op->inputs[0]];
    int64_t sizes[2];
    region_plane_sizes(x, sizes);
    if (!conv_plan_make(&step->plan.conv, op->is.conv.layer, x->dims[0], sizes, why)) return 0;
    step->task_count = step->plan.conv.task_count;
    return 1;
}

static int plan_pool(struct region_plan* plan, const struct region_op* op, struct region_step* step,
                     struct status* why) {
    const struct region_shape *x = &plan->shapes[op->inputs[0]], *y = &plan->shapes[op->output];
    int64_t sizes[2], results[2];
    region_plane_sizes(x, sizes);
    region_plane_sizes(y, results);
    struct pool_plan* pool = &step->plan.pool;
    if (!pool_plan_make(pool, op->is.pool.layer, x->dims[0], x->dims[1], sizes, why)) return 0;
    step->task_count = pool->task_count;
    return (pool->output_size[0] == results[0] && pool->output_size[1] == results[1]) ||
           status_fail(why, STATUS_INVALID, "a pool of %lld x %lld pixels does not fit",
                       (long long)sizes[0], (long long)sizes[1]);
}

static void plan_global_pool(struct region_plan* plan, const struct region_op* op,
                             struct region_step* step) {
    const struct region_shape* x = &plan->shapes[op->inputs[0]];
    struct global_pool_plan* pool = &step->plan.global_pool;
    global_pool_plan_make(pool, op->is.global_pool.kind, x->dims[0], x->dims[1], region_plane(x),
                          plan->graph->isa);
    step->task_count = pool->task_count;
}

static void plan_softmax(struct region_plan* plan, const struct region_op* op,
                         struct region_step* step) {
    const struct region_shape* x = &plan->shapes[op->inputs[0]];
    const int64_t length = x->dims[x->rank - 1], count = region_count(x); /* not 0 */
    softmax_plan_make(&step->plan.softmax, op->is.softmax, count / length, length,
                      plan->graph->isa);
    step->task_count = step->plan.softmax.task_count;
}

/* Whether a transpose turns NHWC into planes or back, and the plan for that. Other orders of axes
 * are functions of rows. */
static int plan_nhwc(struct region_plan* plan, const struct region_op* op,
                     struct region_step* step) {
    const struct region_shape *x = &plan->shapes[op->inputs[0]], *y = &plan->shapes[op->output];
    const int to_planes = region_is_to_planes(op->is.transpose, x->rank);
    const int to_nhwc = region_is_to_nhwc(op->is.transpose, x->rank);
    const int nhwc = to_planes ? op->inputs[0] : op->output;
    const struct region_shape* planes = to_planes ? y : x;
    if ((!to_planes && !to_nhwc) || region_count(y) == 0 ||
        !region_is_contiguous(&plan->places[nhwc], &plan->shapes[nhwc])) {
        return 0;
    }
    transpose_plan_make(&step->plan.transpose, to_planes ? TRANSPOSE_TO_PLANES : TRANSPOSE_TO_NHWC,
                        planes->dims[0], planes->dims[1], region_plane(planes), plan->graph->isa);
    step->kind = REGION_STEP_LAYER;
    step->task_count = step->plan.transpose.task_count;
    return 1;
}

int region_plan_step(struct region_plan* plan, int op_number, struct status* why) {
    const struct region_op* op = &plan->graph->ops[op_number];
    struct region_step* step = &plan->steps[op_number];
    if (step->kind == REGION_STEP_CHAIN || step->kind == REGION_STEP_INSIDE) return 1;
    switch (op->kind) {
        case REGION_SLICE:
            if (step->kind != REGION_STEP_COPY) return 1;
            step->kind = REGION_STEP_ROWS;
            region_plan_rows(plan, op_number);
            return 1;
        case REGION_RESHAPE:
        case REGION_CONCAT:
            if (step->kind == REGION_STEP_COPY) region_plan_copy(plan, op_number);
            return 1;
        case REGION_PAD:
            step->kind = REGION_STEP_COPY;
            region_plan_copy(plan, op_number);
            return 1;
        case REGION_TRANSPOSE:
            if (plan_nhwc(plan, op, step)) return 1;
            /* fall through */
        case REGION_UNARY:
        case REGION_PRELU:
        case REGION_BINARY:
            step->kind = REGION_STEP_ROWS;
            region_plan_rows(plan, op_number);
            return 1;
        default:
            break;
    }
    step->kind = REGION_STEP_LAYER;
    if (region_count(&plan->shapes[op->output]) == 0) return 1;
    switch (op->kind) {
        case REGION_POINTWISE:
            return plan_pointwise(plan, op, step);
        case REGION_CONV:
            return plan_conv(plan, op, step, why);
        case REGION_POOL:
            return plan_pool(plan, op, step, why);
        case REGION_GLOBAL_POOL:
            plan_global_pool(plan, op, step);
            return 1;
        default: /* REGION_SOFTMAX */
            plan_softmax(plan, op, step);
            return 1;
    }
}

/* --- Running. */

float* region_pixels(const struct region_run* run, int value) {
    const struct region_place* place = &run->plan->places[value];
    const struct region_storage* storage = &run->plan->storages[place->storage];
    switch (storage->kind) {
        case REGION_INPUT:
            return (float*)run->inputs[storage->number] + run->image * storage->floats +
                   place->offset;
        case REGION_OUTPUT:
            return run->outputs[storage->number] + run->image * storage->floats + place->offset;
        case REGION_CONSTANT:
            return run->plan->graph->values[storage->number].constant + place->offset;
        default:
            return run->memory + storage->offset + place->offset;
    }
}

struct view region_view(const struct region_run* run, int value) {
    const struct region_place* place = &run->plan->places[value];
    return (struct view){region_pixels(run, value), place->image_stride, place->channel_stride};
}

static void run_nhwc(const struct transpose_plan* plan, const struct view* x, const struct view* y,
                     int64_t task) {
    const int to_planes = plan->direction == TRANSPOSE_TO_PLANES;
    const struct transpose_operands operands = {to_planes ? *y : *x,
                                                to_planes ? x->pixels : y->pixels};
    transpose_run_task(plan, &operands, task);
}

static void run_layer(const struct region_run* run, const struct region_op* op,
                      const struct region_step* step, int64_t task, float* scratch) {
    const struct view x = region_view(run, op->inputs[0]), y = region_view(run, op->output);
    switch (op->kind) {
        case REGION_POINTWISE: {
            struct spmm_operands operands = {.x = x, .y = y};
            if (op->input_count == 2) operands.residual = region_view(run, op->inputs[1]);
            spmm_run_task(&step->plan.spmm, &operands, task, scratch);
            break;
        }
        case REGION_CONV:
            conv_run_task(&step->plan.conv, &(struct conv_operands){x, y}, task, scratch);
            break;
        case REGION_POOL:
            pool_run_task(&step->plan.pool, &(struct pool_operands){x, y}, task, scratch);
            break;
        case REGION_GLOBAL_POOL:
            global_pool_run_task(&step->plan.global_pool, &(struct global_pool_operands){x, y},
                                 task);
            break;
        case REGION_TRANSPOSE:
            run_nhwc(&step->plan.transpose, &x, &y, task);
            break;
        default: /* REGION_SOFTMAX */
            softmax_run_task(&step->plan.softmax, &(struct softmax_operands){x.pixels, y.pixels},
                             task);
            break;
    }
}

static struct chain_operands chain_operands(const struct region_run* run,
                                            const struct region_op* op,
                                            const struct region_chain* chain) {
    struct chain_operands operands = {
        .x = region_view(run, chain->input),
        .y = region_view(run, op->output),
        .memory = run->memory + run->plan->storages[chain->storage].offset,
    };
    if (op->input_count == 2) operands.residual = region_view(run, op->inputs[1]);
    return operands;
}

void region_begin_step(const struct region_run* run, int op_number) {
    const struct region_step* step = &run->plan->steps[op_number];
    if (step->kind != REGION_STEP_CHAIN) return;
    const struct region_chain* chain = &step->plan.chain;
    chain_begin(chain->plan, run->memory + run->plan->storages[chain->storage].offset);
}

void region_run_task(const struct region_run* run, int op_number, int64_t task, float* scratch) {
    const struct region_step* step = &run->plan->steps[op_number];
    switch (step->kind) {
        case REGION_STEP_NONE:
        case REGION_STEP_INSIDE:
            break;
        case REGION_STEP_CHAIN: {
            const struct region_op* op = &run->plan->graph->ops[op_number];
            const struct chain_operands operands = chain_operands(run, op, &step->plan.chain);
            chain_run_task(step->plan.chain.plan, &operands, task, scratch);
            break;
        }
        case REGION_STEP_LAYER:
            run_layer(run, &run->plan->graph->ops[op_number], step, task, scratch);
            break;
        case REGION_STEP_ROWS:
            region_run_rows(run, op_number, task);
            break;
        case REGION_STEP_COPY:
            region_run_copy(run, op_number, task);
            break;
    }
}
