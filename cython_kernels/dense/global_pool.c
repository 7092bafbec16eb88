#include "dense/global_pool.h"

#include "base/arithmetic.h"

/* Floats that a task shall read: some 4 microseconds of a good CPU. */
enum { TASK_FLOATS = 64 << 10 };

void global_pool_plan_make(struct global_pool_plan* plan, enum global_pool_kind kind,
                           int64_t images, int64_t channels, int64_t pixels,
                           const struct isa* isa) {
    const enum reduction reduction = kind == GLOBAL_POOL_MAXIMUM ? REDUCE_MAXIMUM : REDUCE_SUM;
    const struct microkernel_set* set = microkernel_set_of(isa);
    *plan = (struct global_pool_plan){
        .kind = kind,
        .images = images,
        .channels = channels,
        .pixels = pixels,
        .kernel = microkernel_find(set, MICROKERNEL_REDUCE, reduction, 0)->run.reduce,
        .planes_per_task = larger(1, TASK_FLOATS / larger(1, pixels)),
    };
    plan->task_count = divide_up(images * channels, plan->planes_per_task);
}

void global_pool_run_task(const struct global_pool_plan* plan,
                          const struct global_pool_operands* operands, int64_t task) {
    const struct view *x = &operands->x, *y = &operands->y;
    const int64_t first = task * plan->planes_per_task;
    const int64_t end = smaller(plan->images * plan->channels, first + plan->planes_per_task);
    for (int64_t plane = first; plane < end; plane++) {
        const int64_t image = plane / plan->channels, channel = plane % plan->channels;
        float result = plan->kernel(
            x->pixels + image * x->image_stride + channel * x->channel_stride, plan->pixels);
        if (plan->kind == GLOBAL_POOL_AVERAGE) result /= (float)plan->pixels;
        y->pixels[image * y->image_stride + channel * y->channel_stride] = result;
    }
}
