/* Copies: of values that could not be renamed or computed in their place, and padding. */
#include <string.h>

#include "base/arithmetic.h"
#include "region/plan.h"

enum { TASK_NUMBERS = 16384 };

/* The axis along which rows of padding lie: behind it nothing is padded, and all is contiguous. */
static int row_axis(const struct region_plan* plan, const struct region_op* op) {
    const struct region_shape* y = &plan->shapes[op->output];
    int axis = y->rank - 1;
    if (!region_is_contiguous(&plan->places[op->output], y) ||
        !region_is_contiguous(&plan->places[op->inputs[0]], &plan->shapes[op->inputs[0]])) {
        return axis;
    }
    while (axis > 0 && op->is.pad.before[axis] == 0 && op->is.pad.after[axis] == 0) axis--;
    return axis;
}

/* Numbers of a value along an axis and behind it. */
static int64_t numbers_from(const struct region_shape* shape, int axis) {
    int64_t count = 1;
    for (; axis < shape->rank; axis++) count *= shape->dims[axis];
    return count;
}

/* Numbers of Y, or rows of it for padding, that a task copies. */
static int64_t items_per_task(const struct region_plan* plan, const struct region_op* op) {
    if (op->kind != REGION_PAD) return TASK_NUMBERS;
    const int64_t row = numbers_from(&plan->shapes[op->output], row_axis(plan, op));
    return larger(1, TASK_NUMBERS / larger(1, row));
}

static int64_t item_count(const struct region_plan* plan, const struct region_op* op) {
    const struct region_shape* y = &plan->shapes[op->output];
    const int64_t count = region_count(y);
    return op->kind != REGION_PAD || count == 0 ? count
                                                : count / numbers_from(y, row_axis(plan, op));
}

void region_plan_copy(struct region_plan* plan, int op_number) {
    const struct region_op* op = &plan->graph->ops[op_number];
    plan->steps[op_number].task_count = divide_up(item_count(plan, op), items_per_task(plan, op));
}

/* Where number `index` of a value lies, and how many follow it there. */
static int64_t locate(const struct region_place* place, const struct region_shape* shape,
                      int64_t index, int64_t* follow) {
    if (region_is_contiguous(place, shape)) {
        *follow = region_count(shape) - index;
        return index;
    }
    const int64_t plane = region_plane(shape), number = index / plane;
    *follow = plane - index % plane;
    return number / shape->dims[1] * place->image_stride +
           number % shape->dims[1] * place->channel_stride + index % plane;
}

/* The same numbers in the same order. */
static void copy_range(const struct region_run* run, int to, int from, int64_t first, int64_t end) {
    const struct region_plan* plan = run->plan;
    float* y = region_pixels(run, to);
    const float* x = region_pixels(run, from);
    for (int64_t i = first; i < end;) {
        int64_t room, left;
        const int64_t at = locate(&plan->places[to], &plan->shapes[to], i, &room);
        const int64_t source = locate(&plan->places[from], &plan->shapes[from], i, &left);
        const int64_t count = smaller(end - i, smaller(room, left));
        memcpy(y + at, x + source, (size_t)count * sizeof *y);
        i += count;
    }
}

/* Inputs that are not where they belong. */
static void copy_concat(const struct region_run* run, const struct region_op* op, int64_t begin,
                        int64_t end) {
    const struct region_plan* plan = run->plan;
    const struct region_shape* shape = &plan->shapes[op->output];
    const struct region_place* to = &plan->places[op->output];
    const int64_t plane = region_plane(shape);
    float* y = region_pixels(run, op->output);
    int input = 0;
    int64_t before = 0; /* channels of the inputs before this one */
    for (int64_t i = begin; i < end;) {
        const int64_t number = i / plane, pixel = i % plane;
        const int64_t image = number / shape->dims[1], channel = number % shape->dims[1];
        const int64_t count = smaller(end - i, plane - pixel);
        if (channel < before) input = 0, before = 0;
        while (channel - before >= plan->shapes[op->inputs[input]].dims[1]) {
            before += plan->shapes[op->inputs[input++]].dims[1];
        }
        const struct region_place* from = &plan->places[op->inputs[input]];
        const float* x = region_pixels(run, op->inputs[input]) + image * from->image_stride +
                         (channel - before) * from->channel_stride + pixel;
        float* here = y + image * to->image_stride + channel * to->channel_stride + pixel;
        if (here != x) memcpy(here, x, (size_t)count * sizeof *y);
        i += count;
    }
}

static void fill(float* y, int64_t count, float value) {
    for (int64_t i = 0; i < count; i++) y[i] = value;
}

/* A row of a padded value: along this axis, with what is behind it. */
static void pad_row(const struct region_run* run, const struct region_op* op, int along,
                    int64_t row) {
    const struct region_plan* plan = run->plan;
    const struct region_shape *to = &plan->shapes[op->output], *from = &plan->shapes[op->inputs[0]];
    int64_t to_stride[REGION_MAX_RANK], from_stride[REGION_MAX_RANK], at = 0, source = 0;
    int inside = 1;
    region_strides(&plan->places[op->output], to, to_stride);
    region_strides(&plan->places[op->inputs[0]], from, from_stride);
    for (int axis = along - 1; axis >= 0; axis--) {
        const int64_t index = row % to->dims[axis], before = index - op->is.pad.before[axis];
        row /= to->dims[axis];
        at += index * to_stride[axis];
        source += before * from_stride[axis];
        inside &= before >= 0 && before < from->dims[axis];
    }
    const int64_t behind = numbers_from(to, along + 1), whole = to->dims[along] * behind;
    const int64_t begin = op->is.pad.before[along] * behind;
    const int64_t count = inside ? from->dims[along] * behind : 0;
    float* y = region_pixels(run, op->output) + at;
    const float* x = inside ? region_pixels(run, op->inputs[0]) + source : NULL;
    const int64_t y_step = behind == 1 ? to_stride[along] : 1;
    const int64_t x_step = behind == 1 ? from_stride[along] : 1;
    if (count == 0 || y_step != 1 || x_step != 1) {
        for (int64_t i = 0; i < whole; i++) {
            const int is_copy = i >= begin && i < begin + count;
            y[i * y_step] = is_copy ? x[(i - begin) * x_step] : op->is.pad.value;
        }
        return;
    }
    fill(y, begin, op->is.pad.value);
    memcpy(y + begin, x, (size_t)count * sizeof *y);
    fill(y + begin + count, whole - begin - count, op->is.pad.value);
}

void region_run_copy(const struct region_run* run, int op_number, int64_t task) {
    const struct region_op* op = &run->plan->graph->ops[op_number];
    const int64_t each = items_per_task(run->plan, op), first = task * each;
    const int64_t end = smaller(item_count(run->plan, op), first + each);
    switch (op->kind) {
        case REGION_CONCAT:
            copy_concat(run, op, first, end);
            break;
        case REGION_PAD:
            for (int64_t row = first; row < end; row++) {
                pad_row(run, op, row_axis(run->plan, op), row);
            }
            break;
        default:
            copy_range(run, op->output, op->inputs[0], first, end);
            break;
    }
}
