/* exp(x) / sum of exp(x), or its logarithm, over each row of contiguous floats. */
#ifndef ORT_SPARSE_DENSE_SOFTMAX_H
#define ORT_SPARSE_DENSE_SOFTMAX_H

#include <stdint.h>

#include "base/isa.h"
#include "microkernels/microkernel.h"

enum softmax_kind { SOFTMAX, LOG_SOFTMAX };

struct softmax_plan {
    enum softmax_kind kind;
    int64_t rows, count; /* floats of a row */
    reduce_kernel maximum;
    exp_sum_kernel exp_sum;
    unary_kernel affine;
    binary_kernel subtract;
    int64_t rows_per_task;
    int64_t task_count; /* 0 if Y has no element */
};

void softmax_plan_make(struct softmax_plan*, enum softmax_kind, int64_t rows, int64_t count,
                       const struct isa*);

/* Rows lie one after the other. y may be x. */
struct softmax_operands {
    const float* x;
    float* y;
};

void softmax_run_task(const struct softmax_plan*, const struct softmax_operands*, int64_t task);

#endif
