"""The shape of Y, for ONNX Runtime's graph.

ORT takes the -1 of an unknown size for its value, unless the size has a name: each gets one of its
own, so that it equals no other.

ORT ignores the status, and a run checks everything again on real shapes.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf

from core cimport *
from ort.onnxruntime_abi cimport *
from ort.statuses cimport *


cdef extern from *:
    """
    static int64_t ort_sparse_named_sizes;
    """
    int64_t named_sizes "ort_sparse_named_sizes"
    int64_t fetch_and_add "__sync_fetch_and_add"(int64_t*, int64_t) noexcept nogil

cdef enum:
    SIZE_NAME_BYTES = 40


cdef inline int64_t inferred_int(
        const OrtApi* api, const OrtShapeInferContext* context, const char* name,
        int64_t default) noexcept nogil:
    cdef const OrtOpAttr* attribute = NULL
    cdef int64_t value
    cdef size_t size = 0
    if (succeeded(api, api.ShapeInferContext_GetAttribute(context, name, &attribute))
            and attribute != NULL
            and succeeded(api, api.ReadOpAttr(
                attribute, ORT_OP_ATTR_INT, &value, sizeof(value), &size))):
        return value
    return default


cdef inline void inferred_strides(
        const OrtApi* api, const OrtShapeInferContext* context,
        sparse_conv_strides* strides) noexcept nogil:
    """Read the strides, or leave all ones where they cannot be read or break a rule."""
    cdef const OrtOpAttr* attribute = NULL
    cdef size_t size = 0
    cdef int64_t sizes[SPMM_AXES]
    cdef Status why
    strides.count = 0
    if (succeeded(api, api.ShapeInferContext_GetAttribute(context, b"strides", &attribute))
            and attribute != NULL
            and succeeded(api, api.ReadOpAttr(
                attribute, ORT_OP_ATTR_INTS, sizes, sizeof(sizes), &size))):
        sparse_conv_set_strides(strides, sizes, size // sizeof(int64_t), &why)


cdef inline int64_t inferred_length(
        const OrtApi* api, const OrtShapeInferContext* context, size_t index) noexcept nogil:
    """Return the number of entries of a vector, or -1."""
    cdef OrtTensorTypeAndShapeInfo* info = NULL
    cdef size_t rank = 0
    cdef int64_t entries = -1
    if (succeeded(api, api.ShapeInferContext_GetInputTypeShape(context, index, &info))
            and succeeded(api, api.GetDimensionsCount(info, &rank)) and rank == 1):
        succeeded(api, api.GetDimensions(info, &entries, 1))
    return entries


cdef inline OrtStatus* set_y(
        const OrtApi* api, OrtShapeInferContext* context, const int64_t* dims, const char** names,
        size_t rank) noexcept nogil:
    cdef OrtTensorTypeAndShapeInfo* y = NULL
    cdef OrtStatus* failure = api.CreateTensorTypeAndShapeInfo(&y)
    if failure == NULL:
        failure = api.SetTensorElementType(y, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)
    if failure == NULL:
        failure = api.SetDimensions(y, dims, rank)
    if failure == NULL:
        failure = api.SetSymbolicDimensions(y, names, rank)
    if failure == NULL:
        failure = api.ShapeInferContext_SetOutputTypeShape(context, 0, y)
    if y != NULL:
        api.ReleaseTensorTypeAndShapeInfo(y)
    return failure


cdef inline OrtStatus* infer_y(const OrtApi* api, OrtShapeInferContext* context) noexcept nogil:
    cdef OrtTensorTypeAndShapeInfo* x = NULL
    cdef size_t rank = 0, axis
    cdef int64_t dims[TENSOR_MAX_RANK]
    cdef const char* names[TENSOR_MAX_RANK]
    cdef char own_names[TENSOR_MAX_RANK][SIZE_NAME_BYTES]
    cdef sparse_conv_strides strides
    cdef OrtStatus* failure = api.ShapeInferContext_GetInputTypeShape(context, SPARSE_CONV_X, &x)
    if failure == NULL:
        failure = api.GetDimensionsCount(x, &rank)
    if failure != NULL or rank < 2 or rank > <size_t>TENSOR_MAX_RANK:
        return failure
    if (not succeeded(api, api.GetDimensions(x, dims, rank))
            or not succeeded(api, api.GetSymbolicDimensions(x, names, rank))):
        return NULL
    inferred_strides(api, context, &strides)
    sparse_conv_infer_dims(
        &strides, inferred_int(api, context, b"block_rows", 1),
        inferred_length(api, context, SPARSE_CONV_INDPTR), rank, dims)
    for axis in range(1, rank):  # a size with a name keeps it where no stride changes it
        if axis == 1 or sparse_conv_stride(&strides, axis - 2) != 1:
            names[axis] = b""
    for axis in range(rank):
        if dims[axis] < 0 and (names[axis] == NULL or names[axis][0] == 0):
            snprintf(own_names[axis], SIZE_NAME_BYTES, b"ort_sparse.size.%lld",
                     <long long>fetch_and_add(&named_sizes, 1))
            names[axis] = own_names[axis]
    return set_y(api, context, dims, names, rank)
