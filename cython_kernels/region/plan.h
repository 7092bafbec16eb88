/* The plan of a region for inputs of given shapes: where values lie, and the tasks of each step.
 * Private to this room. */
#ifndef ORT_SPARSE_REGION_PLAN_H
#define ORT_SPARSE_REGION_PLAN_H

#include "chain/chain.h"
#include "dense/transpose.h"
#include "region/graph.h"

enum region_storage_kind {
    REGION_MEMORY, /* of a run: at an offset that place.c chooses */
    REGION_INPUT,
    REGION_OUTPUT,
    REGION_CONSTANT, /* of a value of the graph */
};

/* Memory that values lie in. */
struct region_storage {
    enum region_storage_kind kind;
    int number;            /* of an input, an output or a value */
    int64_t floats;        /* of an image, unless it is constant */
    int64_t offset;        /* of REGION_MEMORY, in floats */
    int first_op, last_op; /* which write it first and read it last */
    int inside;            /* the storage that it is a part of, from `offset` on, or -1 */
};

/* Where a value lies: planes of axis 1 in images of axis 0; what is in a plane is contiguous. */
struct region_place {
    int storage;                                  /* or -1 */
    int64_t offset, image_stride, channel_stride; /* floats */
};

/* What is done to rows of numbers, each of which is next to the one before it in Y. An operand is a
 * row too, or one number for a row, or lies in steps. */
struct region_rows {
    int rank;                           /* axes outside of a row */
    int64_t size[REGION_MAX_RANK];      /* of these axes */
    int64_t y_stride[REGION_MAX_RANK];  /* floats */
    int64_t stride[2][REGION_MAX_RANK]; /* of operands */
    int64_t length;                     /* numbers in a row */
    int64_t step[2];                    /* of operands in a row: 0 if it is one number */
    int64_t segment, segments;          /* numbers in a part of a row, and parts */
    int64_t items, items_per_task;      /* parts of all rows */
};

/* Layers whose values between them are never whole. */
struct region_chain {
    struct chain_plan* plan;
    int input;   /* a value */
    int storage; /* of its rings */
};

enum region_step_kind {
    REGION_STEP_NONE, /* the output lies where the input does */
    REGION_STEP_LAYER,
    REGION_STEP_ROWS,   /* a function of rows */
    REGION_STEP_COPY,   /* the same, copying */
    REGION_STEP_CHAIN,  /* layers up to this one, depth first */
    REGION_STEP_INSIDE, /* of a chain, but not its last layer: nothing is left to do */
};

struct region_step {
    enum region_step_kind kind;
    int64_t task_count;
    union {
        struct spmm_plan spmm;
        struct conv_plan conv;
        struct pool_plan pool;
        struct global_pool_plan global_pool;
        struct softmax_plan softmax;
        struct transpose_plan transpose;
        struct region_rows rows;
        struct region_chain chain;
        int inside; /* the operator whose step is the chain */
    } plan;
};

struct region_plan {
    const struct region_graph* graph;
    struct region_shape* inputs;  /* which it is for */
    int64_t images;               /* run one after the other: all that follows is of one */
    struct region_shape* shapes;  /* of values */
    struct region_shape* outputs; /* of the region, with all images */
    struct region_place* places;  /* of values */
    struct region_storage* storages;
    int storage_count;
    struct region_step* steps; /* one for each operator */
    int64_t floats;            /* of memory that a run needs */
    int holders;               /* region.c's */
    int64_t last_held;
    struct region_record* record; /* of the times of its runs, or NULL */
};

/* Returns NULL with the status filled in where a shape does not fit or memory is short. */
struct region_plan* region_plan_create(const struct region_graph*,
                                       const struct region_shape* inputs, struct status*);
void region_plan_destroy(struct region_plan*);

/* Infers the shapes of all operators' outputs; those of inputs and constants are there. */
int region_infer_shapes(struct region_plan*, struct status*);

/* images.c: chooses whether the images of a batch are run one by one; the shapes become those of
 * one. Returns whether memory sufficed. */
int region_split_images(struct region_plan*, struct status*);

/* chains.c: chooses which layers are computed depth first. Returns whether memory sufficed. */
int region_find_chains(struct region_plan*, struct status*);

/* place.c: chooses storages and places of all values whose shapes are known. An operator whose
 * output lies in its input needs no step. Returns whether memory sufficed. */
int region_place_values(struct region_plan*);

int region_is_contiguous(const struct region_place*, const struct region_shape*);

/* A view of the planes of a value, or of part of it, in a run. */
struct region_run {
    const struct region_plan* plan;
    const float* const* inputs;
    float* const* outputs;
    float* memory;
    int64_t image;
};
float* region_pixels(const struct region_run*, int value);
struct view region_view(const struct region_run*, int value);

/* steps.c: plans the step of an operator whose values are placed, and runs one of its tasks. */
int region_plan_step(struct region_plan*, int op, struct status*);
void region_begin_step(const struct region_run*, int op);
void region_run_task(const struct region_run*, int op, int64_t task, float* scratch);

/* rows.c: functions of rows; copy.c: copies, where rows do not match. */
void region_plan_rows(struct region_plan*, int op);
void region_run_rows(const struct region_run*, int op, int64_t task);
void region_plan_copy(struct region_plan*, int op);
void region_run_copy(const struct region_run*, int op, int64_t task);

/* Floats from one number to the next along each axis. */
void region_strides(const struct region_place*, const struct region_shape*,
                    int64_t strides[REGION_MAX_RANK]);

#endif
