"""From the parts of a node to a packed layer, with every rule of the operator checked.

Used by the ONNX Runtime binding and by the Python entry points, so both refuse the same things
with the same words. `docs/SparseConv1x1.md` is the list of rules.
"""

from libc.limits cimport INT_MAX
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, getenv, malloc
from libc.string cimport memcpy, strcmp

from spmm cimport *

cdef enum ElementType:  # the numbers of ONNX's TensorProto.DataType
    ELEMENT_FLOAT = 1
    ELEMENT_UINT8 = 2
    ELEMENT_UINT16 = 4
    ELEMENT_INT32 = 6
    ELEMENT_FLOAT16 = 10

cdef enum:
    MAX_RANK = 5
    MAX_SPATIAL = 3
    # So that no node makes more work or memory than the size of the model warrants.
    MAX_BLOCK_ROWS = 64
    MAX_IN_CHANNELS = 1 << 24

cdef struct Message:
    char text[512]

cdef struct Tensor:
    bint given  # unless an optional tensor is absent
    const void* data  # may be NULL where there is no element
    int element_type
    size_t rank
    int64_t dims[MAX_RANK]

cdef struct LayerParts:
    Tensor values
    Tensor indices
    Tensor indptr
    Tensor bias
    Tensor slope
    int64_t in_channels
    int64_t block_rows
    spmm_activation activation
    float minimum
    float maximum
    float alpha

cdef struct Strides:
    size_t count  # 0 stands for all ones
    int64_t size[MAX_SPATIAL]


cdef inline void make_ascii(Message* message) noexcept nogil:
    """Replace what is no printable ASCII: names from outside, or cut in the middle of a character,
    may be no UTF-8, and ONNX Runtime's bindings then fail on the message."""
    cdef size_t i = 0
    while message.text[i] != 0:
        if not c" " <= message.text[i] <= c"~":
            message.text[i] = c"?"
        i += 1


cdef inline int64_t divide_up(int64_t a, int64_t b) noexcept nogil:
    """Return a / b rounded up, for any a >= 0 and b > 0; a + b may not fit."""
    return a // b + (a % b != 0)


cdef inline bint activation_from_name(
        const char* name, spmm_activation* out, Message* error) noexcept nogil:
    if strcmp(name, b"none") == 0:
        out[0] = SPMM_NONE
    elif strcmp(name, b"clip") == 0:
        out[0] = SPMM_CLIP
    elif strcmp(name, b"hard_swish") == 0:
        out[0] = SPMM_HARD_SWISH
    elif strcmp(name, b"silu") == 0:
        out[0] = SPMM_SILU
    elif strcmp(name, b"sigmoid") == 0:
        out[0] = SPMM_SIGMOID
    elif strcmp(name, b"leaky_relu") == 0:
        out[0] = SPMM_LEAKY_RELU
    elif strcmp(name, b"prelu") == 0:
        out[0] = SPMM_PRELU
    else:
        snprintf(error.text, sizeof(error.text),
                 b"activation: must be one of none, clip, hard_swish, silu, sigmoid, leaky_relu, "
                 b"prelu, but is '%.64s'", name)
        return False
    return True


cdef inline float half_to_float(uint16_t half) noexcept nogil:
    """Widen an IEEE 754 binary16; exact."""
    cdef uint32_t sign = <uint32_t>(half & 0x8000) << 16
    cdef uint32_t exponent = (half >> 10) & 31
    cdef uint32_t mantissa = half & 1023
    cdef uint32_t bits
    cdef float result
    if exponent == 0:  # zero or subnormal: mantissa * 2^-24
        result = <float>mantissa * <float>5.9604644775390625e-8
        return -result if sign else result
    if exponent == 31:
        bits = sign | 0x7F800000 | (mantissa << 13)
    else:
        bits = sign | ((exponent + 112) << 23) | (mantissa << 13)
    memcpy(&result, &bits, sizeof(result))
    return result


cdef inline float float_at(const Tensor* tensor, int64_t i) noexcept nogil:
    if tensor.element_type == ELEMENT_FLOAT16:
        return half_to_float((<const uint16_t*>tensor.data)[i])
    return (<const float*>tensor.data)[i]


cdef inline int64_t index_at(const Tensor* tensor, int64_t i) noexcept nogil:
    if tensor.element_type == ELEMENT_UINT8:
        return (<const uint8_t*>tensor.data)[i]
    if tensor.element_type == ELEMENT_UINT16:
        return (<const uint16_t*>tensor.data)[i]
    return (<const int32_t*>tensor.data)[i]


cdef inline bint check_tensor(
        const Tensor* tensor, const char* name, bint is_float, size_t rank,
        Message* error) noexcept nogil:
    cdef int kind = tensor.element_type
    if not tensor.given:
        snprintf(error.text, sizeof(error.text), b"%s: must be given, but is missing", name)
        return False
    if is_float and kind != ELEMENT_FLOAT and kind != ELEMENT_FLOAT16:
        snprintf(error.text, sizeof(error.text),
                 b"%s: must be float32 or float16, but has ONNX element type %d", name, kind)
        return False
    if (not is_float and kind != ELEMENT_UINT8 and kind != ELEMENT_UINT16
            and kind != ELEMENT_INT32):
        snprintf(error.text, sizeof(error.text),
                 b"%s: must be uint8, uint16 or int32, but has ONNX element type %d", name, kind)
        return False
    if tensor.rank != rank:
        snprintf(error.text, sizeof(error.text), b"%s: must have rank %zu, but has rank %zu",
                 name, rank, tensor.rank)
        return False
    return True


cdef inline bint check_channel_vector(
        const Tensor* tensor, const char* name, int64_t rows, Message* error) noexcept nogil:
    if not check_tensor(tensor, name, True, 1, error):
        return False
    if tensor.dims[0] != rows:
        snprintf(error.text, sizeof(error.text),
                 b"%s: must have %lld entries, one for each output channel, but has %lld",
                 name, <long long>rows, <long long>tensor.dims[0])
        return False
    return True


cdef inline bint check_indptr(
        const Tensor* indptr, int64_t blocks, Message* error) noexcept nogil:
    cdef int64_t r, last = 0, current
    for r in range(indptr.dims[0]):
        current = index_at(indptr, r)
        if r == 0 and current != 0:
            snprintf(error.text, sizeof(error.text),
                     b"indptr: must start with 0, but starts with %lld", <long long>current)
            return False
        if current < last:
            snprintf(error.text, sizeof(error.text),
                     b"indptr: must not decrease, but goes from %lld to %lld at entry %lld",
                     <long long>last, <long long>current, <long long>r)
            return False
        last = current
    if last != blocks:
        snprintf(error.text, sizeof(error.text),
                 b"indptr: must end with the number of blocks, %lld, but ends with %lld",
                 <long long>blocks, <long long>last)
        return False
    return True


cdef inline bint check_indices(const LayerParts* parts, Message* error) noexcept nogil:
    """Needs a checked indptr."""
    cdef int64_t r, j, last, current
    for r in range(parts.indptr.dims[0] - 1):
        last = -1
        for j in range(index_at(&parts.indptr, r), index_at(&parts.indptr, r + 1)):
            current = index_at(&parts.indices, j)
            if current < 0 or current >= parts.in_channels:
                snprintf(error.text, sizeof(error.text),
                         b"indices: must lie in 0..%lld, but entry %lld is %lld",
                         <long long>(parts.in_channels - 1), <long long>j, <long long>current)
                return False
            if current <= last:
                snprintf(error.text, sizeof(error.text),
                         b"indices: must be strictly increasing within a block row, "
                         b"but entry %lld is %lld after %lld",
                         <long long>j, <long long>current, <long long>last)
                return False
            last = current
    return True


cdef inline bint check_parts(const LayerParts* parts, Message* error) noexcept nogil:
    """Check every rule that the weights, bias, slope and activation must keep."""
    cdef int64_t block_rows = parts.block_rows, blocks, rows
    if parts.in_channels < 1 or parts.in_channels > MAX_IN_CHANNELS:
        snprintf(error.text, sizeof(error.text),
                 b"in_channels: must lie in 1..2**24, but is %lld", <long long>parts.in_channels)
        return False
    if block_rows < 1 or block_rows > MAX_BLOCK_ROWS:
        snprintf(error.text, sizeof(error.text),
                 b"block_rows: must lie in 1..%d, but is %lld",
                 <int>MAX_BLOCK_ROWS, <long long>block_rows)
        return False
    if not (check_tensor(&parts.values, b"values", True, 2, error)
            and check_tensor(&parts.indices, b"indices", False, 1, error)
            and check_tensor(&parts.indptr, b"indptr", False, 1, error)):
        return False
    if parts.indptr.dims[0] < 2:
        snprintf(error.text, sizeof(error.text),
                 b"indptr: must have at least 2 entries, but has %lld",
                 <long long>parts.indptr.dims[0])
        return False
    if parts.indptr.dims[0] - 1 > INT_MAX // (block_rows * parts.in_channels):
        snprintf(error.text, sizeof(error.text),
                 b"indptr: the matrix must have at most 2**31-1 cells, but has %lld block rows of "
                 b"%lld rows and %lld columns", <long long>(parts.indptr.dims[0] - 1),
                 <long long>block_rows, <long long>parts.in_channels)
        return False
    blocks = parts.indices.dims[0]
    if parts.values.dims[0] != blocks or parts.values.dims[1] != block_rows:
        snprintf(error.text, sizeof(error.text),
                 b"values: must have shape (%lld, %lld), indices by block_rows, but has (%lld, %lld)",
                 <long long>blocks, <long long>block_rows,
                 <long long>parts.values.dims[0], <long long>parts.values.dims[1])
        return False
    if not (check_indptr(&parts.indptr, blocks, error) and check_indices(parts, error)):
        return False
    rows = (parts.indptr.dims[0] - 1) * block_rows
    if parts.bias.given and not check_channel_vector(&parts.bias, b"bias", rows, error):
        return False
    if parts.slope.given != (parts.activation == SPMM_PRELU):
        snprintf(error.text, sizeof(error.text), b"slope: must be given with activation prelu "
                 b"and with no other, but is %s",
                 b"given with another" if parts.slope.given else b"missing")
        return False
    if parts.slope.given and not check_channel_vector(&parts.slope, b"slope", rows, error):
        return False
    if parts.activation == SPMM_CLIP and not parts.minimum <= parts.maximum:
        snprintf(error.text, sizeof(error.text),
                 b"activation_min: must be at most activation_max, but they are %g and %g",
                 <double>parts.minimum, <double>parts.maximum)
        return False
    return True


cdef inline float* widen_floats(const Tensor* tensor, int64_t count) noexcept nogil:
    cdef int64_t i
    cdef float* result = <float*>malloc((count + 1) * sizeof(float))  # + 1: never malloc(0)
    if result != NULL:
        for i in range(count):
            result[i] = float_at(tensor, i)
    return result


cdef inline int32_t* widen_indices(const Tensor* tensor) noexcept nogil:
    cdef int64_t i
    cdef int32_t* result = <int32_t*>malloc((tensor.dims[0] + 1) * sizeof(int32_t))
    if result != NULL:
        for i in range(tensor.dims[0]):
            result[i] = <int32_t>index_at(tensor, i)
    return result


cdef inline const char* requested_isa(const char* name, Message* error) noexcept nogil:
    """Return the supported instruction set of this name, or NULL with the error set.

    A NULL name stands for the environment variable ORT_SPARSE_ISA, and that for the best one.
    """
    cdef const char* const* supported = spmm_supported_isas()
    cdef size_t i = 0
    if name == NULL:
        name = getenv(b"ORT_SPARSE_ISA")
    if name == NULL or name[0] == 0:
        return supported[0]
    while supported[i] != NULL:
        if strcmp(supported[i], name) == 0:
            return supported[i]
        i += 1
    cdef int used = snprintf(
        error.text, sizeof(error.text),
        b"ORT_SPARSE_ISA: must be an instruction set of this CPU, but is '%.64s', which %s; "
        b"this CPU has", name,
        b"it lacks" if spmm_is_known_isa(name) else b"nobody knows")
    i = 0
    while supported[i] != NULL:
        used += snprintf(error.text + used, sizeof(error.text) - used, b" %.32s", supported[i])
        i += 1
    return NULL


cdef inline spmm_layer* create_layer(
        const LayerParts* parts, int64_t pixels, const char* isa, int vectors,
        Message* error) noexcept nogil:
    """Check and pack; return NULL with the error set where that fails.

    `pixels`, `isa` and `vectors` are those of spmm_layer_create.
    """
    cdef spmm_matrix matrix
    cdef spmm_epilogue epilogue
    cdef float* values
    cdef float* bias = NULL
    cdef float* slope = NULL
    cdef int32_t* indices
    cdef int32_t* indptr
    cdef spmm_layer* layer = NULL
    isa = requested_isa(isa, error)
    if isa == NULL or not check_parts(parts, error):
        return NULL
    matrix.block_rows = parts.block_rows
    matrix.rows = (parts.indptr.dims[0] - 1) * parts.block_rows
    matrix.columns = parts.in_channels
    values = widen_floats(&parts.values, parts.values.dims[0] * parts.block_rows)
    indices = widen_indices(&parts.indices)
    indptr = widen_indices(&parts.indptr)
    if parts.bias.given:
        bias = widen_floats(&parts.bias, matrix.rows)
    if parts.slope.given:
        slope = widen_floats(&parts.slope, matrix.rows)
    if (values != NULL and indices != NULL and indptr != NULL
            and (bias != NULL or not parts.bias.given)
            and (slope != NULL or not parts.slope.given)):
        matrix.values = values
        matrix.indices = indices
        matrix.indptr = indptr
        epilogue.bias = bias
        epilogue.slope = slope
        epilogue.activation = parts.activation
        epilogue.minimum = parts.minimum
        epilogue.maximum = parts.maximum
        epilogue.alpha = parts.alpha
        layer = spmm_layer_create(&matrix, &epilogue, pixels, isa, vectors)
    free(values)
    free(indices)
    free(indptr)
    free(bias)
    free(slope)
    if layer == NULL and vectors != 0:
        snprintf(error.text, sizeof(error.text),
                 b"vectors: must be the tile of a microkernel for %s and this block height, "
                 b"but is %d", isa, vectors)
    elif layer == NULL:
        snprintf(error.text, sizeof(error.text),
                 b"not enough memory to pack %lld x %lld weights",
                 <long long>matrix.rows, <long long>matrix.columns)
    return layer


cdef inline bint check_strides(const Strides* strides, Message* error) noexcept nogil:
    cdef size_t i
    for i in range(strides.count):
        if strides.size[i] < 1 or strides.size[i] > INT_MAX:
            snprintf(error.text, sizeof(error.text),
                     b"strides: must lie in 1..2**31-1, but entry %zu is %lld",
                     i, <long long>strides.size[i])
            return False
    return True


cdef inline bint plan_run(
        const Tensor* x, int64_t rows, int64_t columns, const Strides* strides,
        spmm_run* run, int64_t* y_dims, Message* error) noexcept nogil:
    """Check X and fill in the sizes of the run and of Y, which has the rank of X."""
    cdef size_t i, spatial
    if x.element_type != ELEMENT_FLOAT:
        snprintf(error.text, sizeof(error.text),
                 b"X: must be float32, but has ONNX element type %d", x.element_type)
        return False
    if x.rank < 2 or x.rank > <size_t>MAX_RANK:
        snprintf(error.text, sizeof(error.text),
                 b"X: must have rank 2 to %d, but has rank %zu", <int>MAX_RANK, x.rank)
        return False
    if x.dims[1] != columns:
        snprintf(error.text, sizeof(error.text),
                 b"X: must have %lld channels on axis 1, but has %lld",
                 <long long>columns, <long long>x.dims[1])
        return False
    spatial = x.rank - 2
    if strides.count != 0 and strides.count != spatial:
        snprintf(error.text, sizeof(error.text),
                 b"X: must have %zu spatial axes, one for each stride, but has %zu",
                 strides.count, spatial)
        return False
    for i in range(MAX_SPATIAL):
        run.input_size[i] = run.output_size[i] = run.stride[i] = 1
    y_dims[0] = run.batch = x.dims[0]
    y_dims[1] = rows
    for i in range(spatial):  # missing axes come first, so that the last axis is innermost
        run.input_size[MAX_SPATIAL - spatial + i] = x.dims[2 + i]
        if strides.count:
            run.stride[MAX_SPATIAL - spatial + i] = strides.size[i]
    for i in range(MAX_SPATIAL):
        run.output_size[i] = divide_up(run.input_size[i], run.stride[i])
    for i in range(spatial):
        y_dims[2 + i] = run.output_size[MAX_SPATIAL - spatial + i]
    return True


cdef inline bint is_empty(const spmm_run* run) noexcept nogil:
    return (run.batch == 0 or run.output_size[0] == 0 or run.output_size[1] == 0
            or run.output_size[2] == 0)


cdef inline bint check_residual(
        const Tensor* residual, const int64_t* y_dims, size_t rank, Message* error) noexcept nogil:
    cdef size_t i
    cdef bint same = residual.rank == rank
    if residual.element_type != ELEMENT_FLOAT:
        snprintf(error.text, sizeof(error.text),
                 b"residual: must be float32, but has ONNX element type %d",
                 residual.element_type)
        return False
    for i in range(rank):
        same = same and residual.dims[i] == y_dims[i]
    if not same:
        snprintf(error.text, sizeof(error.text),
                 b"residual: must have the shape of Y, but does not")
        return False
    return True


cdef struct TaskData:
    const spmm_layer* layer
    const spmm_run* run


cdef inline void run_task(void* data, size_t task) noexcept nogil:
    """Run one task; the callback of both thread drivers."""
    cdef TaskData* job = <TaskData*>data
    spmm_run_task(job.layer, job.run, <int64_t>task)
