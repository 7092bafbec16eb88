"""Reading a SparseConv1x1 node through ONNX Runtime's C API, when its kernel is created."""

from libc.math cimport INFINITY
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from libc.string cimport memset

from layer cimport *
from ort_api cimport *

cdef enum Input:  # the order of INPUTS in ort_sparse/op.py
    INPUT_X = 0
    INPUT_VALUES = 1
    INPUT_INDICES = 2
    INPUT_INDPTR = 3
    INPUT_BIAS = 4
    INPUT_RESIDUAL = 5
    INPUT_SLOPE = 6
    INPUT_COUNT = 7


cdef inline bint succeeded(const OrtApi* api, OrtStatus* status) noexcept nogil:
    if status == NULL:
        return True
    api.ReleaseStatus(status)
    return False


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


cdef inline bint absent_or_error(
        const OrtApi* api, const OrtKernelInfo* info, const char* name, const char* kind,
        Message* error) noexcept nogil:
    if not is_present(api, info, name):
        return True
    snprintf(error.text, sizeof(error.text),
             b"%s: must be an attribute of type %s, but is of another type", name, kind)
    return False


cdef inline bint read_int(
        const OrtApi* api, const OrtKernelInfo* info, const char* name, int64_t* out,
        Message* error) noexcept nogil:
    """Read an attribute; leave `out`, the default, where it is absent."""
    cdef int64_t value
    if succeeded(api, api.KernelInfoGetAttribute_int64(info, name, &value)):
        out[0] = value
        return True
    return absent_or_error(api, info, name, b"int", error)


cdef inline bint read_float(
        const OrtApi* api, const OrtKernelInfo* info, const char* name, float* out,
        Message* error) noexcept nogil:
    cdef float value
    if succeeded(api, api.KernelInfoGetAttribute_float(info, name, &value)):
        out[0] = value
        return True
    return absent_or_error(api, info, name, b"float", error)


cdef inline bint read_activation(
        const OrtApi* api, const OrtKernelInfo* info, spmm_activation* out,
        Message* error) noexcept nogil:
    cdef char name[64]
    cdef size_t size = sizeof(name)
    out[0] = SPMM_NONE
    if succeeded(api, api.KernelInfoGetAttribute_string(info, b"activation", name, &size)):
        return activation_from_name(name, out, error)
    size = 0
    if succeeded(api, api.KernelInfoGetAttribute_string(info, b"activation", NULL, &size)):
        return activation_from_name(b"a longer name", out, error)
    return absent_or_error(api, info, b"activation", b"string", error)


cdef inline bint read_strides(
        const OrtApi* api, const OrtKernelInfo* info, Strides* strides,
        Message* error) noexcept nogil:
    cdef size_t count = 0
    strides.count = 0
    if not succeeded(api, api.KernelInfoGetAttributeArray_int64(info, b"strides", NULL, &count)):
        return absent_or_error(api, info, b"strides", b"ints", error)
    if count > <size_t>MAX_SPATIAL:
        snprintf(error.text, sizeof(error.text), b"strides: must have at most %d entries, "
                 b"but has %zu", <int>MAX_SPATIAL, count)
        return False
    if count == 0:
        if is_scalar_or_floats(api, info, b"strides"):
            snprintf(error.text, sizeof(error.text),
                     b"strides: must be an attribute of type ints, but is of another type")
            return False
        return True
    if not succeeded(
            api, api.KernelInfoGetAttributeArray_int64(
                info, b"strides", strides.size, &count)):
        snprintf(error.text, sizeof(error.text), b"strides: cannot be read")
        return False
    strides.count = count
    return check_strides(strides, error)


# --- Tensors.

cdef inline bint describe(
        const OrtApi* api, const OrtValue* value, const char* name, Tensor* out,
        Message* error) noexcept nogil:
    """Fill in data, type and shape of a tensor; its memory stays the runtime's."""
    cdef OrtTensorTypeAndShapeInfo* info = NULL
    cdef void* data = NULL
    cdef bint known
    memset(out, 0, sizeof(Tensor))
    if not succeeded(api, api.GetTensorTypeAndShape(value, &info)):
        snprintf(error.text, sizeof(error.text), b"%s: must be a tensor, but is not", name)
        return False
    known = (succeeded(api, api.GetTensorElementType(info, &out.element_type))
             and succeeded(api, api.GetDimensionsCount(info, &out.rank)))
    if known and out.rank > <size_t>MAX_RANK:
        api.ReleaseTensorTypeAndShapeInfo(info)
        snprintf(error.text, sizeof(error.text), b"%s: must have rank at most %d, but has rank %zu",
                 name, <int>MAX_RANK, out.rank)
        return False
    known = known and succeeded(api, api.GetDimensions(info, out.dims, out.rank))
    api.ReleaseTensorTypeAndShapeInfo(info)
    if not known or not succeeded(
            api, api.GetTensorMutableData(<OrtValue*>value, &data)):
        snprintf(error.text, sizeof(error.text), b"%s: cannot be read", name)
        return False
    out.given = True
    out.data = data
    return True


cdef inline bint find_input(
        const OrtApi* api, const OrtKernelInfo* info, size_t index, const char* name,
        bint* given, Message* error) noexcept nogil:
    """Learn whether the node has this input; an absent optional one has an empty name."""
    cdef size_t count = 0, size = 0
    if (not succeeded(api, api.KernelInfo_GetInputCount(info, &count))
            or (index < count and not succeeded(
                api, api.KernelInfo_GetInputName(info, index, NULL, &size)))):
        snprintf(error.text, sizeof(error.text), b"%s: the node's inputs cannot be read", name)
        return False
    given[0] = size > 1  # the size counts the final NUL
    return True


cdef inline bint read_constant(
        const OrtApi* api, const OrtKernelInfo* info, size_t index, const char* name,
        Tensor* out, Message* error) noexcept nogil:
    cdef const OrtValue* value = NULL
    cdef int is_constant = 0
    cdef bint given = False
    memset(out, 0, sizeof(Tensor))
    if not find_input(api, info, index, name, &given, error):
        return False
    if not given:
        return True  # `check_parts` knows which ones must be there
    if (not succeeded(
            api, api.KernelInfoGetConstantInput_tensor(info, index, &is_constant, &value))
            or not is_constant or value == NULL):
        snprintf(error.text, sizeof(error.text),
                 b"%s: must be constant (an initializer), but is computed or a graph input", name)
        return False
    return describe(api, value, name, out, error)


cdef inline bint read_parts(
        const OrtApi* api, const OrtKernelInfo* info, LayerParts* parts, Strides* strides,
        Message* error) noexcept nogil:
    memset(parts, 0, sizeof(LayerParts))
    parts.block_rows = 1
    parts.minimum = -INFINITY
    parts.maximum = INFINITY
    parts.alpha = <float>0.01
    return (read_int(api, info, b"in_channels", &parts.in_channels, error)
            and read_int(api, info, b"block_rows", &parts.block_rows, error)
            and read_strides(api, info, strides, error)
            and read_activation(api, info, &parts.activation, error)
            and read_float(api, info, b"activation_min", &parts.minimum, error)
            and read_float(api, info, b"activation_max", &parts.maximum, error)
            and read_float(api, info, b"activation_alpha", &parts.alpha, error)
            and read_constant(api, info, INPUT_VALUES, b"values", &parts.values, error)
            and read_constant(api, info, INPUT_INDICES, b"indices", &parts.indices, error)
            and read_constant(api, info, INPUT_INDPTR, b"indptr", &parts.indptr, error)
            and read_constant(api, info, INPUT_BIAS, b"bias", &parts.bias, error)
            and read_constant(api, info, INPUT_SLOPE, b"slope", &parts.slope, error))


cdef inline int64_t expected_pixels(
        const OrtApi* api, const OrtKernelInfo* info, const Strides* strides) noexcept nogil:
    """Return the size of an output plane where shape inference knows it, else 0."""
    cdef OrtTypeInfo* type_info = NULL
    cdef const OrtTensorTypeAndShapeInfo* shape = NULL
    cdef size_t rank = 0, i
    cdef int64_t dims[MAX_RANK]
    cdef int64_t pixels = 0, stride
    if not succeeded(api, api.KernelInfo_GetInputTypeInfo(info, INPUT_X, &type_info)):
        return 0
    if (succeeded(api, api.CastTypeInfoToTensorInfo(type_info, &shape)) and shape != NULL
            and succeeded(api, api.GetDimensionsCount(shape, &rank))
            and 2 <= rank <= <size_t>MAX_RANK
            and succeeded(api, api.GetDimensions(shape, dims, rank))):
        pixels = 1
        for i in range(2, rank):
            stride = strides.size[i - 2] if strides.count == rank - 2 else 1
            if dims[i] < 1 or dims[i] > INT_MAX or pixels > INT_MAX:
                pixels = 0
                break
            pixels *= divide_up(dims[i], stride)
    api.ReleaseTypeInfo(type_info)
    return pixels
