/* One number for each plane: the average of its pixels, their maximum, or their sum. */
#ifndef ORT_SPARSE_DENSE_GLOBAL_POOL_H
#define ORT_SPARSE_DENSE_GLOBAL_POOL_H

#include <stdint.h>

#include "base/isa.h"
#include "base/tensor.h"
#include "microkernels/microkernel.h"

enum global_pool_kind { GLOBAL_POOL_AVERAGE, GLOBAL_POOL_MAXIMUM, GLOBAL_POOL_SUM };

struct global_pool_plan {
    enum global_pool_kind kind;
    int64_t images, channels, pixels; /* of X */
    reduce_kernel kernel;
    int64_t planes_per_task;
    int64_t task_count; /* 0 if Y has no element */
};

/* The average of no pixel is NaN, the maximum -infinity, the sum 0. */
void global_pool_plan_make(struct global_pool_plan*, enum global_pool_kind, int64_t images,
                           int64_t channels, int64_t pixels, const struct isa*);

/* Planes of Y have one pixel. */
struct global_pool_operands {
    struct view x, y;
};

void global_pool_run_task(const struct global_pool_plan*, const struct global_pool_operands*,
                          int64_t task);

#endif
