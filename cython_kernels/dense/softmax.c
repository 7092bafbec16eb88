#include "dense/softmax.h"

#include <math.h>
#include <stddef.h>

#include "base/arithmetic.h"

/* Floats that a task shall be worth: some 4 microseconds of a good CPU. */
enum { TASK_FLOATS = 8 << 10 };

void softmax_plan_make(struct softmax_plan* plan, enum softmax_kind kind, int64_t rows,
                       int64_t count, const struct isa* isa) {
    const struct microkernel_set* set = microkernel_set_of(isa);
    *plan = (struct softmax_plan){
        .kind = kind,
        .rows = rows,
        .count = count,
        .maximum = microkernel_find(set, MICROKERNEL_REDUCE, REDUCE_MAXIMUM, 0)->run.reduce,
        .exp_sum = microkernel_find(set, MICROKERNEL_EXP_SUM, 0, 0)->run.exp_sum,
        .affine = microkernel_find(set, MICROKERNEL_UNARY, UNARY_AFFINE, 0)->run.unary,
        .subtract = microkernel_find(set, MICROKERNEL_BINARY, BINARY_SUB, BINARY_SECOND_IS_NUMBER)
                        ->run.binary,
        .rows_per_task = larger(1, TASK_FLOATS / larger(1, count)),
    };
    plan->task_count = count == 0 ? 0 : divide_up(rows, plan->rows_per_task);
}

static void run_row(const struct softmax_plan* plan, const float* x, float* y) {
    const int64_t count = plan->count;
    const float maximum = plan->maximum(x, count);
    if (plan->kind == SOFTMAX) {
        const float sum = plan->exp_sum(y, x, count, maximum);
        plan->affine(y, y, count, 1.0f / sum, 0.0f);
    } else { /* in two steps, since the maximum may be large */
        const float log_sum = logf(plan->exp_sum(NULL, x, count, maximum));
        plan->subtract(y, x, &maximum, count);
        plan->subtract(y, y, &log_sum, count);
    }
}

void softmax_run_task(const struct softmax_plan* plan, const struct softmax_operands* operands,
                      int64_t task) {
    const int64_t first = task * plan->rows_per_task;
    const int64_t end = smaller(plan->rows, first + plan->rows_per_task);
    for (int64_t row = first; row < end; row++) {
        run_row(plan, operands->x + row * plan->count, operands->y + row * plan->count);
    }
}
