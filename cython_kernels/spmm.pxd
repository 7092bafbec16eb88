"""Declarations of spmm.h, the computation of one sparse layer, and of parallel_openmp.h."""

from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t

cdef extern from "spmm.h" nogil:
    cdef enum spmm_activation:
        SPMM_NONE
        SPMM_CLIP
        SPMM_HARD_SWISH
        SPMM_SILU
        SPMM_SIGMOID
        SPMM_LEAKY_RELU
        SPMM_PRELU

    cdef struct spmm_matrix:
        int64_t rows
        int64_t columns
        int64_t block_rows
        const float* values
        const int32_t* indices
        const int32_t* indptr

    cdef struct spmm_epilogue:
        const float* bias
        spmm_activation activation
        float minimum
        float maximum
        float alpha
        const float* slope

    cdef struct spmm_run:
        const float* x
        const float* residual
        float* y
        int64_t batch
        int64_t input_size[3]
        int64_t output_size[3]
        int64_t stride[3]

    cdef struct spmm_layer

    const char* const* spmm_supported_isas() noexcept
    bint spmm_is_known_isa(const char* isa) noexcept
    spmm_layer* spmm_layer_create(
        const spmm_matrix*, const spmm_epilogue*, int64_t pixels, const char* isa,
        int vectors) noexcept
    void spmm_layer_destroy(spmm_layer*) noexcept
    const char* spmm_layer_isa(const spmm_layer*) noexcept
    size_t spmm_layer_packed_bytes(const spmm_layer*) noexcept
    int64_t spmm_task_count(const spmm_layer*, const spmm_run*) noexcept
    void spmm_run_task(const spmm_layer*, const spmm_run*, int64_t task) noexcept

    cdef struct spmm_kernel_info:
        const char* isa
        const char* features
        int block_rows
        int vectors
        int lanes

    const spmm_kernel_info* spmm_kernel_table(int* count) noexcept

cdef extern from "parallel_openmp.h" nogil:
    void parallel_openmp(
        void (*task)(void*, size_t) noexcept nogil, void* data, size_t count) noexcept
