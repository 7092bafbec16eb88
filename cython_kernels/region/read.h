/* What the readers of nodes share. Private to this room. */
#ifndef ORT_SPARSE_REGION_READ_H
#define ORT_SPARSE_REGION_READ_H

#include <string.h>

#include "region/graph.h"

#define LL(x) ((long long)(x))

/* Adds what the node does; returns 0 with the status filled in where a region cannot have it. */
typedef int (*region_node_reader)(struct region_reader*);

/* Each for some operators; NULL if it does not know this one. read_layers.c, read_elementwise.c,
 * read_pools.c, read_shapes.c */
region_node_reader region_layer_reader(const struct model_node*);
region_node_reader region_elementwise_reader(const struct model_node*);
region_node_reader region_pool_reader(const struct model_node*);
region_node_reader region_shape_reader(const struct model_node*);

/* The model's value that is an input of the node, or NULL where it is left out. */
const struct model_value* region_model_input(const struct region_reader*, int index);

/* The graph's value for an input: computed, or a constant, which is copied. It is float32 of a
 * known rank between these. */
int region_read_input(struct region_reader*, int index, int least_rank, int most_rank, int* value);

/* A constant input: float32 or float16 of this rank (-1: any), or integers of rank 0 or 1, widened
 * into memory of the caller; `count` of them. */
int region_read_floats(struct region_reader*, int index, int rank, float** floats, int64_t* count);
int region_read_ints(struct region_reader*, int index, int64_t* ints, int most, int* count);

/* Integers that newer versions of an operator take from an input, and older ones from an attribute.
 * `count` is -1 where there are none. */
int region_read_ints_of(struct region_reader*, const char* attribute, int input, int64_t* ints,
                        int most, int* count);

/* Turns an axis that may count from the end into one of `rank`. */
int region_read_axis(struct region_reader*, int64_t axis, int rank, int* out);

/* Adds an operator of these inputs. */
struct region_op* region_begin_op(struct region_reader*, enum region_kind, const int* inputs,
                                  int count);

/* Works out the output's shape once the operator, the last one, is filled in; gives the output. */
int region_finish_op(struct region_reader*, int* output);

/* The same, for the operator that gives an output of the node. */
int region_end_op(struct region_reader*, int output);

/* Makes a value an output of the node. What the model says of sizes that cannot be worked out is
 * believed. */
int region_give_output(struct region_reader*, int output, int value);

/* A new constant of the graph. */
int region_add_constant(struct region_reader*, const struct region_shape*, float* numbers,
                        int* value);

int region_no_memory(struct region_reader*);

/* The windows of a convolution or pool along height and width; one spatial axis has a height of 1.
 */
struct region_windows {
    int64_t kernel[2], stride[2], dilation[2], pad_begin[2], pad_end[2];
};

/* Reads the attributes that all of them have. `kernel` gives the sizes where the node has no
 * kernel_shape, one for each spatial axis; else NULL. X has rank 3 or 4. */
int region_read_windows(struct region_reader*, int x, const int64_t* kernel,
                        struct region_windows*);

#endif
