/* Functions of each number, of two numbers, and other orders of axes: as functions of rows. */
#include <string.h>

#include "base/arithmetic.h"
#include "region/plan.h"

enum { SEGMENT = 4096, TASK_NUMBERS = 8192 };

void region_strides(const struct region_place* place, const struct region_shape* shape,
                    int64_t strides[REGION_MAX_RANK]) {
    int64_t inner = 1;
    for (int axis = shape->rank - 1; axis >= 2; axis--) {
        strides[axis] = inner;
        inner *= shape->dims[axis];
    }
    if (shape->rank >= 2) strides[1] = place->channel_stride;
    if (shape->rank >= 1) strides[0] = place->image_stride;
}

/* Strides of an operand along the axes of Y: 0 where it is broadcast. */
static void operand_strides(const struct region_plan* plan, int value, const struct region_shape* y,
                            int64_t* strides) {
    const struct region_shape* shape = &plan->shapes[value];
    int64_t own[REGION_MAX_RANK];
    region_strides(&plan->places[value], shape, own);
    for (int axis = 0; axis < y->rank; axis++) {
        const int from = axis - (y->rank - shape->rank);
        strides[axis] = from < 0 || shape->dims[from] == 1 ? 0 : own[from];
    }
}

/* All axes of Y, outermost first, with the strides of operands; not yet in rows. */
static void set_axes(const struct region_plan* plan, const struct region_op* op,
                     struct region_rows* rows) {
    const struct region_shape* y = &plan->shapes[op->output];
    rows->rank = y->rank;
    memcpy(rows->size, y->dims, sizeof rows->size);
    region_strides(&plan->places[op->output], y, rows->y_stride);
    if (op->kind == REGION_TRANSPOSE) {
        int64_t strides[REGION_MAX_RANK];
        region_strides(&plan->places[op->inputs[0]], &plan->shapes[op->inputs[0]], strides);
        for (int i = 0; i < y->rank; i++) rows->stride[0][i] = strides[op->is.transpose[i]];
        return;
    }
    if (op->kind == REGION_SLICE) {
        region_strides(&plan->places[op->inputs[0]], &plan->shapes[op->inputs[0]], rows->stride[0]);
        return;
    }
    for (int i = 0; i < op->input_count; i++) {
        operand_strides(plan, op->inputs[i], y, rows->stride[i]);
    }
    if (op->kind == REGION_PRELU) {
        for (int i = 0; i < y->rank; i++) rows->stride[1][i] = i == 1 && op->is.prelu.count > 1;
    }
}

static void drop_axis(struct region_rows* rows, int axis) {
    rows->rank--;
    for (int i = axis; i < rows->rank; i++) {
        rows->size[i] = rows->size[i + 1];
        rows->y_stride[i] = rows->y_stride[i + 1];
        for (int k = 0; k < 2; k++) rows->stride[k][i] = rows->stride[k][i + 1];
    }
}

/* Whether the last axis can be part of the row within it. */
static int continues(const struct region_rows* rows) {
    const int last = rows->rank - 1;
    int same = rows->y_stride[last] == rows->length;
    for (int k = 0; k < 2; k++) same &= rows->stride[k][last] == rows->step[k] * rows->length;
    return same;
}

void region_plan_rows(struct region_plan* plan, int op_number) {
    const struct region_op* op = &plan->graph->ops[op_number];
    struct region_step* step = &plan->steps[op_number];
    struct region_rows rows = {.length = 1};
    set_axes(plan, op, &rows);
    for (int axis = rows.rank - 1; axis >= 0; axis--) {
        if (rows.size[axis] == 1) drop_axis(&rows, axis);
    }
    const int last = rows.rank - 1;
    const int any_step = op->kind == REGION_TRANSPOSE || op->kind == REGION_SLICE;
    if (last >= 0 && rows.y_stride[last] == 1 &&
        (any_step || (rows.stride[0][last] <= 1 && rows.stride[1][last] <= 1))) {
        for (int k = 0; k < 2; k++) rows.step[k] = rows.stride[k][last];
        rows.length = rows.size[last];
        rows.rank--;
        while (rows.rank > 0 && continues(&rows)) {
            rows.length *= rows.size[--rows.rank];
        }
    }
    rows.segment = smaller(larger(rows.length, 1), SEGMENT);
    rows.segments = divide_up(rows.length, rows.segment);
    rows.items = rows.segments;
    for (int i = 0; i < rows.rank; i++) rows.items *= rows.size[i];
    rows.items_per_task = larger(1, TASK_NUMBERS / rows.segment);
    step->task_count = divide_up(rows.items, rows.items_per_task);
    step->plan.rows = rows;
}

/* --- Running. */

/* y = f(a, b) where both may be one number. */
static void run_binary(const struct region_binary* binary, float* y, const float* a, const float* b,
                       int64_t count, int a_is_number, int b_is_number) {
    if (a_is_number && b_is_number) {
        binary->vectors(y, a, b, 1);
        for (int64_t i = 1; i < count; i++) y[i] = y[0];
    } else if (b_is_number) {
        binary->second_number(y, a, b, count);
    } else if (a_is_number) {
        binary->first_number(y, a, b, count);
    } else {
        binary->vectors(y, a, b, count);
    }
}

static void run_prelu(unary_kernel kernel, float* y, const float* x, const float* slope,
                      int64_t count, int is_number) {
    if (is_number) {
        kernel(y, x, count, slope[0], 0);
        return;
    }
    for (int64_t i = 0; i < count; i++) y[i] = x[i] < 0 ? x[i] * slope[i] : x[i];
}

static void run_segment(const struct region_op* op, const struct region_rows* rows, float* y,
                        const float* const operands[2], int64_t count) {
    const struct region_unary* unary = &op->is.unary;
    switch (op->kind) {
        case REGION_UNARY:
            unary->kernel(y, operands[0], count, unary->a, unary->b);
            break;
        case REGION_PRELU:
            run_prelu(op->is.prelu.kernel, y, operands[0], operands[1], count, rows->step[1] == 0);
            break;
        case REGION_BINARY:
            run_binary(&op->is.binary, y, operands[0], operands[1], count, rows->step[0] == 0,
                       rows->step[1] == 0);
            break;
        default: /* REGION_TRANSPOSE, REGION_SLICE */
            if (rows->step[0] == 1) {
                memcpy(y, operands[0], (size_t)count * sizeof *y);
            } else {
                for (int64_t i = 0; i < count; i++) y[i] = operands[0][i * rows->step[0]];
            }
            break;
    }
}

/* Where a row is, counting along its axes. */
struct position {
    int64_t index[REGION_MAX_RANK];
    int64_t y, operand[2]; /* floats */
};

static void move_to_next(const struct region_rows* rows, struct position* at) {
    for (int axis = rows->rank - 1; axis >= 0; axis--) {
        int64_t steps = 1;
        if (++at->index[axis] == rows->size[axis]) {
            at->index[axis] = 0;
            steps = 1 - rows->size[axis];
        }
        at->y += steps * rows->y_stride[axis];
        for (int k = 0; k < 2; k++) at->operand[k] += steps * rows->stride[k][axis];
        if (steps == 1) return;
    }
}

static struct position position_of(const struct region_rows* rows, int64_t row) {
    struct position at = {.y = 0};
    for (int axis = rows->rank - 1; axis >= 0; axis--) {
        at.index[axis] = row % rows->size[axis];
        row /= rows->size[axis];
        at.y += at.index[axis] * rows->y_stride[axis];
        for (int k = 0; k < 2; k++) at.operand[k] += at.index[axis] * rows->stride[k][axis];
    }
    return at;
}

/* Where a slice begins in its input. */
static int64_t first_number(const struct region_run* run, const struct region_op* op) {
    if (op->kind != REGION_SLICE) return 0;
    const struct region_shape* shape = &run->plan->shapes[op->inputs[0]];
    int64_t strides[REGION_MAX_RANK];
    region_strides(&run->plan->places[op->inputs[0]], shape, strides);
    const int axis = op->is.slice.axis;
    return smaller(op->is.slice.first, shape->dims[axis]) * strides[axis];
}

void region_run_rows(const struct region_run* run, int op_number, int64_t task) {
    const struct region_op* op = &run->plan->graph->ops[op_number];
    const struct region_rows* rows = &run->plan->steps[op_number].plan.rows;
    float* y = region_pixels(run, op->output);
    const float* operands[2] = {region_pixels(run, op->inputs[0]) + first_number(run, op), NULL};
    if (op->input_count == 2) operands[1] = region_pixels(run, op->inputs[1]);
    if (op->kind == REGION_PRELU) operands[1] = op->is.prelu.slope;
    const int64_t first = task * rows->items_per_task;
    const int64_t end = smaller(rows->items, first + rows->items_per_task);
    struct position at = position_of(rows, first / rows->segments);
    int64_t segment = first % rows->segments;
    for (int64_t item = first; item < end; item++) {
        const int64_t begin = segment * rows->segment;
        const float* here[2] = {operands[0] + at.operand[0] + begin * rows->step[0], NULL};
        if (operands[1] != NULL) here[1] = operands[1] + at.operand[1] + begin * rows->step[1];
        run_segment(op, rows, y + at.y + begin, here, smaller(rows->segment, rows->length - begin));
        if (++segment == rows->segments) {
            segment = 0;
            move_to_next(rows, &at);
        }
    }
}
