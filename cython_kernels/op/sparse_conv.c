#include "op/sparse_conv.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/arithmetic.h"
#include "base/memory.h"

#define INPUT_FACTS(enumerator, name, optional, constant) {name, optional, constant},
const struct sparse_conv_input_facts sparse_conv_inputs[SPARSE_CONV_INPUT_COUNT] = {
    SPARSE_CONV_INPUT_LIST(INPUT_FACTS)};
#undef INPUT_FACTS

/* long long, as printf wants it. */
#define LL(number) ((long long)(number))

/* --- What a node says. */

void sparse_conv_set_defaults(struct sparse_conv* op) {
    memset(op, 0, sizeof *op);
    op->block_rows = 1;
    op->activation = ACTIVATION_NONE;
    op->minimum = -INFINITY;
    op->maximum = INFINITY;
    op->alpha = 0.01f;
}

int sparse_conv_set_strides(struct sparse_conv_strides* strides, const int64_t* sizes, size_t count,
                            struct status* status) {
    if (count > SPMM_AXES) {
        return status_fail(status, STATUS_INVALID,
                           "strides: must have at most %d entries, but has %zu", SPMM_AXES, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (sizes[i] < 1 || sizes[i] > INT_MAX) {
            return status_fail(status, STATUS_INVALID,
                               "strides: must lie in 1..2**31-1, but entry %zu is %lld", i,
                               LL(sizes[i]));
        }
    }
    strides->count = count;
    for (size_t i = 0; i < count; i++) strides->size[i] = sizes[i];
    return 1;
}

int64_t sparse_conv_stride(const struct sparse_conv_strides* strides, size_t axis) {
    return axis < strides->count ? strides->size[axis] : 1;
}

/* --- Rules of the node. */

static int is_float(int type) { return type == TENSOR_FLOAT || type == TENSOR_FLOAT16; }

static int is_index(int type) {
    return type == TENSOR_UINT8 || type == TENSOR_UINT16 || type == TENSOR_INT32;
}

static int check_constant(const struct sparse_conv* op, enum sparse_conv_input input, size_t rank,
                          struct status* status) {
    const struct tensor* tensor = &op->constants[input];
    const char* name = sparse_conv_inputs[input].name;
    int wants_index = input == SPARSE_CONV_INDICES || input == SPARSE_CONV_INDPTR;
    if (!tensor->given) {
        return status_fail(status, STATUS_INVALID, "%s: must be given, but is missing", name);
    }
    if (!(wants_index ? is_index : is_float)(tensor->element_type)) {
        return status_fail(status, STATUS_INVALID, "%s: must be %s, but has ONNX element type %d",
                           name, wants_index ? "uint8, uint16 or int32" : "float32 or float16",
                           tensor->element_type);
    }
    if (tensor->rank != rank) {
        return status_fail(status, STATUS_INVALID, "%s: must have rank %zu, but has rank %zu", name,
                           rank, tensor->rank);
    }
    return 1;
}

static int64_t rows_of(const struct sparse_conv* op) {
    return (op->constants[SPARSE_CONV_INDPTR].dims[0] - 1) * op->block_rows;
}

static int check_row_vector(const struct sparse_conv* op, enum sparse_conv_input input,
                            struct status* status) {
    if (!check_constant(op, input, 1, status)) return 0;
    int64_t entries = op->constants[input].dims[0];
    if (entries != rows_of(op)) {
        return status_fail(status, STATUS_INVALID,
                           "%s: must have %lld entries, one for each output channel, but has %lld",
                           sparse_conv_inputs[input].name, LL(rows_of(op)), LL(entries));
    }
    return 1;
}

static int check_sizes(const struct sparse_conv* op, struct status* status) {
    if (op->in_channels < 1 || op->in_channels > SPARSE_CONV_MAX_IN_CHANNELS) {
        return status_fail(status, STATUS_INVALID, "in_channels: must lie in 1..2**24, but is %lld",
                           LL(op->in_channels));
    }
    if (op->block_rows < 1 || op->block_rows > SPARSE_CONV_MAX_BLOCK_ROWS) {
        return status_fail(status, STATUS_INVALID, "block_rows: must lie in 1..%d, but is %lld",
                           SPARSE_CONV_MAX_BLOCK_ROWS, LL(op->block_rows));
    }
    if (!check_constant(op, SPARSE_CONV_VALUES, 2, status) ||
        !check_constant(op, SPARSE_CONV_INDICES, 1, status) ||
        !check_constant(op, SPARSE_CONV_INDPTR, 1, status)) {
        return 0;
    }
    const int64_t* values = op->constants[SPARSE_CONV_VALUES].dims;
    int64_t blocks = op->constants[SPARSE_CONV_INDICES].dims[0];
    int64_t entries = op->constants[SPARSE_CONV_INDPTR].dims[0];
    if (entries < 2) {
        return status_fail(status, STATUS_INVALID,
                           "indptr: must have at least 2 entries, but has %lld", LL(entries));
    }
    if (entries - 1 > INT_MAX / (op->block_rows * op->in_channels)) {
        return status_fail(status, STATUS_INVALID,
                           "indptr: the matrix must have at most 2**31-1 cells, but has %lld block "
                           "rows of %lld rows and %lld columns",
                           LL(entries - 1), LL(op->block_rows), LL(op->in_channels));
    }
    if (values[0] != blocks || values[1] != op->block_rows) {
        return status_fail(status, STATUS_INVALID,
                           "values: must have shape (%lld, %lld), indices by block_rows, but has "
                           "(%lld, %lld)",
                           LL(blocks), LL(op->block_rows), LL(values[0]), LL(values[1]));
    }
    return 1;
}

static int check_indptr(const struct sparse_conv* op, struct status* status) {
    const struct tensor* indptr = &op->constants[SPARSE_CONV_INDPTR];
    int64_t blocks = op->constants[SPARSE_CONV_INDICES].dims[0], last = 0;
    for (int64_t r = 0; r < indptr->dims[0]; r++) {
        int64_t current = tensor_index_at(indptr, r);
        if (r == 0 && current != 0) {
            return status_fail(status, STATUS_INVALID,
                               "indptr: must start with 0, but starts with %lld", LL(current));
        }
        if (current < last) {
            return status_fail(status, STATUS_INVALID,
                               "indptr: must not decrease, but goes from %lld to %lld at entry "
                               "%lld",
                               LL(last), LL(current), LL(r));
        }
        last = current;
    }
    if (last != blocks) {
        return status_fail(status, STATUS_INVALID,
                           "indptr: must end with the number of blocks, %lld, but ends with %lld",
                           LL(blocks), LL(last));
    }
    return 1;
}

/* Needs a checked indptr. */
static int check_indices(const struct sparse_conv* op, struct status* status) {
    const struct tensor* indptr = &op->constants[SPARSE_CONV_INDPTR];
    const struct tensor* indices = &op->constants[SPARSE_CONV_INDICES];
    for (int64_t r = 0; r + 1 < indptr->dims[0]; r++) {
        int64_t last = -1, end = tensor_index_at(indptr, r + 1);
        for (int64_t j = tensor_index_at(indptr, r); j < end; j++) {
            int64_t current = tensor_index_at(indices, j);
            if (current < 0 || current >= op->in_channels) {
                return status_fail(status, STATUS_INVALID,
                                   "indices: must lie in 0..%lld, but entry %lld is %lld",
                                   LL(op->in_channels - 1), LL(j), LL(current));
            }
            if (current <= last) {
                return status_fail(status, STATUS_INVALID,
                                   "indices: must be strictly increasing within a block row, but "
                                   "entry %lld is %lld after %lld",
                                   LL(j), LL(current), LL(last));
            }
            last = current;
        }
    }
    return 1;
}

static int check_activation(const struct sparse_conv* op, struct status* status) {
    int has_slope = op->constants[SPARSE_CONV_SLOPE].given;
    if (has_slope != (op->activation == ACTIVATION_PRELU)) {
        return status_fail(status, STATUS_INVALID,
                           "slope: must be given with activation prelu and with no other, but is "
                           "%s",
                           has_slope ? "given with another" : "missing");
    }
    if (has_slope && !check_row_vector(op, SPARSE_CONV_SLOPE, status)) return 0;
    if (op->activation == ACTIVATION_CLIP && !(op->minimum <= op->maximum)) {
        return status_fail(status, STATUS_INVALID,
                           "activation_min: must be at most activation_max, but they are %g and %g",
                           (double)op->minimum, (double)op->maximum);
    }
    return 1;
}

static int check_node(const struct sparse_conv* op, struct status* status) {
    return check_sizes(op, status) && check_indptr(op, status) && check_indices(op, status) &&
           (!op->constants[SPARSE_CONV_BIAS].given ||
            check_row_vector(op, SPARSE_CONV_BIAS, status)) &&
           check_activation(op, status);
}

/* --- The weights. */

static int widen(const struct sparse_conv* op, struct sparse_conv_weights* out) {
    const struct tensor* constants = op->constants;
    const struct tensor *bias = &constants[SPARSE_CONV_BIAS],
                        *slope = &constants[SPARSE_CONV_SLOPE];
    int64_t blocks = constants[SPARSE_CONV_INDICES].dims[0], rows = rows_of(op);
    out->matrix = (struct block_csr){
        .rows = rows,
        .columns = op->in_channels,
        .block_rows = op->block_rows,
        .values = tensor_widen_floats(&constants[SPARSE_CONV_VALUES], blocks * op->block_rows),
        .indices = tensor_widen_indices(&constants[SPARSE_CONV_INDICES], blocks),
        .indptr = tensor_widen_indices(&constants[SPARSE_CONV_INDPTR], rows / op->block_rows + 1),
    };
    out->epilogue = (struct epilogue){
        .activation = op->activation,
        .minimum = op->minimum,
        .maximum = op->maximum,
        .alpha = op->alpha,
        .bias = bias->given ? tensor_widen_floats(bias, rows) : NULL,
        .slope = slope->given ? tensor_widen_floats(slope, rows) : NULL,
    };
    return out->matrix.values != NULL && out->matrix.indices != NULL &&
           out->matrix.indptr != NULL && (out->epilogue.bias != NULL || !bias->given) &&
           (out->epilogue.slope != NULL || !slope->given);
}

int sparse_conv_read(const struct sparse_conv* op, struct sparse_conv_weights* out,
                     struct status* status) {
    if (!check_node(op, status)) return 0;
    if (widen(op, out)) return 1;
    sparse_conv_release(out);
    return status_fail(status, STATUS_NO_MEMORY, "not enough memory to read %lld x %lld weights",
                       LL(rows_of(op)), LL(op->in_channels));
}

void sparse_conv_release(struct sparse_conv_weights* weights) {
    memory_release((void*)weights->matrix.values);
    memory_release((void*)weights->matrix.indices);
    memory_release((void*)weights->matrix.indptr);
    epilogue_release(&weights->epilogue);
}

struct spmm_layer* sparse_conv_pack(const struct sparse_conv* op,
                                    const struct spmm_options* options, struct status* status) {
    struct sparse_conv_weights weights;
    if (!sparse_conv_read(op, &weights, status)) return NULL;
    struct spmm_layer* layer =
        spmm_layer_create(&weights.matrix, &weights.epilogue, options, status);
    sparse_conv_release(&weights);
    return layer;
}

/* --- Rules of a run. */

int sparse_conv_shape(const struct sparse_conv_strides* strides, const struct spmm_layer* layer,
                      const struct tensor* x, struct spmm_shape* shape, int64_t* y_dims,
                      struct status* status) {
    if (x->element_type != TENSOR_FLOAT) {
        return status_fail(status, STATUS_INVALID,
                           "X: must be float32, but has ONNX element type %d", x->element_type);
    }
    if (x->rank < 2 || x->rank > TENSOR_MAX_RANK) {
        return status_fail(status, STATUS_INVALID, "X: must have rank 2 to %d, but has rank %zu",
                           TENSOR_MAX_RANK, x->rank);
    }
    if (x->dims[1] != spmm_layer_columns(layer)) {
        return status_fail(status, STATUS_INVALID,
                           "X: must have %lld channels on axis 1, but has %lld",
                           LL(spmm_layer_columns(layer)), LL(x->dims[1]));
    }
    const size_t spatial = x->rank - 2, missing = SPMM_AXES - spatial;
    if (strides->count != 0 && strides->count != spatial) {
        return status_fail(status, STATUS_INVALID,
                           "X: must have %zu spatial axes, one for each stride, but has %zu",
                           strides->count, spatial);
    }
    y_dims[0] = shape->batch = x->dims[0];
    y_dims[1] = spmm_layer_rows(layer);
    for (size_t i = 0; i < SPMM_AXES; i++) {
        const int is_there = i >= missing;
        shape->input_size[i] = is_there ? x->dims[2 + i - missing] : 1;
        shape->stride[i] = is_there ? sparse_conv_stride(strides, i - missing) : 1;
        shape->output_size[i] = divide_up(shape->input_size[i], shape->stride[i]);
        if (is_there) y_dims[2 + i - missing] = shape->output_size[i];
    }
    return 1;
}

int sparse_conv_check_like_y(const struct tensor* tensor, const char* name, const int64_t* y_dims,
                             size_t rank, struct status* status) {
    if (tensor->element_type != TENSOR_FLOAT) {
        return status_fail(status, STATUS_INVALID,
                           "%s: must be float32, but has ONNX element type %d", name,
                           tensor->element_type);
    }
    int same = tensor->rank == rank;
    for (size_t i = 0; same && i < rank; i++) same = tensor->dims[i] == y_dims[i];
    if (!same) {
        return status_fail(status, STATUS_INVALID, "%s: must have the shape of Y, but does not",
                           name);
    }
    return 1;
}

/* --- What is known before a run. */

void sparse_conv_infer_dims(const struct sparse_conv_strides* strides, int64_t block_rows,
                            int64_t indptr_length, size_t rank, int64_t* dims) {
    dims[1] = -1;
    if (indptr_length >= 2 && indptr_length <= INT_MAX && block_rows >= 1 &&
        block_rows <= SPARSE_CONV_MAX_BLOCK_ROWS) {
        dims[1] = (indptr_length - 1) * block_rows;
    }
    for (size_t axis = 2; axis < rank; axis++) {
        if (dims[axis] >= 0)
            dims[axis] = divide_up(dims[axis], sparse_conv_stride(strides, axis - 2));
    }
}

int64_t sparse_conv_pixels(const struct sparse_conv_strides* strides, const int64_t* x_dims,
                           size_t rank) {
    int64_t pixels = 1;
    for (size_t axis = 2; axis < rank; axis++) {
        int64_t size = x_dims[axis];
        if (size < 1 || size > INT_MAX || pixels > INT_MAX) return 0;
        pixels *= divide_up(size, sparse_conv_stride(strides, axis - 2));
    }
    return pixels;
}
