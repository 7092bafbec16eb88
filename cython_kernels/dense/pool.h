/* Maximum and average pooling of planes (CHW), with the numbers of ONNX Runtime's MaxPool and
 * AveragePool on CPUs.
 *
 * Planned for a shape, run as tasks, like the layers of spmm/. One spatial axis is two with a
 * height of 1. */
#ifndef ORT_SPARSE_DENSE_POOL_H
#define ORT_SPARSE_DENSE_POOL_H

#include <stdint.h>

#include "base/isa.h"
#include "base/status.h"
#include "base/tensor.h"

enum { POOL_AXES = 2 /* height, width */ };

enum pool_kind { POOL_MAXIMUM, POOL_AVERAGE };

/* As the attributes of ONNX's MaxPool and AveragePool. */
struct pool_geometry {
    enum pool_kind kind;
    int64_t kernel[POOL_AXES], stride[POOL_AXES], dilation[POOL_AXES];
    int64_t pad_begin[POOL_AXES], pad_end[POOL_AXES];
    int ceil_mode;         /* a last window may reach beyond the padding if it starts before it */
    int count_include_pad; /* an average counts padding, but not what is beyond */
};

/* Pixels of Y along an axis, for so many of X. As with ONNX Runtime, a kernel that is larger than
 * the padded input by less than a stride has one window; -1 if it is larger by more. */
int64_t pool_output_size(const struct pool_geometry*, int axis, int64_t input_size);

struct pool_layer;

/* Returns NULL with the status filled in where the geometry breaks a rule or memory is short. */
struct pool_layer* pool_layer_create(const struct pool_geometry*, const struct isa*,
                                     struct status*);
void pool_layer_destroy(struct pool_layer*); /* NULL is allowed */

/* Depends on the layer and the shape only. The layer must outlive it. */
struct pool_plan {
    const struct pool_layer* layer;
    int64_t batch, channels, input_size[POOL_AXES], output_size[POOL_AXES];
    /* A block of output pixels is computed line by line. What the lines of a window have in a
     * column is reduced first, into a line of scratch that includes the padding, then columns. */
    int64_t block_size[POOL_AXES], block_count[POOL_AXES];
    int64_t taps; /* columns of a window that are reduced at once */
    int64_t blocks, blocks_per_task;
    int64_t task_count; /* 0 if Y has no element */
};

/* Returns 0 with the status filled in where the shape breaks a rule. */
int pool_plan_make(struct pool_plan*, const struct pool_layer*, int64_t batch, int64_t channels,
                   const int64_t input_size[POOL_AXES], struct status*);

struct pool_operands {
    struct view x, y;
};

/* Floats of scratch that a task needs, aligned to a cache line. */
enum { POOL_SCRATCH_FLOATS = 32 << 10 };

void pool_run_task(const struct pool_plan*, const struct pool_operands*, int64_t task,
                   float* scratch);

#endif
