/* What the nodes of a graph must compute, written plainly in double precision: the oracle of the
 * tests of regions. The library's headers give it the types that describe a graph; none of the
 * library's code that computes runs here. */
#ifndef GRAPH_ORACLE_H
#define GRAPH_ORACLE_H

#include "model/model.h"

/* Numbers, and how far off a computation in float32 may be from each. An infinite bound says that
 * nothing is known, as where NaN or overflow take part. */
struct oracle_tensor {
    int known; /* otherwise the rest does not matter */
    int rank;
    int64_t dims[MODEL_MAX_RANK];
    int64_t count;
    double *values, *bounds;
};

enum oracle_verdict {
    ORACLE_COMPUTED,
    ORACLE_REFUSED, /* shapes and attributes do not fit */
    ORACLE_UNKNOWN, /* no such operator here */
};

enum { ORACLE_MOST_NUMBERS = 1 << 14 /* in a tensor */ };

/* Computes the outputs of a node; `tensors` are those of the model's values. Constants need not be
 * known. What it allocates, oracle_release frees. */
enum oracle_verdict oracle_run_node(const struct model*, int node, struct oracle_tensor* tensors);

/* Zeroed, of this shape. Returns whether it has a sensible size. */
int oracle_allocate(struct oracle_tensor*, int rank, const int64_t* dims);
void oracle_release(struct oracle_tensor*);

/* --- What the files of the oracle share. */

struct oracle_node {
    const struct model* model;
    const struct model_node* node;
    struct oracle_tensor* tensors;
};

/* An input: computed, or a float constant, which becomes known; NULL where there is none. */
const struct oracle_tensor* oracle_input(const struct oracle_node*, int index);

/* Makes an output of this shape; NULL where it has no sensible size or the node has no such one. */
struct oracle_tensor* oracle_output(const struct oracle_node*, int index, int rank,
                                    const int64_t* dims);

/* Integers of an attribute, or of a constant input, at most 16; -1 where there are none, -2 where
 * they are of another type. */
int oracle_ints(const struct oracle_node*, const char* attribute, int input, int64_t* ints);

/* Turns an axis that may count from the end into one of `rank`, or -1. */
int oracle_axis(int64_t axis, int rank);

/* Half the distance of floats round 1, and what a few roundings of a number may add up to. */
extern const double oracle_rounding;
double oracle_rounded(double value, double roundings);

typedef enum oracle_verdict (*oracle_rule)(const struct oracle_node*);

/* Each for some operators; NULL if it does not know this one. */
oracle_rule oracle_elementwise(const struct model_node*);
oracle_rule oracle_layers(const struct model_node*);
oracle_rule oracle_shapes(const struct model_node*);

#endif
