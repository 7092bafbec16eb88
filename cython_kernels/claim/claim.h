/* Which nodes of a model become regions, and why each other one is left.
 *
 * Regions are convex: no path leaves one and comes back. Everything that could fail later is
 * checked here. */
#ifndef ORT_SPARSE_CLAIM_CLAIM_H
#define ORT_SPARSE_CLAIM_CLAIM_H

#include "base/isa.h"
#include "base/status.h"
#include "model/model.h"
#include "region/region.h"

/* What `ort_sparse.regions` asks for. */
enum claim_mode {
    CLAIM_AUTO, /* what is predicted to be faster than ONNX Runtime with and without custom ops */
    CLAIM_ALL,  /* whatever can be claimed */
    CLAIM_OFF,
};

/* Returns whether there is such a mode. */
int claim_mode_from_name(const char* name, enum claim_mode*, struct status*);
const char* claim_mode_name(enum claim_mode);

enum { CLAIM_NO_REGION = -1, CLAIM_REASON_BYTES = 160 };

/* Microseconds of one run on one thread, by the cost model. */
struct claim_cost {
    double region; /* as a region, its borders counted */
    double dense;  /* by ONNX Runtime alone; negative where it cannot, for it has sparse nodes */
    double custom_ops; /* by ONNX Runtime, with sparse nodes as custom ops */
};

/* X(enumerator, name): kinds of work. Nodes and borders are counted, all else in thousands. */
#define CLAIM_TERM_LIST(X)                       \
    X(CLAIM_NODES, "nodes")                      \
    X(CLAIM_SPARSE, "sparse multiply-adds")      \
    X(CLAIM_DENSE, "dense multiply-adds")        \
    X(CLAIM_CONV, "window multiply-adds")        \
    X(CLAIM_WEIGHTS, "weights")                  \
    X(CLAIM_INPUTS, "inputs of layers")          \
    X(CLAIM_OUTPUTS, "outputs of layers")        \
    X(CLAIM_ELEMENTS, "elements of other nodes") \
    X(CLAIM_FUNCTIONS, "elements of functions")  \
    X(CLAIM_BORDERS, "borders")                  \
    X(CLAIM_BORDER_ELEMENTS, "elements at borders")

#define CLAIM_ENUMERATOR(enumerator, name) enumerator,
enum claim_term { CLAIM_TERM_LIST(CLAIM_ENUMERATOR) CLAIM_TERM_COUNT };
#undef CLAIM_ENUMERATOR

/* How much of each kind there is. */
struct claim_work {
    double amount[CLAIM_TERM_COUNT];
};

const char* claim_term_name(enum claim_term);

struct claim_region {
    int claimed;                     /* whether it shall be claimed */
    char reason[CLAIM_REASON_BYTES]; /* why not */
    int node_count;
    struct claim_cost cost;
    struct claim_work region_work, runtime_work; /* as a region, and by ONNX Runtime alone */
    /* If asked for, of a claimed region whose inputs have known shapes: else NULL. */
    struct region* made;
    const struct region_plan* plan;
};

struct claim_node {
    int region;                      /* or CLAIM_NO_REGION */
    char reason[CLAIM_REASON_BYTES]; /* why it is in none */
};

struct claim {
    int region_count;
    struct claim_region* regions;
    struct claim_node* nodes; /* one for each node of the model */
};

/* Returns 0 with the status filled in where memory is short; claim_release in either case. Regions
 * are made and planned only to be reported: that takes as long as to compile them. */
int claim_make(struct claim*, const struct model*, enum claim_mode, const struct isa*,
               int with_plans, struct status*);
void claim_release(struct claim*);

#endif
