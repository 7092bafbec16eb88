/* What an ONNX graph says, as plain arrays: who reads a graph fills this in, and who decides about
 * regions or compiles them reads nothing else.
 *
 * Names and data are borrowed from the graph's owner and live as long as it says. */
#ifndef ORT_SPARSE_MODEL_MODEL_H
#define ORT_SPARSE_MODEL_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/tensor.h"

enum { MODEL_MAX_RANK = TENSOR_MAX_RANK };
enum { MODEL_NO_VALUE = -1, MODEL_NO_NODE = -1, MODEL_UNKNOWN_RANK = -1, MODEL_UNKNOWN_DIM = -1 };

/* A tensor between nodes, an input or a constant. */
struct model_value {
    const char* name;
    int element_type; /* as in base/tensor.h, or another number of ONNX; 0 if it is unknown */
    int rank;         /* MODEL_UNKNOWN_RANK where it is unknown or above MODEL_MAX_RANK */
    int64_t dims[MODEL_MAX_RANK]; /* MODEL_UNKNOWN_DIM where unknown */
    struct tensor constant; /* given if it is a constant initializer of rank <= MODEL_MAX_RANK */
    int leaves;             /* whether it is an output of the graph or is read outside of it */
    int producer;           /* a node, or MODEL_NO_NODE */
};

enum model_attribute_type {
    MODEL_ATTRIBUTE_OTHER,
    MODEL_ATTRIBUTE_INTS, /* one or more; a single int has count 1 */
    MODEL_ATTRIBUTE_FLOATS,
    MODEL_ATTRIBUTE_STRING,
};

struct model_attribute {
    const char* name;
    enum model_attribute_type type;
    int64_t count; /* of ints or floats */
    const int64_t* ints;
    const float* floats;
    const char* string;
};

struct model_node {
    const char *name, *domain, *op_type; /* the domain of ONNX itself is "" */
    int since_version;                   /* of the operator's schema */
    int closed;                          /* it cannot be claimed: it has subgraphs, or an owner */
    int input_count, output_count, attribute_count;
    const int* inputs; /* values, or MODEL_NO_VALUE where an optional one is left out; those that
                          subgraphs read from outside come last */
    const int* outputs;
    const struct model_attribute* attributes;
};

/* Nodes come in topological order. */
struct model {
    int value_count, node_count;
    struct model_value* values;
    const struct model_node* nodes;
};

/* --- What nodes say. */

/* The attribute, or NULL. */
const struct model_attribute* model_attribute(const struct model_node*, const char* name);

/* Whether a node is this operator of ONNX's own domain. */
int model_is(const struct model_node*, const char* op_type);

/* An input or output value, or MODEL_NO_VALUE past the end too. */
int model_input(const struct model_node*, int index);
int model_output(const struct model_node*, int index);

/* An int, float or string attribute, or what stands for it where it is absent or of another type.
 */
int64_t model_int(const struct model_node*, const char* name, int64_t otherwise);
float model_float(const struct model_node*, const char* name, float otherwise);
const char* model_string(const struct model_node*, const char* name, const char* otherwise);

#endif
