"""Reading a SparseConv1x1 node through ONNX Runtime's C API, when its kernel is created.

What the node says goes into a `sparse_conv`, whose rules op/sparse_conv.c knows.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from core cimport *
from ort.onnxruntime_abi cimport *
from ort.statuses cimport *


# --- Attributes. ORT checks none of a custom op's attributes, and does not tell a missing one
# --- from one of another type, nor that one from an empty list; so we ask for every type.

cdef inline bint is_scalar_or_floats(
        const OrtApi* api, const OrtKernelInfo* info, const char* name) noexcept nogil:
    cdef float number
    cdef int64_t integer
    cdef size_t size = 0
    if succeeded(api, api.KernelInfoGetAttribute_float(info, name, &number)):
        return True
    if succeeded(api, api.KernelInfoGetAttribute_int64(info, name, &integer)):
        return True
    if succeeded(api, api.KernelInfoGetAttribute_string(info, name, NULL, &size)):
        return True
    size = 0
    return (succeeded(api, api.KernelInfoGetAttributeArray_float(info, name, NULL, &size))
            and size > 0)


cdef inline bint is_present(
        const OrtApi* api, const OrtKernelInfo* info, const char* name) noexcept nogil:
    cdef size_t size = 0
    return (is_scalar_or_floats(api, info, name)
            or succeeded(api, api.KernelInfoGetAttributeArray_int64(info, name, NULL, &size)))


cdef inline bint wrong_type(const char* name, const char* wanted, Status* why) noexcept nogil:
    return status_fail(
        why, STATUS_INVALID, b"%s: must be an attribute of type %s, but is of another type", name,
        wanted)


cdef inline bint read_int(
        const OrtApi* api, const OrtKernelInfo* info, const char* name, int64_t* out,
        Status* why) noexcept nogil:
    """Read an attribute; leave `out`, the default, where it is absent."""
    cdef int64_t value
    if succeeded(api, api.KernelInfoGetAttribute_int64(info, name, &value)):
        out[0] = value
        return True
    return not is_present(api, info, name) or wrong_type(name, b"int", why)


cdef inline bint read_float(
        const OrtApi* api, const OrtKernelInfo* info, const char* name, float* out,
        Status* why) noexcept nogil:
    cdef float value
    if succeeded(api, api.KernelInfoGetAttribute_float(info, name, &value)):
        out[0] = value
        return True
    return not is_present(api, info, name) or wrong_type(name, b"float", why)


cdef inline bint read_activation(
        const OrtApi* api, const OrtKernelInfo* info, Activation* out, Status* why) noexcept nogil:
    cdef size_t size = 0
    cdef char* name
    cdef bint known
    if not succeeded(api, api.KernelInfoGetAttribute_string(info, b"activation", NULL, &size)):
        return not is_present(api, info, b"activation") or wrong_type(
            b"activation", b"string", why)
    name = <char*>malloc(size + 1)
    if name == NULL:
        return status_fail(why, STATUS_NO_MEMORY, b"activation: not enough memory to read it")
    if succeeded(api, api.KernelInfoGetAttribute_string(info, b"activation", name, &size)):
        known = activation_from_name(name, out, why)
    else:
        known = status_fail(why, STATUS_INVALID, b"activation: cannot be read")
    free(name)
    return known


cdef inline bint read_strides(
        const OrtApi* api, const OrtKernelInfo* info, sparse_conv_strides* strides,
        Status* why) noexcept nogil:
    cdef size_t count = 0
    cdef int64_t* sizes
    cdef bint valid
    if not succeeded(api, api.KernelInfoGetAttributeArray_int64(info, b"strides", NULL, &count)):
        return not is_present(api, info, b"strides") or wrong_type(b"strides", b"ints", why)
    if count == 0:
        return not is_scalar_or_floats(api, info, b"strides") or wrong_type(
            b"strides", b"ints", why)
    sizes = <int64_t*>malloc(count * sizeof(int64_t))
    if sizes == NULL:
        return status_fail(why, STATUS_NO_MEMORY, b"strides: not enough memory to read them")
    if succeeded(api, api.KernelInfoGetAttributeArray_int64(info, b"strides", sizes, &count)):
        valid = sparse_conv_set_strides(strides, sizes, count, why)
    else:
        valid = status_fail(why, STATUS_INVALID, b"strides: cannot be read")
    free(sizes)
    return valid


# --- Tensors.

cdef inline bint describe(
        const OrtApi* api, const OrtValue* value, const char* name, Tensor* out,
        Status* why) noexcept nogil:
    """Fill in data, type and shape of a tensor; its memory stays the runtime's."""
    cdef OrtTensorTypeAndShapeInfo* info = NULL
    cdef void* data = NULL
    cdef bint known
    memset(out, 0, sizeof(Tensor))
    if not succeeded(api, api.GetTensorTypeAndShape(value, &info)):
        return status_fail(why, STATUS_INVALID, b"%s: must be a tensor, but is not", name)
    known = (succeeded(api, api.GetTensorElementType(info, &out.element_type))
             and succeeded(api, api.GetDimensionsCount(info, &out.rank)))
    if known and out.rank > <size_t>TENSOR_MAX_RANK:
        api.ReleaseTensorTypeAndShapeInfo(info)
        return status_fail(
            why, STATUS_INVALID, b"%s: must have rank at most %d, but has rank %zu", name,
            <int>TENSOR_MAX_RANK, out.rank)
    known = known and succeeded(api, api.GetDimensions(info, out.dims, out.rank))
    api.ReleaseTensorTypeAndShapeInfo(info)
    if not known or not succeeded(api, api.GetTensorMutableData(<OrtValue*>value, &data)):
        return status_fail(why, STATUS_INVALID, b"%s: cannot be read", name)
    out.given = True
    out.data = data
    return True


cdef inline bint find_input(
        const OrtApi* api, const OrtKernelInfo* info, size_t index, bint* given,
        Status* why) noexcept nogil:
    """Learn whether the node has this input; an absent optional one has an empty name."""
    cdef size_t count = 0, size = 0
    if (not succeeded(api, api.KernelInfo_GetInputCount(info, &count))
            or (index < count and not succeeded(
                api, api.KernelInfo_GetInputName(info, index, NULL, &size)))):
        return status_fail(
            why, STATUS_INVALID, b"%s: the node's inputs cannot be read",
            sparse_conv_inputs[index].name)
    given[0] = size > 1  # the size counts the final NUL
    return True


cdef inline bint read_constant(
        const OrtApi* api, const OrtKernelInfo* info, size_t index, Tensor* out,
        Status* why) noexcept nogil:
    cdef const OrtValue* value = NULL
    cdef int is_constant = 0
    cdef bint given = False
    cdef const char* name = sparse_conv_inputs[index].name
    if not find_input(api, info, index, &given, why):
        return False
    if not given:
        return True  # sparse_conv_pack knows which ones must be there
    if (not succeeded(
            api, api.KernelInfoGetConstantInput_tensor(info, index, &is_constant, &value))
            or not is_constant or value == NULL):
        return status_fail(
            why, STATUS_INVALID,
            b"%s: must be constant (an initializer), but is computed or a graph input", name)
    return describe(api, value, name, out, why)


cdef inline bint read_node(
        const OrtApi* api, const OrtKernelInfo* info, sparse_conv* op, Status* why) noexcept nogil:
    cdef size_t index
    sparse_conv_set_defaults(op)
    if not (read_int(api, info, b"in_channels", &op.in_channels, why)
            and read_int(api, info, b"block_rows", &op.block_rows, why)
            and read_strides(api, info, &op.strides, why)
            and read_activation(api, info, &op.activation, why)
            and read_float(api, info, b"activation_min", &op.minimum, why)
            and read_float(api, info, b"activation_max", &op.maximum, why)
            and read_float(api, info, b"activation_alpha", &op.alpha, why)):
        return False
    for index in range(SPARSE_CONV_INPUT_COUNT):
        if (sparse_conv_inputs[index].constant
                and not read_constant(api, info, index, &op.constants[index], why)):
            return False
    return True


cdef inline int64_t expected_pixels(
        const OrtApi* api, const OrtKernelInfo* info,
        const sparse_conv_strides* strides) noexcept nogil:
    """Return the size of an output plane where shape inference knows it, else 0."""
    cdef OrtTypeInfo* type_info = NULL
    cdef const OrtTensorTypeAndShapeInfo* shape = NULL
    cdef size_t rank = 0
    cdef int64_t dims[TENSOR_MAX_RANK]
    cdef int64_t pixels = 0
    if not succeeded(api, api.KernelInfo_GetInputTypeInfo(info, SPARSE_CONV_X, &type_info)):
        return 0
    if (succeeded(api, api.CastTypeInfoToTensorInfo(type_info, &shape)) and shape != NULL
            and succeeded(api, api.GetDimensionsCount(shape, &rank))
            and 2 <= rank <= <size_t>TENSOR_MAX_RANK
            and succeeded(api, api.GetDimensions(shape, dims, rank))):
        pixels = sparse_conv_pixels(strides, dims, rank)
    api.ReleaseTypeInfo(type_info)
    return pixels
