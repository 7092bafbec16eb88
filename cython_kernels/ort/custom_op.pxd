"""SparseConv1x1 as an ONNX Runtime custom op: kernel objects and the callbacks ORT makes."""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from core cimport *
from ort.node_reader cimport *
from ort.onnxruntime_abi cimport *
from ort.shape_inference cimport *
from ort.statuses cimport *

cdef enum:
    # Older runtimes crash before they infer the shape of a node without an optional input that is not
    # its last one (seen on 1.17 to 1.23); there, shapes come from the model's own value_info.
    MIN_SHAPE_INFERENCE_VERSION = 24
    MAX_CUSTOM_OP_VERSION = 18  # the layout of OrtCustomOp in onnxruntime_abi.h

cdef struct SparseConvOp:  # what ORT sees, followed by what this registration asked for
    OrtCustomOp callbacks
    const OrtApi* api
    Threading threads

cdef struct Kernel:
    const OrtApi* api
    spmm_layer* layer
    sparse_conv_strides strides
    Threading threads
    bint has_residual
    char node[128]


cdef inline OrtStatus* node_error(
        const OrtApi* api, const char* node, Status* why) noexcept nogil:
    status_prefix(why, b"SparseConv1x1 node '%.100s': ", node)
    return to_ort_status(api, why)


# --- The kernel.

cdef inline bint fill_kernel(
        Kernel* kernel, const OrtKernelInfo* info, Status* why) noexcept nogil:
    cdef sparse_conv op
    cdef spmm_options options
    if not read_node(kernel.api, info, &op, why):
        return False
    if not find_input(kernel.api, info, SPARSE_CONV_RESIDUAL, &kernel.has_residual, why):
        return False
    kernel.strides = op.strides
    options.isa = isa_request(NULL, why)
    options.pixels = expected_pixels(kernel.api, info, &op.strides)
    options.vectors = 0
    if options.isa != NULL:
        kernel.layer = sparse_conv_pack(&op, &options, why)
    return kernel.layer != NULL


cdef inline OrtStatus* create_kernel(
        const OrtCustomOp* op, const OrtApi* api, const OrtKernelInfo* info,
        void** out) noexcept nogil:
    cdef Status why
    cdef size_t size
    cdef Kernel* kernel = <Kernel*>calloc(1, sizeof(Kernel))
    if kernel == NULL:
        return api.CreateStatus(ORT_FAIL, b"SparseConv1x1: not enough memory for a kernel")
    kernel.api = api
    kernel.threads = (<const SparseConvOp*>op).threads
    size = sizeof(kernel.node)
    if not succeeded(api, api.KernelInfo_GetNodeName(info, kernel.node, &size)):
        snprintf(kernel.node, sizeof(kernel.node), b"(a name of %zu characters)", size)
    if not fill_kernel(kernel, info, &why):
        failure = node_error(api, kernel.node, &why)
        free(kernel)
        return failure
    out[0] = kernel
    return NULL


cdef inline void destroy_kernel(void* data) noexcept nogil:
    cdef Kernel* kernel = <Kernel*>data
    spmm_layer_destroy(kernel.layer)
    free(kernel)


cdef inline OrtStatus* run_job(
        const Kernel* kernel, spmm_job* job, OrtKernelContext* context) noexcept nogil:
    cdef int64_t tasks = job.plan.task_count
    if tasks == 1:
        spmm_job_task(job, 0)
    elif tasks > 1 and kernel.threads == THREADING_OPENMP:
        openmp_run(spmm_job_task, job, tasks)
    elif tasks > 1:
        return kernel.api.KernelContext_ParallelFor(context, spmm_job_task, tasks, 0, job)
    return NULL


cdef inline OrtStatus* compute(void* data, OrtKernelContext* context) noexcept nogil:
    cdef Kernel* kernel = <Kernel*>data
    cdef const OrtApi* api = kernel.api
    cdef const OrtValue* x_value = NULL
    cdef const OrtValue* residual_value = NULL
    cdef OrtValue* y_value = NULL
    cdef Tensor x, residual
    cdef int64_t y_dims[TENSOR_MAX_RANK]
    cdef void* y = NULL
    cdef spmm_shape shape
    cdef spmm_job job
    cdef Status why
    cdef int64_t rows
    cdef OrtStatus* failure = api.KernelContext_GetInput(context, SPARSE_CONV_X, &x_value)
    if failure == NULL and kernel.has_residual:
        failure = api.KernelContext_GetInput(context, SPARSE_CONV_RESIDUAL, &residual_value)
    if failure != NULL:
        return failure
    residual.data = NULL
    if (not describe(api, x_value, b"X", &x, &why)
            or not sparse_conv_shape(
                &kernel.strides, kernel.layer, &x, &shape, y_dims, &why)
            or (residual_value != NULL and not (
                describe(api, residual_value, b"residual", &residual, &why)
                and sparse_conv_check_like_y(
                    &residual, b"residual", y_dims, x.rank, &why)))):
        return node_error(api, kernel.node, &why)
    failure = api.KernelContext_GetOutput(context, 0, y_dims, x.rank, &y_value)
    if failure == NULL:
        failure = api.GetTensorMutableData(y_value, &y)
    if failure != NULL:
        return failure
    rows = spmm_layer_rows(kernel.layer)
    spmm_plan_make(&job.plan, kernel.layer, &shape)
    job.operands.x = view_of(
        <const float*>x.data, spmm_layer_columns(kernel.layer), job.plan.input_plane)
    job.operands.residual = view_of(<const float*>residual.data, rows, job.plan.plane)
    job.operands.y = view_of(<const float*>y, rows, job.plan.plane)
    return run_job(kernel, &job, context)


# --- Facts about the op.

cdef inline const char* op_name(const OrtCustomOp* op) noexcept nogil:
    return b"SparseConv1x1"


cdef inline const char* op_provider(const OrtCustomOp* op) noexcept nogil:
    return NULL  # the CPU


cdef inline int op_input_type(const OrtCustomOp* op, size_t index) noexcept nogil:
    # sparse_conv_pack is stricter about constants, and says more.
    if sparse_conv_inputs[index].constant:
        return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT


cdef inline size_t op_input_count(const OrtCustomOp* op) noexcept nogil:
    return SPARSE_CONV_INPUT_COUNT


cdef inline int op_output_type(const OrtCustomOp* op, size_t index) noexcept nogil:
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT


cdef inline size_t op_output_count(const OrtCustomOp* op) noexcept nogil:
    return 1


cdef inline int op_input_characteristic(const OrtCustomOp* op, size_t index) noexcept nogil:
    return INPUT_OUTPUT_OPTIONAL if sparse_conv_inputs[index].optional else INPUT_OUTPUT_REQUIRED


cdef inline int op_output_characteristic(const OrtCustomOp* op, size_t index) noexcept nogil:
    return INPUT_OUTPUT_REQUIRED


cdef inline int op_memory_type(const OrtCustomOp* op, size_t index) noexcept nogil:
    return OrtMemTypeDefault


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
    inputs[0][0] = SPARSE_CONV_RESIDUAL
    outputs[0][0] = 0
    return 1


cdef inline size_t op_no_alias(int** inputs, int** outputs) noexcept nogil:
    return 0


cdef inline OrtStatus* infer_shape(
        const OrtCustomOp* op, OrtShapeInferContext* context) noexcept nogil:
    return infer_y((<const SparseConvOp*>op).api, context)


cdef inline void fill_op(
        SparseConvOp* op, const OrtApi* api, int api_version, Threading threads) noexcept nogil:
    cdef OrtCustomOp* callbacks = &op.callbacks
    memset(op, 0, sizeof(SparseConvOp))
    op.api = api
    op.threads = threads
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
