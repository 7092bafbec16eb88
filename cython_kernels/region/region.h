/* A region of a network: nodes that are compiled together, and run on planes in CHW.
 *
 * Knows neither ONNX Runtime nor Python nor threads. A region is made once (weights packed),
 * planned once for each shape that it meets (a bounded number of plans is kept), and run by any
 * number of threads at the same time. */
#ifndef ORT_SPARSE_REGION_REGION_H
#define ORT_SPARSE_REGION_REGION_H

#include <stddef.h>
#include <stdint.h>

#include "base/isa.h"
#include "base/status.h"
#include "base/task.h"
#include "model/model.h"

struct region;
struct region_plan;

/* All nodes of the model become one region, whose inputs and outputs are these values. Constants
 * are copied or packed: the model need not outlive the call. Every node must be one that
 * region_knows. Returns NULL with the status filled in where memory is short or a node is
 * unknown. */
struct region* region_create(const struct model*, const int* inputs, int input_count,
                             const int* outputs, int output_count, const struct isa*,
                             struct status*);
void region_destroy(struct region*); /* NULL is allowed; all plans must have been released */

/* Whether a region can have this node of the model; else says why not, in words that can follow
 * the name of the node. Looks at this node, its attributes, and the types, ranks, known dims and
 * constants of its inputs: whatever can fail later fails here. */
int region_knows(const struct model*, int node, struct status* why);

struct region_shape {
    int rank;
    int64_t dims[MODEL_MAX_RANK];
};

/* The plan for inputs of these shapes, held until region_plan_release. Returns NULL with the status
 * filled in where a shape breaks a rule or memory is short. May be called by many threads. */
const struct region_plan* region_plan_hold(struct region*, const struct region_shape* inputs,
                                           struct status*);
void region_plan_release(struct region*, const struct region_plan*);

const struct region_shape* region_plan_output(const struct region_plan*, int output);

/* Bytes of memory that a run needs beside inputs and outputs, aligned to MEMORY_ALIGNMENT. */
size_t region_plan_bytes(const struct region_plan*);

/* Runs `count` tasks and returns when all are done. */
struct region_runner {
    void (*run)(void* self, task_function, void* data, size_t count);
    void* self;
};

/* Inputs may lie at any address that a float may have. Outputs do not overlap inputs. */
void region_plan_run(const struct region_plan*, const float* const* inputs, float* const* outputs,
                     void* memory, const struct region_runner*);

#endif
