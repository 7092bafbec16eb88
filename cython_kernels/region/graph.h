/* The graph of a region: values, and what is done to their planes. Private to this room.
 *
 * Built by read*.c from nodes of a model, simplified by fuse.c, packed by pack.c; then it does not
 * change any more. Every operator works for every shape that shapes.c accepts. */
#ifndef ORT_SPARSE_REGION_GRAPH_H
#define ORT_SPARSE_REGION_GRAPH_H

#include <stdint.h>

#include "base/block_csr.h"
#include "base/epilogue.h"
#include "dense/conv.h"
#include "dense/global_pool.h"
#include "dense/pool.h"
#include "dense/softmax.h"
#include "microkernels/elementwise.h"
#include "region/region.h"
#include "spmm/spmm.h"

enum { REGION_MAX_RANK = MODEL_MAX_RANK, REGION_NO_VALUE = -1 };

/* X(enumerator, what it is called). */
#define REGION_KIND_LIST(X)                                                              \
    X(REGION_POINTWISE, "pointwise")     /* a 1x1 convolution or matrix product */       \
    X(REGION_CONV, "convolution")        /* of few input channels a group */             \
    X(REGION_POOL, "pooling")            /* over windows */                              \
    X(REGION_GLOBAL_POOL, "global pool") /* over whole planes */                         \
    X(REGION_UNARY, "unary")             /* a function of each number */                 \
    X(REGION_PRELU, "prelu")             /* with a slope for each channel */             \
    X(REGION_BINARY, "binary")           /* of two numbers, with NumPy's broadcasting */ \
    X(REGION_SOFTMAX, "softmax")         /* over the last axis */                        \
    X(REGION_RESHAPE, "reshape")         /* the same numbers in the same order */        \
    X(REGION_TRANSPOSE, "transpose")     /* of any axes */                               \
    X(REGION_SLICE, "slice")             /* of one axis */                               \
    X(REGION_CONCAT, "concatenation")    /* along axis 1 */                              \
    X(REGION_PAD, "padding")             /* with a number */

#define REGION_ENUMERATOR(enumerator, name) enumerator,
enum region_kind { REGION_KIND_LIST(REGION_ENUMERATOR) };
#undef REGION_ENUMERATOR

/* One spatial axis counts as two with a height of 1. */
struct region_pointwise {
    struct block_csr matrix;  /* in memory of its own until it is packed */
    int64_t stored;           /* weights that are kept, once it is packed */
    struct epilogue epilogue; /* likewise */
    int64_t stride[SPMM_AXES];
    struct spmm_layer* layer;
};

struct region_conv {
    struct conv_geometry geometry;
    float* weights; /* its own until it is packed */
    struct epilogue epilogue;
    struct conv_layer* layer;
};

struct region_pool {
    struct pool_geometry geometry;
    struct pool_layer* layer;
};

struct region_global_pool {
    enum global_pool_kind kind;
    int keep_axes;
};

struct region_unary {
    enum unary function;
    float a, b;
    unary_kernel kernel;
};

struct region_binary {
    enum binary function;
    binary_kernel vectors, second_number, first_number;
};

enum region_reshape_kind {
    REGION_RESHAPE_TO,        /* sizes: 0 keeps an axis, -1 is what is left */
    REGION_RESHAPE_FLATTEN,   /* sizes[0]: the axis */
    REGION_RESHAPE_SQUEEZE,   /* sizes: axes of the input, rising */
    REGION_RESHAPE_UNSQUEEZE, /* sizes: axes of the output, rising */
    REGION_RESHAPE_LIKE,      /* as the operator's second input, whose numbers do not matter */
};

struct region_reshape {
    enum region_reshape_kind kind;
    int count;
    int64_t sizes[REGION_MAX_RANK];
};

struct region_op {
    enum region_kind kind;
    int input_count, output;
    int* inputs; /* values. Of a pointwise operator the second one is its residual */
    union {
        struct region_pointwise pointwise;
        struct region_conv conv;
        struct region_pool pool;
        struct region_global_pool global_pool;
        struct region_unary unary;
        struct {
            float* slope; /* a number for each channel, or one for all */
            int64_t count;
            unary_kernel kernel;
        } prelu;
        struct region_binary binary;
        enum softmax_kind softmax;
        struct region_reshape reshape;
        int transpose[REGION_MAX_RANK]; /* the input's axis for each of the output's */
        struct {
            int axis;
            int64_t first, end;
        } slice;
        struct {
            int64_t before[REGION_MAX_RANK], after[REGION_MAX_RANK];
            float value;
        } pad;
    } is;
};

/* Sizes of axes. In a graph some are not known before a run; a negative number stands for such a
 * size, and equal numbers for equal sizes. */
struct region_value {
    struct region_shape shape;
    float* constant; /* its numbers, or NULL if it is computed */
    int producer;    /* an operator, or -1 */
    int uses;        /* by operators, and once as an output of the region */
    int input;       /* number of this input of the region, or -1 */
    int output;      /* number of this output, or -1 */
    int contiguous;  /* whether it must be, images and all */
    int node;        /* of the model, whose work it is; or -1 */
    int part_of;     /* if no operator gives it any more: the value whose operator does, or -1 */
};

struct region_graph {
    struct region_value* values;
    struct region_op* ops; /* in an order in which they can run */
    int value_count, value_room, op_count, op_room;
    int input_count, output_count;
    int *inputs, *outputs;
    const char** node_names; /* of the model's nodes, for reports; NULL until they are kept */
    struct region_sizes* sizes;
    const struct isa* isa;
};

/* --- graph.c: values and operators. Each returns whether memory sufficed. */

int region_graph_init(struct region_graph*);
void region_graph_release(struct region_graph*);

/* Adds a value; `constant` becomes the graph's, and is released if memory is short. */
int region_add_value(struct region_graph*, const struct region_shape*, float* constant, int* out);

/* Adds an operator with room for inputs; the caller fills in what it is. Its output is a new value
 * without shape. */
struct region_op* region_add_op(struct region_graph*, enum region_kind, const int* inputs,
                                int input_count);
void region_op_release(struct region_op*);

/* Counts again who uses which value, after operators were changed. */
void region_count_uses(struct region_graph*);

/* Copies what the nodes are called: a node without a name as its first output. */
int region_keep_names(struct region_graph*, const struct model*);

/* --- shapes.c */

/* Sizes that are not known yet, and how they come about: so that the same convolution of the same
 * size has the same result. */
struct region_sizes;
struct region_sizes* region_sizes_create(void);
void region_sizes_destroy(struct region_sizes*);
int64_t region_new_size(struct region_sizes*);

/* The shape of an operator's output. Sizes of the inputs may be unknown if there are `sizes`.
 * Returns 0 with the status filled in where shapes do not fit the operator. */
int region_infer(const struct region_op*, const struct region_shape* const* inputs,
                 struct region_shape* output, struct region_sizes*, struct status*);

/* The shape of a model's value, of known rank; each size that is unknown becomes a new one. */
struct region_shape region_shape_of(const struct model_value*, struct region_sizes*);

/* Numbers in a plane: axes 2 and up. */
int64_t region_plane(const struct region_shape*);

/* Height and width of planes, of rank 3 or 4. */
void region_plane_sizes(const struct region_shape*, int64_t sizes[2]);

int region_same_shape(const struct region_shape*, const struct region_shape*);

/* --- read.c: adds what a node of the model does. `values` gives the graph's value for each of the
 * model's, REGION_NO_VALUE where there is none yet. */

struct region_reader {
    struct region_graph* graph;
    const struct model* model;
    int* values;
    const struct model_node* node; /* which is read */
    struct status* why;
};

int region_read_node(struct region_reader*, int node);

/* --- fuse.c, pack.c */

int region_fuse(struct region_graph*, struct status*);
int region_pack(struct region_graph*, const struct isa*, struct status*);

#endif
