"""SparseConv1x1 as an ONNX Runtime custom op: kernel objects and the callbacks ORT makes.

Nothing here may touch Python: the same code is linked into libort_sparse, which has none.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from layer cimport *
from node_reader cimport *
from ort_api cimport *

cdef struct SparseConvOp:  # what ORT sees, followed by what this registration asked for
    OrtCustomOp callbacks
    const OrtApi* api
    bint openmp

cdef struct Kernel:
    const OrtApi* api
    spmm_layer* layer
    int64_t rows
    int64_t columns
    Strides strides
    bint openmp
    bint has_residual
    char node[128]


cdef inline OrtStatus* node_error(
        const OrtApi* api, const char* node, const Message* error) noexcept nogil:
    cdef Message full
    snprintf(full.text, sizeof(full.text), b"SparseConv1x1 node '%.100s': %.380s", node, error.text)
    make_ascii(&full)
    return api.CreateStatus(ORT_INVALID_ARGUMENT, full.text)


# --- The kernel.

cdef inline OrtStatus* create_kernel(
        const OrtCustomOp* op, const OrtApi* api, const OrtKernelInfo* info,
        void** out) noexcept nogil:
    cdef LayerParts parts
    cdef Message error
    cdef size_t size
    cdef Kernel* kernel = <Kernel*>calloc(1, sizeof(Kernel))
    if kernel == NULL:
        return api.CreateStatus(ORT_FAIL, b"SparseConv1x1: not enough memory for a kernel")
    size = sizeof(kernel.node)
    if not succeeded(api, api.KernelInfo_GetNodeName(info, kernel.node, &size)):
        snprintf(kernel.node, sizeof(kernel.node), b"(a name of %zu characters)", size)
    if (read_parts(api, info, &parts, &kernel.strides, &error)
            and find_input(
                api, info, INPUT_RESIDUAL, b"residual", &kernel.has_residual, &error)):
        kernel.layer = create_layer(
            &parts, expected_pixels(api, info, &kernel.strides), NULL, 0, &error)
    if kernel.layer == NULL:
        status = node_error(api, kernel.node, &error)
        free(kernel)
        return status
    kernel.api = api
    kernel.rows = (parts.indptr.dims[0] - 1) * parts.block_rows
    kernel.columns = parts.in_channels
    kernel.openmp = (<const SparseConvOp*>op).openmp
    out[0] = kernel
    return NULL


cdef inline void destroy_kernel(void* data) noexcept nogil:
    cdef Kernel* kernel = <Kernel*>data
    spmm_layer_destroy(kernel.layer)
    free(kernel)


cdef inline OrtStatus* compute(void* data, OrtKernelContext* context) noexcept nogil:
    cdef Kernel* kernel = <Kernel*>data
    cdef const OrtApi* api = kernel.api
    cdef const OrtValue* x_value = NULL
    cdef const OrtValue* residual_value = NULL
    cdef OrtValue* y_value = NULL
    cdef Tensor x, residual
    cdef int64_t y_dims[MAX_RANK]
    cdef void* y = NULL
    cdef spmm_run run
    cdef TaskData job
    cdef Message error
    cdef int64_t tasks, i
    cdef OrtStatus* status = api.KernelContext_GetInput(context, INPUT_X, &x_value)
    if status == NULL and kernel.has_residual:
        status = api.KernelContext_GetInput(context, INPUT_RESIDUAL, &residual_value)
    if status != NULL:
        return status
    residual.data = NULL
    if (not describe(api, x_value, b"X", &x, &error)
            or not plan_run(&x, kernel.rows, kernel.columns, &kernel.strides, &run, y_dims, &error)
            or (residual_value != NULL and not (
                describe(api, residual_value, b"residual", &residual, &error)
                and check_residual(&residual, y_dims, x.rank, &error)))):
        return node_error(api, kernel.node, &error)
    status = api.KernelContext_GetOutput(context, 0, y_dims, x.rank, &y_value)
    if status == NULL:
        status = api.GetTensorMutableData(y_value, &y)
    if status != NULL or is_empty(&run):
        return status
    run.x = <const float*>x.data
    run.residual = <const float*>residual.data
    run.y = <float*>y
    job.layer = kernel.layer
    job.run = &run
    tasks = spmm_task_count(kernel.layer, &run)
    if tasks == 1:
        spmm_run_task(kernel.layer, &run, 0)
    elif kernel.openmp:
        parallel_openmp(run_task, &job, tasks)
    else:
        return api.KernelContext_ParallelFor(context, run_task, tasks, 0, &job)
    return NULL


# --- Facts about the op.

cdef inline const char* op_name(const OrtCustomOp* op) noexcept nogil:
    return b"SparseConv1x1"


cdef inline const char* op_provider(const OrtCustomOp* op) noexcept nogil:
    return NULL  # the CPU


cdef inline int op_input_type(const OrtCustomOp* op, size_t index) noexcept nogil:
    # Undefined stands for any type; `check_parts` is stricter and says more.
    return ORT_FLOAT if index == INPUT_X or index == INPUT_RESIDUAL else ORT_UNDEFINED


cdef inline size_t op_input_count(const OrtCustomOp* op) noexcept nogil:
    return INPUT_COUNT


cdef inline int op_output_type(const OrtCustomOp* op, size_t index) noexcept nogil:
    return ORT_FLOAT


cdef inline size_t op_output_count(const OrtCustomOp* op) noexcept nogil:
    return 1


cdef inline int op_input_characteristic(const OrtCustomOp* op, size_t index) noexcept nogil:
    return ORT_OPTIONAL if index >= INPUT_BIAS else ORT_REQUIRED


cdef inline int op_output_characteristic(const OrtCustomOp* op, size_t index) noexcept nogil:
    return ORT_REQUIRED


cdef inline int op_memory_type(const OrtCustomOp* op, size_t index) noexcept nogil:
    return 0  # OrtMemTypeDefault


cdef inline int op_no_variadic_arity(const OrtCustomOp* op) noexcept nogil:
    return 1


cdef inline int op_no_variadic_homogeneity(const OrtCustomOp* op) noexcept nogil:
    return 0


cdef inline int op_version(const OrtCustomOp* op) noexcept nogil:
    return 1


cdef inline void op_release_inplace(int* inputs, int* outputs) noexcept nogil:
    free(inputs)
    free(outputs)


cdef inline size_t op_may_inplace(int** inputs, int** outputs) noexcept nogil:
    """Allow Y to take the residual's memory: a task reads each cell before it writes it."""
    inputs[0] = <int*>malloc(sizeof(int))
    outputs[0] = <int*>malloc(sizeof(int))
    if inputs[0] == NULL or outputs[0] == NULL:
        op_release_inplace(inputs[0], outputs[0])
        inputs[0] = outputs[0] = NULL
        return 0
    inputs[0][0] = INPUT_RESIDUAL
    outputs[0][0] = 0
    return 1


cdef inline size_t op_no_alias(int** inputs, int** outputs) noexcept nogil:
    return 0


# --- Shape inference.

cdef inline int64_t inferred_int(
        const OrtApi* api, const OrtShapeInferContext* context, const char* name,
        int64_t default) noexcept nogil:
    cdef const OrtOpAttr* attribute = NULL
    cdef int64_t value
    cdef size_t size = 0
    if (succeeded(api, api.ShapeInferContext_GetAttribute(context, name, &attribute))
            and attribute != NULL
            and succeeded(api, api.ReadOpAttr(attribute, ORT_ATTR_INT, &value, sizeof(value), &size))):
        return value
    return default


cdef inline void inferred_strides(
        const OrtApi* api, const OrtShapeInferContext* context,
        int64_t* strides) noexcept nogil:
    cdef const OrtOpAttr* attribute = NULL
    cdef size_t size = 0, i
    cdef int64_t found[MAX_SPATIAL]
    for i in range(MAX_SPATIAL):
        strides[i] = 1
    if (succeeded(api, api.ShapeInferContext_GetAttribute(context, b"strides", &attribute))
            and attribute != NULL
            and succeeded(api, api.ReadOpAttr(attribute, ORT_ATTR_INTS, found, sizeof(found), &size))):
        for i in range(min(size // sizeof(int64_t), <size_t>MAX_SPATIAL)):
            strides[i] = found[i] if found[i] > 0 else 1


cdef inline OrtStatus* infer_shape(
        const OrtCustomOp* op, OrtShapeInferContext* context) noexcept nogil:
    """Give Y the batch and spatial sizes of X, divided by the strides; -1 where unknown.

    ORT ignores the status, and `compute` checks everything again on real shapes.
    """
    cdef const OrtApi* api = (<const SparseConvOp*>op).api
    cdef OrtTensorTypeAndShapeInfo* x = NULL
    cdef OrtTensorTypeAndShapeInfo* indptr = NULL
    cdef OrtTensorTypeAndShapeInfo* y = NULL
    cdef OrtStatus* status
    cdef size_t rank = 0, indptr_rank = 0, i
    cdef int64_t dims[MAX_RANK]
    cdef int64_t strides[MAX_SPATIAL]
    cdef int64_t entries = -1, block_rows
    cdef const char* names[MAX_RANK]
    status = api.ShapeInferContext_GetInputTypeShape(context, INPUT_X, &x)
    if status == NULL:
        status = api.GetDimensionsCount(x, &rank)
    if status != NULL or rank < 2 or rank > <size_t>MAX_RANK:
        return status
    if (not succeeded(api, api.GetDimensions(x, dims, rank))
            or not succeeded(api, api.GetSymbolicDimensions(x, names, rank))):
        return NULL
    if (succeeded(api, api.ShapeInferContext_GetInputTypeShape(context, INPUT_INDPTR, &indptr))
            and succeeded(api, api.GetDimensionsCount(indptr, &indptr_rank)) and indptr_rank == 1):
        succeeded(api, api.GetDimensions(indptr, &entries, 1))
    block_rows = inferred_int(api, context, b"block_rows", 1)
    dims[1] = -1
    if 2 <= entries <= INT_MAX and 1 <= block_rows <= MAX_BLOCK_ROWS:
        dims[1] = (entries - 1) * block_rows
    names[1] = b""
    inferred_strides(api, context, strides)
    for i in range(2, rank):
        if strides[i - 2] != 1:
            names[i] = b""
            if dims[i] >= 0:
                dims[i] = divide_up(dims[i], strides[i - 2])
    status = api.CreateTensorTypeAndShapeInfo(&y)
    if status == NULL:
        status = api.SetTensorElementType(y, ORT_FLOAT)
    if status == NULL:
        status = api.SetDimensions(y, dims, rank)
    if status == NULL:
        status = api.SetSymbolicDimensions(y, names, rank)
    if status == NULL:
        status = api.ShapeInferContext_SetOutputTypeShape(context, 0, y)
    if y != NULL:
        api.ReleaseTensorTypeAndShapeInfo(y)
    return status


cdef inline void fill_op(
        SparseConvOp* op, const OrtApi* api, int api_version, bint openmp) noexcept nogil:
    cdef OrtCustomOp* callbacks = &op.callbacks
    memset(op, 0, sizeof(SparseConvOp))
    op.api = api
    op.openmp = openmp
    callbacks.version = min(api_version, <int>MAX_CUSTOM_OP_VERSION)
    callbacks.GetName = op_name
    callbacks.GetExecutionProviderType = op_provider
    callbacks.GetInputType = op_input_type
    callbacks.GetInputTypeCount = op_input_count
    callbacks.GetOutputType = op_output_type
    callbacks.GetOutputTypeCount = op_output_count
    callbacks.KernelDestroy = destroy_kernel
    callbacks.GetInputCharacteristic = op_input_characteristic
    callbacks.GetOutputCharacteristic = op_output_characteristic
    callbacks.GetInputMemoryType = op_memory_type
    callbacks.GetVariadicInputMinArity = op_no_variadic_arity
    callbacks.GetVariadicInputHomogeneity = op_no_variadic_homogeneity
    callbacks.GetVariadicOutputMinArity = op_no_variadic_arity
    callbacks.GetVariadicOutputHomogeneity = op_no_variadic_homogeneity
    callbacks.CreateKernelV2 = create_kernel
    callbacks.KernelComputeV2 = compute
    if api_version >= MIN_SHAPE_INFERENCE_VERSION:
        callbacks.InferOutputShapeFn = infer_shape
    callbacks.GetStartVersion = op_version
    callbacks.GetEndVersion = op_version
    callbacks.GetMayInplace = op_may_inplace
    callbacks.ReleaseMayInplace = op_release_inplace
    callbacks.GetAliasMap = op_no_alias
    callbacks.ReleaseAliasMap = op_release_inplace
