"""The native part of ort_sparse: the entry points of ONNX Runtime and the direct Python calls.

This one source is linked twice: as the extension module ``ort_sparse._native``, and as
``libort_sparse``, from which the linker drops everything but the entry points of ONNX Runtime.
"""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer)
from libc.stdint cimport int64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from core cimport *
from ort.entry_points cimport register_custom_ops
from ort.factory cimport Factory, create_factories, release_factory
from ort.onnxruntime_abi cimport OrtApiBase, OrtLogger, OrtSessionOptions, OrtStatus
from ort.onnxruntime_ep_abi cimport OrtEpFactory
from ort.registration cimport Registration

from ort_sparse.errors import InvalidArgumentError

cdef Registration* registrations
cdef Factory* factories


cdef public OrtStatus* RegisterCustomOps(
        OrtSessionOptions* options, const OrtApiBase* base) noexcept nogil:
    return register_custom_ops(&registrations, &factories, options, base)


cdef public OrtStatus* CreateEpFactories(
        const char* name, const OrtApiBase* base, const OrtLogger* logger, OrtEpFactory** out,
        size_t most, size_t* count) noexcept nogil:
    return create_factories(&factories, &registrations, name, base, out, most, count)


cdef public OrtStatus* ReleaseEpFactory(OrtEpFactory* factory) noexcept nogil:
    return release_factory(factory)


def supported_isas():
    names = []
    cdef const char* const* name = isa_supported_names()
    while name[0] != NULL:
        names.append(name[0].decode())
        name += 1
    return names


def kernel_table():
    table = []
    cdef const microkernel_set* const* found = microkernel_table()
    cdef const microkernel* entry
    cdef const Isa* isa
    while found[0] != NULL:
        isa = isa_of(found[0].isa)
        for i in range(found[0].count):
            entry = &found[0].entries[i]
            table.append((
                microkernel_family_name(entry.family).decode(), isa.name.decode(),
                isa.features.decode(), entry.block_rows, entry.vectors, found[0].lanes))
        found += 1
    return table


def operator_facts():
    """Return the lists that other places must agree with: inputs, activations."""
    cdef int i
    inputs = [
        (sparse_conv_inputs[i].name.decode(), bool(sparse_conv_inputs[i].optional),
         bool(sparse_conv_inputs[i].constant))
        for i in range(SPARSE_CONV_INPUT_COUNT)
    ]
    activations = [activation_name(<Activation>i).decode() for i in range(ACTIVATION_COUNT)]
    return inputs, activations


def openmp_problem():
    """Return why OpenMP cannot be used here, or None."""
    cdef Status why
    return None if openmp_load(&why) else why.message.decode()


def fma_peak(str isa):
    encoded = isa.encode()
    cdef Status why
    cdef const Isa* found = isa_request(encoded, &why)
    if found == NULL:
        raise refusal(&why)
    cdef double peak
    with nogil:
        peak = native_fma_peak(found)
    return peak


cdef int element_type(const Py_buffer* view) noexcept:
    if view.format == NULL or view.format[0] == 0 or view.format[1] != 0:
        return 0
    cdef char code = view.format[0]
    if code == c"f":
        return TENSOR_FLOAT
    if code == c"e":
        return TENSOR_FLOAT16
    if code == c"B":
        return TENSOR_UINT8
    if code == c"H":
        return TENSOR_UINT16
    return TENSOR_INT32 if code == c"i" else 0


cdef refusal(Status* why):
    return InvalidArgumentError(why.message.decode())


# Arrays that a call uses, kept alive until `release`. Not objects of a class, which would do so by
# themselves: these cost each call time, above all by the limited API.
cdef struct Buffers:
    Py_buffer views[7]  # as many as SparseConv1x1 has inputs
    int count


cdef int describe(Buffers* held, Tensor* out, str name, array, int flags=0) except -1:
    """Hold a C-contiguous array and say what it is; `flags` of the buffer protocol may ask for more
    than is needed to read."""
    cdef Py_buffer* view = &held.views[held.count]
    try:
        PyObject_GetBuffer(array, view, flags | PyBUF_FORMAT | PyBUF_C_CONTIGUOUS)
    except (BufferError, ValueError) as error:
        raise InvalidArgumentError(f"{name}: cannot be used: {error}") from error
    held.count += 1
    if view.ndim > TENSOR_MAX_RANK:
        raise InvalidArgumentError(
            f"{name}: must have rank at most {TENSOR_MAX_RANK}, but has rank {view.ndim}")
    out.given = True
    out.data = view.buf
    out.element_type = element_type(view)
    out.rank = view.ndim
    for axis in range(view.ndim):
        out.dims[axis] = view.shape[axis]
    return 0


cdef int describe_floats(Buffers* held, Tensor* out, str name, array) except -1:
    describe(held, out, name, array)
    if out.element_type != TENSOR_FLOAT:
        raise InvalidArgumentError(f"{name}: must be float32, but is not")
    return 0


cdef void release(Buffers* held) noexcept:
    for i in range(held.count):
        PyBuffer_Release(&held.views[i])


cdef void run_tasks(
        task_function run, void* job, int64_t count, bint parallel) noexcept nogil:
    cdef int64_t task
    if parallel:
        openmp_run(run, job, count)
    else:
        for task in range(count):
            run(job, task)


cdef double seconds_between(const timespec* start, const timespec* end):
    return <double>(end.tv_sec - start.tv_sec) + 1e-9 * <double>(end.tv_nsec - start.tv_nsec)


cdef class Layer:
    """One packed layer; `ort_sparse.kernels` is its documented face."""

    cdef spmm_layer* layer
    cdef sparse_conv_strides strides

    def __cinit__(self, dict arrays, *, int64_t in_channels, int64_t block_rows, strides,
                  str activation, float minimum, float maximum, float alpha,
                  int64_t pixels, isa, int vectors):
        cdef sparse_conv op
        cdef spmm_options options
        cdef Status why
        cdef const char* isa_name = NULL
        cdef int64_t sizes[SPMM_AXES]
        cdef int i
        cdef Buffers held
        held.count = 0
        sparse_conv_set_defaults(&op)
        op.in_channels = in_channels
        op.block_rows = block_rows
        op.minimum = minimum
        op.maximum = maximum
        op.alpha = alpha
        for axis, stride in enumerate(strides[:SPMM_AXES]):
            sizes[axis] = stride
        if isa is not None:
            encoded_isa = isa.encode(errors="replace")
            isa_name = encoded_isa
        options.isa = isa_request(isa_name, &why)
        options.pixels = pixels
        options.vectors = vectors
        if (options.isa == NULL
                or not activation_from_name(activation.encode(), &op.activation, &why)
                or not sparse_conv_set_strides(
                    &op.strides, sizes, len(strides), &why)):
            raise refusal(&why)
        self.strides = op.strides
        try:
            for i in range(SPARSE_CONV_INPUT_COUNT):
                name = sparse_conv_inputs[i].name.decode()
                if name in arrays:
                    describe(&held, &op.constants[i], name, arrays[name])
            self.layer = sparse_conv_pack(&op, &options, &why)
        finally:
            release(&held)
        if self.layer == NULL:
            raise refusal(&why)

    def __dealloc__(self):
        spmm_layer_destroy(self.layer)

    @property
    def isa(self):
        return spmm_layer_isa(self.layer).name.decode()

    @property
    def packed_bytes(self):
        return spmm_layer_packed_bytes(self.layer)

    def run(self, x, residual, y, bint parallel):
        """Compute into ``y``, a contiguous float32 array of the right shape.

        Return the seconds that the computation took.
        """
        cdef Tensor x_tensor, y_tensor, residual_tensor
        cdef const float* residual_data = NULL
        cdef spmm_shape shape
        cdef spmm_job job
        cdef int64_t y_dims[TENSOR_MAX_RANK]
        cdef int64_t rows = spmm_layer_rows(self.layer)
        cdef timespec start, end
        cdef Status why
        cdef Buffers held
        held.count = 0
        try:
            describe(&held, &x_tensor, "X", x)
            describe(&held, &y_tensor, "Y", y, PyBUF_WRITABLE)
            if not sparse_conv_shape(
                    &self.strides, self.layer, &x_tensor, &shape, y_dims, &why):
                raise refusal(&why)
            if residual is not None:
                describe(&held, &residual_tensor, "residual", residual)
                if not sparse_conv_check_like_y(
                        &residual_tensor, b"residual", y_dims, x_tensor.rank, &why):
                    raise refusal(&why)
                residual_data = <const float*>residual_tensor.data
            if not sparse_conv_check_like_y(&y_tensor, b"Y", y_dims, x_tensor.rank, &why):
                raise InvalidArgumentError("Y: must be float32 of the output's shape, but is not")
            with nogil:
                clock_gettime(CLOCK_MONOTONIC, &start)
                spmm_plan_make(&job.plan, self.layer, &shape)
                job.operands.x = view_of(
                    <const float*>x_tensor.data, spmm_layer_columns(self.layer),
                    job.plan.input_plane)
                job.operands.residual = view_of(residual_data, rows, job.plan.plane)
                job.operands.y = view_of(<const float*>y_tensor.data, rows, job.plan.plane)
                run_tasks(spmm_job_task, &job, job.plan.task_count, parallel)
                clock_gettime(CLOCK_MONOTONIC, &end)
        finally:
            release(&held)
        return seconds_between(&start, &end)


cdef class Conv:
    """One dense convolution of few input channels a group; `ort_sparse.kernels` documents it."""

    cdef conv_layer* layer
    cdef conv_geometry geometry

    def __cinit__(self, weights, bias, slope, *, int64_t groups, strides, dilations, pads_begin,
                  pads_end, str activation, float minimum, float maximum, float alpha, isa):
        cdef Tensor weights_tensor, bias_tensor, slope_tensor
        cdef Epilogue epilogue
        cdef Status why
        cdef const char* isa_name = NULL
        cdef Buffers held
        held.count = 0
        self.geometry.groups = groups
        for axis in range(2):
            self.geometry.stride[axis] = strides[axis]
            self.geometry.dilation[axis] = dilations[axis]
            self.geometry.pad_begin[axis] = pads_begin[axis]
            self.geometry.pad_end[axis] = pads_end[axis]
        if isa is not None:
            encoded_isa = isa.encode(errors="replace")
            isa_name = encoded_isa
        cdef const Isa* found = isa_request(isa_name, &why)
        if found == NULL or not activation_from_name(
                activation.encode(), &epilogue.activation, &why):
            raise refusal(&why)
        epilogue.minimum = minimum
        epilogue.maximum = maximum
        epilogue.alpha = alpha
        epilogue.slope = NULL
        try:
            describe_floats(&held, &weights_tensor, "weights", weights)
            describe_floats(&held, &bias_tensor, "bias", bias)
            epilogue.bias = <const float*>bias_tensor.data
            if slope is not None:
                describe_floats(&held, &slope_tensor, "slope", slope)
                epilogue.slope = <const float*>slope_tensor.data
            self.geometry.out_channels = weights_tensor.dims[0]
            self.geometry.in_channels = weights_tensor.dims[1] * groups
            for axis in range(2):
                self.geometry.kernel[axis] = weights_tensor.dims[2 + axis]
            self.layer = conv_layer_create(
                &self.geometry, <const float*>weights_tensor.data, &epilogue, found, &why)
        finally:
            release(&held)
        if self.layer == NULL:
            raise refusal(&why)

    def __dealloc__(self):
        conv_layer_destroy(self.layer)

    def output_size(self, int64_t height, int64_t width):
        cdef conv_plan plan
        cdef Status why
        cdef int64_t size[2]
        size[0] = height
        size[1] = width
        if not conv_plan_make(&plan, self.layer, 1, size, &why):
            raise refusal(&why)
        return plan.output_size[0], plan.output_size[1]

    def run(self, x, y, bint parallel):
        """Compute into ``y``, a contiguous float32 array of the right shape; return the seconds."""
        cdef Tensor x_tensor, y_tensor
        cdef const int64_t* dims = x_tensor.dims
        cdef conv_job job
        cdef timespec start, end
        cdef Status why
        cdef bint valid
        cdef Buffers held
        held.count = 0
        try:
            describe_floats(&held, &x_tensor, "X", x)
            describe(&held, &y_tensor, "Y", y, PyBUF_WRITABLE)
            with nogil:
                clock_gettime(CLOCK_MONOTONIC, &start)
                valid = conv_plan_make(&job.plan, self.layer, dims[0], &dims[2], &why)
                if valid:
                    job.operands.x = view_of(
                        <const float*>x_tensor.data, dims[1], dims[2] * dims[3])
                    job.operands.y = view_of(
                        <const float*>y_tensor.data, self.geometry.out_channels,
                        job.plan.output_size[0] * job.plan.output_size[1])
                    run_tasks(conv_job_task, &job, job.plan.task_count, parallel)
                clock_gettime(CLOCK_MONOTONIC, &end)
        finally:
            release(&held)
        if not valid:
            raise refusal(&why)
        return seconds_between(&start, &end)


cdef class Pool:
    """One pooling layer; `ort_sparse.kernels` documents it."""

    cdef pool_layer* layer

    def __cinit__(self, *, bint average, kernel, strides, dilations, pads_begin, pads_end,
                  bint ceil_mode, bint count_include_pad, isa):
        cdef pool_geometry geometry
        cdef Status why
        cdef const char* isa_name = NULL
        geometry.kind = POOL_AVERAGE if average else POOL_MAXIMUM
        geometry.ceil_mode = ceil_mode
        geometry.count_include_pad = count_include_pad
        for axis in range(2):
            geometry.kernel[axis] = kernel[axis]
            geometry.stride[axis] = strides[axis]
            geometry.dilation[axis] = dilations[axis]
            geometry.pad_begin[axis] = pads_begin[axis]
            geometry.pad_end[axis] = pads_end[axis]
        if isa is not None:
            encoded_isa = isa.encode(errors="replace")
            isa_name = encoded_isa
        cdef const Isa* found = isa_request(isa_name, &why)
        if found != NULL:
            self.layer = pool_layer_create(&geometry, found, &why)
        if self.layer == NULL:
            raise refusal(&why)

    def __dealloc__(self):
        pool_layer_destroy(self.layer)

    def output_size(self, int64_t batch, int64_t channels, int64_t height, int64_t width):
        cdef pool_plan plan
        cdef Status why
        cdef int64_t size[2]
        size[0] = height
        size[1] = width
        if not pool_plan_make(&plan, self.layer, batch, channels, size, &why):
            raise refusal(&why)
        return plan.output_size[0], plan.output_size[1]

    def run(self, x, y, bint parallel):
        """Compute into ``y``, a contiguous float32 array of the right shape; return the seconds."""
        cdef Tensor x_tensor, y_tensor
        cdef const int64_t* dims = x_tensor.dims
        cdef pool_job job
        cdef timespec start, end
        cdef Status why
        cdef bint valid
        cdef Buffers held
        held.count = 0
        try:
            describe_floats(&held, &x_tensor, "X", x)
            describe(&held, &y_tensor, "Y", y, PyBUF_WRITABLE)
            with nogil:
                clock_gettime(CLOCK_MONOTONIC, &start)
                valid = pool_plan_make(&job.plan, self.layer, dims[0], dims[1], &dims[2], &why)
                if valid:
                    job.operands.x = view_of(
                        <const float*>x_tensor.data, dims[1], dims[2] * dims[3])
                    job.operands.y = view_of(
                        <const float*>y_tensor.data, dims[1],
                        job.plan.output_size[0] * job.plan.output_size[1])
                    run_tasks(pool_job_task, &job, job.plan.task_count, parallel)
                clock_gettime(CLOCK_MONOTONIC, &end)
        finally:
            release(&held)
        if not valid:
            raise refusal(&why)
        return seconds_between(&start, &end)
