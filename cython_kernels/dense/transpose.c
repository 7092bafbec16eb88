#include "dense/transpose.h"

#include <stddef.h>
#include <string.h>

#include "base/arithmetic.h"
#include "base/cache.h"

/* Floats that a task shall move: some 4 microseconds of a good CPU. */
enum { TASK_FLOATS = 16 << 10 };

void transpose_plan_make(struct transpose_plan* plan, enum transpose_direction direction,
                         int64_t images, int64_t channels, int64_t pixels, const struct isa* isa) {
    const struct microkernel_set* set = microkernel_set_of(isa);
    *plan = (struct transpose_plan){
        .direction = direction,
        .images = images,
        .channels = channels,
        .pixels = pixels,
        .kernel = microkernel_find(set, MICROKERNEL_TRANSPOSE, 0, 0)->run.transpose,
    };
    if (channels == 0) return;
    /* In whole cache lines of a plane. */
    plan->pixels_per_task =
        divide_up(larger(1, TASK_FLOATS / channels), CACHE_LINE_FLOATS) * CACHE_LINE_FLOATS;
    plan->tasks_per_image = divide_up(pixels, plan->pixels_per_task);
    plan->task_count = images * plan->tasks_per_image;
}

void transpose_run_task(const struct transpose_plan* plan,
                        const struct transpose_operands* operands, int64_t task) {
    const struct view* planes = &operands->planes;
    const int64_t channels = plan->channels, image = task / plan->tasks_per_image;
    const int64_t first = task % plan->tasks_per_image * plan->pixels_per_task;
    const int64_t count = smaller(plan->pixels - first, plan->pixels_per_task);
    float* plane = planes->pixels + image * planes->image_stride + first;
    float* nhwc = operands->nhwc + (image * plan->pixels + first) * channels;
    const int to_planes = plan->direction == TRANSPOSE_TO_PLANES;
    if (channels == 1) {
        memcpy(to_planes ? plane : nhwc, to_planes ? nhwc : plane, (size_t)count * sizeof *nhwc);
    } else if (to_planes) {
        plan->kernel(plane, planes->channel_stride, nhwc, channels, count, channels);
    } else {
        plan->kernel(nhwc, channels, plane, planes->channel_stride, channels, count);
    }
}
