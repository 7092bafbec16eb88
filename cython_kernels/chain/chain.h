/* Layers one after the other, computed row by row, depth first: what is between them stays in the
 * caches, as rings of a few lines each, and never becomes a plane in memory.
 *
 *       planes of X          rings of lines                    planes of Y
 *     +-------------+      +--------+      +--------+        +-------------+
 *     |             | unit |        | unit |        | unit   |             |
 *     |   lines  ---+----->|  lines-+----->|  lines-+------->|   rows      |
 *     |             |  0   |        |  1   |        |  2     |             |
 *     +-------------+      +--------+      +--------+        +-------------+
 *
 * A unit is a convolution, a pointwise layer, or a depthwise layer whose rows go straight into the
 * panel of the pointwise layer behind it. The last unit asks for the lines that its next rows need,
 * that one before it for those that these need, and so on. Each task computes some rows of Y; it
 * begins with rings that another task left, if that was the one before, and else computes the lines
 * anew that both need. */
#ifndef ORT_SPARSE_CHAIN_CHAIN_H
#define ORT_SPARSE_CHAIN_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#include "base/tensor.h"
#include "dense/conv.h"
#include "spmm/spmm.h"

enum {
    CHAIN_MOST_UNITS = 12,
    CHAIN_MOST_ROWS = 8,   /* that a unit computes at once */
    CHAIN_MOST_TASKS = 16, /* each may hold rings of its own at the same time */
};

/* The first unit is one layer, whichever. A later one is a layer that conv_layer_takes_lines, with
 * or without a pointwise layer, whose stride is 1. */
struct chain_unit {
    const struct conv_layer* conv;      /* or NULL */
    const struct spmm_layer* pointwise; /* or NULL */
};

struct chain_plan;

/* The plan for images of this size, batch > 0; the layers must outlive it. Returns NULL with the
 * status filled in where memory is short, or where the units do not fit: their planes have less
 * than two rows, or a row of them is too wide for a panel. */
struct chain_plan* chain_plan_create(const struct chain_unit*, int count, int64_t batch,
                                     const int64_t input_size[CONV_AXES], struct status*);
void chain_plan_destroy(struct chain_plan*); /* NULL is allowed */

int64_t chain_plan_tasks(const struct chain_plan*);
int64_t chain_plan_line_floats(const struct chain_plan*); /* of the lines of one task's rings */
int64_t chain_plan_floats(const struct chain_plan*);      /* of memory that a run needs */

struct chain_operands {
    struct view x, residual, y; /* the residual is the last pointwise layer's, or has no pixels */
    float* memory;              /* aligned to a cache line */
};

/* Call it before the tasks of a run. */
void chain_begin(const struct chain_plan*, float* memory);
void chain_run_task(const struct chain_plan*, const struct chain_operands*, int64_t task,
                    float* scratch);

#endif
