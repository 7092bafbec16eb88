/* The operator SparseConv1x1: its parts, every rule that they must keep, and the sizes of Y.
 *
 * docs/SparseConv1x1.md is the specification, ort_sparse/op.py the same in Python. ONNX Runtime's
 * custom op, the execution provider and the calls from Python all come here, and so refuse the same
 * things with the same words. */
#ifndef ORT_SPARSE_OP_SPARSE_CONV_H
#define ORT_SPARSE_OP_SPARSE_CONV_H

#include <stddef.h>
#include <stdint.h>

#include "base/epilogue.h"
#include "base/status.h"
#include "base/tensor.h"
#include "spmm/spmm.h"

/* X(enumerator, name, whether it may be absent, whether it is a constant): the inputs in order. */
#define SPARSE_CONV_INPUT_LIST(X)             \
    X(SPARSE_CONV_X, "X", 0, 0)               \
    X(SPARSE_CONV_VALUES, "values", 0, 1)     \
    X(SPARSE_CONV_INDICES, "indices", 0, 1)   \
    X(SPARSE_CONV_INDPTR, "indptr", 0, 1)     \
    X(SPARSE_CONV_BIAS, "bias", 1, 1)         \
    X(SPARSE_CONV_RESIDUAL, "residual", 1, 0) \
    X(SPARSE_CONV_SLOPE, "slope", 1, 1)

#define SPARSE_CONV_ENUMERATOR(enumerator, name, optional, constant) enumerator,
enum sparse_conv_input { SPARSE_CONV_INPUT_LIST(SPARSE_CONV_ENUMERATOR) SPARSE_CONV_INPUT_COUNT };
#undef SPARSE_CONV_ENUMERATOR

struct sparse_conv_input_facts {
    const char* name;
    int optional, constant;
};
extern const struct sparse_conv_input_facts sparse_conv_inputs[SPARSE_CONV_INPUT_COUNT];

/* So that no node makes more work or memory than the size of the model warrants. */
enum { SPARSE_CONV_MAX_BLOCK_ROWS = 64, SPARSE_CONV_MAX_IN_CHANNELS = 1 << 24 };

/* One for each spatial axis; none stands for all ones. */
struct sparse_conv_strides {
    size_t count;
    int64_t size[SPMM_AXES];
};

/* What a node says. Only the strides are checked. */
struct sparse_conv {
    struct tensor constants[SPARSE_CONV_INPUT_COUNT]; /* those that are none are not given */
    int64_t in_channels, block_rows;
    struct sparse_conv_strides strides;
    enum activation activation;
    float minimum, maximum, alpha;
};

/* Attributes that a node need not have. */
void sparse_conv_set_defaults(struct sparse_conv*);

/* Checks the strides and takes them; leaves all ones where they break a rule. */
int sparse_conv_set_strides(struct sparse_conv_strides*, const int64_t* sizes, size_t count,
                            struct status*);

/* The stride along a spatial axis. */
int64_t sparse_conv_stride(const struct sparse_conv_strides*, size_t axis);

/* The weights and the epilogue of a node, in arrays of their own. */
struct sparse_conv_weights {
    struct block_csr matrix;
    struct epilogue epilogue;
};

/* Checks every rule that the node alone must keep, and copies its weights. Returns 0 with the
 * status filled in where that fails; then there is nothing to release. */
int sparse_conv_read(const struct sparse_conv*, struct sparse_conv_weights*, struct status*);
void sparse_conv_release(struct sparse_conv_weights*);

/* Does the same and packs the weights. Returns NULL with the status filled in where that fails. */
struct spmm_layer* sparse_conv_pack(const struct sparse_conv*, const struct spmm_options*,
                                    struct status*);

/* Checks X, and gives the shape of a run and the dims of Y, which has the rank of X. */
int sparse_conv_shape(const struct sparse_conv_strides*, const struct spmm_layer*,
                      const struct tensor* x, struct spmm_shape*, int64_t* y_dims, struct status*);

/* Checks a tensor that must be like Y, of these dims and the rank of X: the residual, or Y. */
int sparse_conv_check_like_y(const struct tensor*, const char* name, const int64_t* y_dims,
                             size_t rank, struct status*);

/* Turns the dims of X into those of Y as far as they are known; -1 is unknown. `indptr_length` may
 * be unknown too. Wrong attributes make dims unknown or meaningless, and are refused later. */
void sparse_conv_infer_dims(const struct sparse_conv_strides*, int64_t block_rows,
                            int64_t indptr_length, size_t rank, int64_t* dims);

/* Pixels of a plane of Y for X of these dims, or 0 where they are unknown. */
int64_t sparse_conv_pixels(const struct sparse_conv_strides*, const int64_t* x_dims, size_t rank);

#endif
