/* A convolution of few input channels a group, Y = act(W * X + b): depthwise layers of any kernel,
 * stride, dilation, padding and channel multiplier, and stems. Planes stay as they are (CHW).
 *
 * Packed once, planned for a shape, run as tasks, like the layers of spmm/. One spatial axis is two
 * with a height of 1. */
#ifndef ORT_SPARSE_DENSE_CONV_H
#define ORT_SPARSE_DENSE_CONV_H

#include <stddef.h>
#include <stdint.h>

#include "base/epilogue.h"
#include "base/isa.h"
#include "base/status.h"
#include "base/tensor.h"
#include "microkernels/microkernel.h"

enum { CONV_AXES = 2 /* height, width */ };

/* Of each output pixel: input channels of a group times cells of the kernel. */
enum { CONV_MAX_TAPS = 256 };

/* As the attributes of ONNX's Conv. */
struct conv_geometry {
    int64_t in_channels, out_channels, groups;
    int64_t kernel[CONV_AXES], stride[CONV_AXES], dilation[CONV_AXES];
    int64_t pad_begin[CONV_AXES], pad_end[CONV_AXES];
};

/* Whether the input of one output pixel, with what its copy adds, fits the scratch of a task, so
 * that conv_plan_make succeeds for every shape that the kernel fits. */
int conv_geometry_fits(const struct conv_geometry*);

struct conv_layer;

/* Packs the weights, (out_channels, in_channels / groups, height, width) floats; copies everything
 * it needs. The bias may be NULL for zeros. Returns NULL with the status filled in where the
 * geometry breaks a rule or memory is short. */
struct conv_layer* conv_layer_create(const struct conv_geometry*, const float* weights,
                                     const struct epilogue*, const struct isa*, struct status*);
void conv_layer_destroy(struct conv_layer*); /* NULL is allowed */

/* Depends on the layer and the shape only. The layer must outlive it. */
struct conv_plan {
    const struct conv_layer* layer;
    conv_kernel kernel;
    int64_t batch, input_size[CONV_AXES], output_size[CONV_AXES];
    /* A block of output pixels of some groups is computed from a padded copy of its input. Columns
     * that lie a stride apart are next to each other in the copy, so that every tap reads whole
     * vectors. The zeros to the right of a line are also those to the left of the next, unless a
     * line takes several blocks. */
    int64_t block_size[CONV_AXES], block_count[CONV_AXES];
    int64_t block_groups, group_blocks;
    int64_t phases;         /* remainders of columns by the stride */
    int64_t phase_floats;   /* of the columns of one remainder */
    int64_t line_floats;    /* of a line of pixels: all remainders */
    int64_t channel_floats; /* of an input channel */
    int64_t margin;         /* zeros before the first line */
    int32_t offsets[CONV_MAX_TAPS];
    int64_t blocks, blocks_per_task;
    int64_t task_count; /* 0 if Y has no element */
};

/* Returns 0 with the status filled in where the shape breaks a rule. */
int conv_plan_make(struct conv_plan*, const struct conv_layer*, int64_t batch,
                   const int64_t input_size[CONV_AXES], struct status*);

struct conv_operands {
    struct view x, y;
};

/* Where rows of output pixels go. */
struct conv_target {
    float* pixels;                      /* of the first row, in the first channel */
    int64_t row_stride, channel_stride; /* floats */
};

/* Floats of scratch that a task needs, aligned to a cache line. */
enum { CONV_SCRATCH_FLOATS = 32 << 10 };

void conv_run_task(const struct conv_plan*, const struct conv_operands*, int64_t task,
                   float* scratch);

/* Computes rows [first, first + rows) of an image that has more than one, outside of tasks. */
void conv_run_rows(const struct conv_plan*, const struct view* x, int64_t image, int64_t first,
                   int64_t rows, const struct conv_target*, float* scratch);

/* --- Lines, conv_lines.c: the input need not be planes. */

const struct conv_geometry* conv_layer_geometry(const struct conv_layer*);

/* Whether conv_run_lines can run the layer: one that is depthwise, with a usual kernel. */
int conv_layer_takes_lines(const struct conv_layer*);

/* Rows of some channels. Each line of the input continues with zeros, as many on either side as the
 * kernel is padded, and may be read two vectors further. */
struct conv_lines {
    const float* input; /* of the first channel of all */
    int64_t input_stride;
    const int32_t* lines; /* floats from a channel's begin to what the first pixel's first column
                             reads: for each line of the input, from the first row's first on */
    int64_t first_channel, channels;
    struct conv_target y; /* of these channels */
    int64_t rows, width;
    int spill; /* whether whole vectors may be written at the end of a row: rows are then computed
                  in order, channel by channel */
};

void conv_run_lines(const struct conv_layer*, const struct conv_lines*);

#endif
