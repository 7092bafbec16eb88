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

/* Whether region_create would succeed, memory apart; else says why not. */
int region_check(const struct model*, const int* inputs, int input_count, const int* outputs,
                 int output_count, struct status* why);

void region_destroy(struct region*); /* NULL is allowed; all plans must have been released */

struct region_shape {
    int rank;
    int64_t dims[MODEL_MAX_RANK];
};

/* Numbers in a tensor of known sizes, or -1 where they do not fit 64 bits. */
int64_t region_count(const struct region_shape*);

enum region_work_kind {
    REGION_WORK_POINTWISE,
    REGION_WORK_CONV,
    REGION_WORK_POOL,
    REGION_WORK_ELEMENTWISE,
    REGION_WORK_MOVE, /* may cost nothing */
};

/* What there is to do for a node, for cost models; counted for all images. */
struct region_work {
    enum region_work_kind kind;
    int depthwise;         /* of a convolution: whether each channel is on its own */
    int64_t weights;       /* of a layer, zeros and all */
    int64_t stored;        /* of a pointwise layer: weights that are kept */
    int64_t pixels;        /* of the output */
    int64_t multiply_adds; /* with all weights */
    int64_t inputs, outputs;
    int64_t functions; /* numbers that go through more than a handful of instructions */
};

/* What a node gives: as far as it is sure, and if its computed inputs have guessed shapes. */
struct region_guess {
    const struct region_shape* inputs; /* guessed, all sizes; one for each input of the node */
    /* One for each output. MODEL_UNKNOWN_RANK and MODEL_UNKNOWN_DIM stand for what is unknown. */
    struct region_shape *sure, *outputs;
    struct region_work* work;
};

/* Whether a region can have this node of the model; else says why not, in words that can follow
 * the name of the node. Looks at this node, its attributes, and the types, ranks, known dims and
 * constants of its inputs: whatever can fail later fails here. Fills in the guess unless it is
 * NULL; shapes that do not fit leave the outputs unknown and no work. */
int region_knows(const struct model*, int node, const struct region_guess*, struct status* why);

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
