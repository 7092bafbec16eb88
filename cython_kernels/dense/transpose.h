/* Images from NHWC, where the channels of a pixel lie together, to planes, and back. */
#ifndef ORT_SPARSE_DENSE_TRANSPOSE_H
#define ORT_SPARSE_DENSE_TRANSPOSE_H

#include <stdint.h>

#include "base/isa.h"
#include "base/tensor.h"
#include "microkernels/microkernel.h"

enum transpose_direction { TRANSPOSE_TO_PLANES, TRANSPOSE_TO_NHWC };

struct transpose_plan {
    enum transpose_direction direction;
    int64_t images, channels, pixels;
    transpose_kernel kernel;
    int64_t pixels_per_task, tasks_per_image;
    int64_t task_count; /* 0 if there is no element */
};

void transpose_plan_make(struct transpose_plan*, enum transpose_direction, int64_t images,
                         int64_t channels, int64_t pixels, const struct isa*);

/* One is read, the other written; they may not overlap. */
struct transpose_operands {
    struct view planes;
    float* nhwc; /* (images, pixels, channels) */
};

void transpose_run_task(const struct transpose_plan*, const struct transpose_operands*,
                        int64_t task);

#endif
