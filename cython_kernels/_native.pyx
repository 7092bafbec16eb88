"""The native part of ort_sparse: the entry point of ONNX Runtime and the direct Python calls.

This one source is linked twice: as the extension module ``ort_sparse._native``, and as
``libort_sparse``, from which the linker drops everything but `RegisterCustomOps`.
"""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer)
from libc.string cimport memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from layer cimport *
from registration cimport OrtApiBase, OrtSessionOptions, OrtStatus, Registration, register_domain

from ort_sparse.errors import InvalidArgumentError

cdef extern from "fma_peak.h" nogil:
    double native_fma_peak "fma_peak"(const char* isa) noexcept

cdef Registration* registrations


cdef public OrtStatus* RegisterCustomOps(
        OrtSessionOptions* options, const OrtApiBase* base) noexcept nogil:
    return register_domain(&registrations, options, base)


def supported_isas():
    names = []
    cdef const char* const* name = spmm_supported_isas()
    while name[0] != NULL:
        names.append(name[0].decode())
        name += 1
    return names


def kernel_table():
    cdef int count, i
    cdef const spmm_kernel_info* table = spmm_kernel_table(&count)
    return [
        (table[i].isa.decode(), table[i].features.decode(), table[i].block_rows,
         table[i].vectors, table[i].lanes)
        for i in range(count)
    ]


def fma_peak(str isa):
    encoded = isa.encode()
    cdef const char* name = encoded
    cdef double peak
    with nogil:
        peak = native_fma_peak(name)
    return peak


cdef int element_type(Py_buffer* view) except -1:
    formats = {
        b"f": ELEMENT_FLOAT, b"e": ELEMENT_FLOAT16,
        b"B": ELEMENT_UINT8, b"H": ELEMENT_UINT16, b"i": ELEMENT_INT32,
    }
    return formats.get(view.format, 0)


cdef refusal(Message* error):
    make_ascii(error)
    return InvalidArgumentError(error.text.decode())


cdef class _Array:
    """A C-contiguous array as the native code sees it, kept alive."""

    cdef Py_buffer view
    cdef Tensor tensor

    def __cinit__(self, name, array, bint writable=False):
        memset(&self.view, 0, sizeof(Py_buffer))
        memset(&self.tensor, 0, sizeof(Tensor))
        flags = PyBUF_FORMAT | PyBUF_C_CONTIGUOUS
        try:
            PyObject_GetBuffer(array, &self.view, flags | PyBUF_WRITABLE if writable else flags)
        except (BufferError, ValueError) as error:
            raise InvalidArgumentError(f"{name}: cannot be used: {error}") from error
        if self.view.ndim > MAX_RANK:
            raise InvalidArgumentError(
                f"{name}: must have rank at most {MAX_RANK}, but has rank {self.view.ndim}")
        self.tensor.given = True
        self.tensor.data = self.view.buf
        self.tensor.element_type = element_type(&self.view)
        self.tensor.rank = self.view.ndim
        for axis in range(self.view.ndim):
            self.tensor.dims[axis] = self.view.shape[axis]

    def __dealloc__(self):
        PyBuffer_Release(&self.view)


cdef class Layer:
    """One packed layer; `ort_sparse.kernels` is its documented face."""

    cdef spmm_layer* layer
    cdef int64_t rows
    cdef int64_t columns
    cdef Strides strides

    def __cinit__(self, dict arrays, *, int64_t in_channels, int64_t block_rows, strides,
                  str activation, float minimum, float maximum, float alpha,
                  int64_t pixels, isa, int vectors):
        cdef LayerParts parts
        cdef Message error
        cdef const char* isa_name = NULL
        memset(&parts, 0, sizeof(parts))
        kept = {name: _Array(name, array) for name, array in arrays.items()}
        parts.values = (<_Array>kept["values"]).tensor
        parts.indices = (<_Array>kept["indices"]).tensor
        parts.indptr = (<_Array>kept["indptr"]).tensor
        if "bias" in kept:
            parts.bias = (<_Array>kept["bias"]).tensor
        if "slope" in kept:
            parts.slope = (<_Array>kept["slope"]).tensor
        parts.in_channels = in_channels
        parts.block_rows = block_rows
        parts.minimum = minimum
        parts.maximum = maximum
        parts.alpha = alpha
        if len(strides) > MAX_SPATIAL:
            raise InvalidArgumentError(
                f"strides: must have at most {MAX_SPATIAL} entries, but has {len(strides)}")
        self.strides.count = len(strides)
        for axis, stride in enumerate(strides):
            self.strides.size[axis] = stride
        if isa is not None:
            encoded_isa = isa.encode(errors="replace")
            isa_name = encoded_isa
        if not activation_from_name(activation.encode(), &parts.activation, &error):
            raise refusal(&error)
        if not check_strides(&self.strides, &error):
            raise refusal(&error)
        self.layer = create_layer(&parts, pixels, isa_name, vectors, &error)
        if self.layer == NULL:
            raise refusal(&error)
        self.rows = (parts.indptr.dims[0] - 1) * block_rows
        self.columns = in_channels

    def __dealloc__(self):
        spmm_layer_destroy(self.layer)

    @property
    def isa(self):
        return spmm_layer_isa(self.layer).decode()

    @property
    def packed_bytes(self):
        return spmm_layer_packed_bytes(self.layer)

    def run(self, x, residual, y, bint parallel):
        """Compute into ``y``, a contiguous float32 array of the right shape.

        Return the seconds that the computation took.
        """
        cdef _Array x_array = _Array("X", x)
        cdef _Array y_array = _Array("Y", y, writable=True)
        cdef _Array residual_array
        cdef spmm_run run
        cdef TaskData job
        cdef int64_t y_dims[MAX_RANK]
        cdef int64_t tasks, task
        cdef timespec start, end
        cdef Message error
        if not plan_run(&x_array.tensor, self.rows, self.columns, &self.strides, &run, y_dims,
                        &error):
            raise refusal(&error)
        run.residual = NULL
        if residual is not None:
            residual_array = _Array("residual", residual)
            if not check_residual(&residual_array.tensor, y_dims, x_array.tensor.rank, &error):
                raise refusal(&error)
            run.residual = <const float*>residual_array.tensor.data
        if not check_residual(&y_array.tensor, y_dims, x_array.tensor.rank, &error):
            raise InvalidArgumentError("Y: must be float32 of the output's shape, but is not")
        if is_empty(&run):
            return 0.0
        run.x = <const float*>x_array.tensor.data
        run.y = <float*>y_array.tensor.data
        job.layer = self.layer
        job.run = &run
        with nogil:
            clock_gettime(CLOCK_MONOTONIC, &start)
            tasks = spmm_task_count(self.layer, &run)
            if parallel:
                parallel_openmp(run_task, &job, tasks)
            else:
                for task in range(tasks):
                    run_task(&job, task)
            clock_gettime(CLOCK_MONOTONIC, &end)
        return <double>(end.tv_sec - start.tv_sec) + 1e-9 * <double>(end.tv_nsec - start.tv_nsec)
