"""What the bindings call of the native library: declarations of its C headers."""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t

cdef extern from "base/status.h" nogil:
    enum status_code:
        STATUS_INVALID
        STATUS_NO_MEMORY

    struct Status "status":
        status_code code
        char message[512]

    bint status_fail(Status*, status_code, const char* format, ...) noexcept
    bint status_prefix(Status*, const char* format, ...) noexcept

cdef extern from "base/isa.h" nogil:
    struct Isa "isa":
        const char* name
        const char* features

    const Isa* isa_of(int) noexcept
    const char* const* isa_supported_names() noexcept
    const Isa* isa_request(const char* name, Status*) noexcept

cdef extern from "base/tensor.h" nogil:
    enum:
        TENSOR_MAX_RANK
    enum:
        TENSOR_FLOAT
        TENSOR_UINT8
        TENSOR_UINT16
        TENSOR_INT32
        TENSOR_FLOAT16

    struct Tensor "tensor":
        bint given
        const void* data
        int element_type
        size_t rank
        int64_t dims[TENSOR_MAX_RANK]

    struct View "view":
        float* pixels

    View view_of(const float* pixels, int64_t channels, int64_t plane) noexcept

cdef extern from "base/task.h" nogil:
    ctypedef void (*task_function)(void* data, size_t index) noexcept nogil

cdef extern from "base/memory.h" nogil:
    enum:
        MEMORY_ALIGNMENT

cdef extern from "base/epilogue.h" nogil:
    enum Activation "activation":
        pass
    enum:
        ACTIVATION_COUNT

    struct Epilogue "epilogue":
        Activation activation
        float minimum
        float maximum
        float alpha
        const float* bias
        const float* slope

    const char* activation_name(Activation) noexcept
    bint activation_from_name(const char* name, Activation*, Status*) noexcept

cdef extern from "simd/fma_peak.h" nogil:
    double native_fma_peak "fma_peak"(const Isa*) noexcept

cdef extern from "microkernels/microkernel.h" nogil:
    enum microkernel_family:
        pass

    struct microkernel:
        microkernel_family family
        int block_rows
        int vectors

    struct microkernel_set:
        int isa
        int lanes
        int count
        const microkernel* entries

    const microkernel_set* const* microkernel_table() noexcept
    const char* microkernel_family_name(microkernel_family) noexcept

cdef extern from "spmm/spmm.h" nogil:
    enum:
        SPMM_AXES

    struct spmm_layer:
        pass

    struct spmm_options:
        const Isa* isa
        int64_t pixels
        int vectors

    struct spmm_shape:
        int64_t batch

    struct spmm_plan:
        int64_t plane
        int64_t input_plane
        int64_t task_count

    struct spmm_operands:
        View x
        View residual
        View y

    void spmm_layer_destroy(spmm_layer*) noexcept
    const Isa* spmm_layer_isa(const spmm_layer*) noexcept
    int64_t spmm_layer_rows(const spmm_layer*) noexcept
    int64_t spmm_layer_columns(const spmm_layer*) noexcept
    size_t spmm_layer_packed_bytes(const spmm_layer*) noexcept
    void spmm_plan_make(spmm_plan*, const spmm_layer*, const spmm_shape*) noexcept

cdef extern from "dense/conv.h" nogil:
    struct conv_geometry:
        int64_t in_channels
        int64_t out_channels
        int64_t groups
        int64_t* kernel
        int64_t* stride
        int64_t* dilation
        int64_t* pad_begin
        int64_t* pad_end

    struct conv_layer:
        pass

    struct conv_plan:
        int64_t batch
        const int64_t* output_size
        int64_t task_count

    struct conv_operands:
        View x
        View y

    conv_layer* conv_layer_create(
        const conv_geometry*, const float* weights, const Epilogue*, const Isa*, Status*) noexcept
    void conv_layer_destroy(conv_layer*) noexcept
    bint conv_plan_make(
        conv_plan*, const conv_layer*, int64_t batch, const int64_t* input_size, Status*) noexcept

cdef extern from "dense/pool.h" nogil:
    enum PoolKind "pool_kind":
        POOL_MAXIMUM
        POOL_AVERAGE

    struct pool_geometry:
        PoolKind kind
        int64_t* kernel
        int64_t* stride
        int64_t* dilation
        int64_t* pad_begin
        int64_t* pad_end
        bint ceil_mode
        bint count_include_pad

    struct pool_layer:
        pass

    struct pool_plan:
        const int64_t* output_size
        int64_t task_count

    struct pool_operands:
        View x
        View y

    pool_layer* pool_layer_create(const pool_geometry*, const Isa*, Status*) noexcept
    void pool_layer_destroy(pool_layer*) noexcept
    bint pool_plan_make(
        pool_plan*, const pool_layer*, int64_t batch, int64_t channels, const int64_t* input_size,
        Status*) noexcept

cdef extern from "op/sparse_conv.h" nogil:
    enum sparse_conv_input:
        SPARSE_CONV_X
        SPARSE_CONV_VALUES
        SPARSE_CONV_INDICES
        SPARSE_CONV_INDPTR
        SPARSE_CONV_BIAS
        SPARSE_CONV_RESIDUAL
        SPARSE_CONV_SLOPE
        SPARSE_CONV_INPUT_COUNT

    struct sparse_conv_input_facts:
        const char* name
        bint optional
        bint constant
    const sparse_conv_input_facts* sparse_conv_inputs

    struct sparse_conv_strides:
        size_t count

    struct sparse_conv:
        Tensor constants[7]
        int64_t in_channels
        int64_t block_rows
        sparse_conv_strides strides
        Activation activation
        float minimum
        float maximum
        float alpha

    void sparse_conv_set_defaults(sparse_conv*) noexcept
    bint sparse_conv_set_strides(
        sparse_conv_strides*, const int64_t* sizes, size_t count, Status*) noexcept
    int64_t sparse_conv_stride(const sparse_conv_strides*, size_t axis) noexcept
    spmm_layer* sparse_conv_pack(const sparse_conv*, const spmm_options*, Status*) noexcept
    bint sparse_conv_shape(
        const sparse_conv_strides*, const spmm_layer*, const Tensor* x, spmm_shape*,
        int64_t* y_dims, Status*) noexcept
    bint sparse_conv_check_like_y(
        const Tensor*, const char* name, const int64_t* y_dims, size_t rank, Status*) noexcept
    void sparse_conv_infer_dims(
        const sparse_conv_strides*, int64_t block_rows, int64_t indptr_length, size_t rank,
        int64_t* dims) noexcept
    int64_t sparse_conv_pixels(
        const sparse_conv_strides*, const int64_t* x_dims, size_t rank) noexcept

cdef extern from "model/model.h" nogil:
    enum:
        MODEL_MAX_RANK
    enum:
        MODEL_NO_VALUE
        MODEL_UNKNOWN_RANK

    struct ModelValue "model_value":
        const char* name
        int element_type
        int rank
        int64_t dims[5]
        Tensor constant
        bint leaves
        int producer

    enum model_attribute_type:
        MODEL_ATTRIBUTE_OTHER
        MODEL_ATTRIBUTE_INTS
        MODEL_ATTRIBUTE_FLOATS
        MODEL_ATTRIBUTE_STRING

    struct ModelAttribute "model_attribute":
        const char* name
        model_attribute_type type
        int64_t count
        const int64_t* ints
        const float* floats
        const char* string

    struct ModelNode "model_node":
        const char* name
        const char* domain
        const char* op_type
        int since_version
        bint closed

    struct Model "model":
        int value_count
        int node_count
        ModelValue* values
        const ModelNode* nodes

cdef extern from "model/builder.h" nogil:
    struct ModelBuilder "model_builder":
        pass

    struct ModelNodeParts "model_node_parts":
        ModelNode* node
        int* inputs
        int* outputs
        ModelAttribute* attributes

    ModelBuilder* model_builder_create(int64_t node_count) noexcept
    void model_builder_destroy(ModelBuilder*) noexcept
    Model* model_builder_model(ModelBuilder*) noexcept
    int model_builder_find(const ModelBuilder*, const char* name) noexcept
    int model_builder_add(ModelBuilder*, const char* name) noexcept
    bint model_builder_add_node(
        ModelBuilder*, int64_t inputs, int64_t outputs, int64_t attributes,
        ModelNodeParts*) noexcept
    void* model_builder_allocate(ModelBuilder*, int64_t count, size_t size) noexcept

cdef extern from "claim/claim.h" nogil:
    enum ClaimMode "claim_mode":
        CLAIM_AUTO
        CLAIM_ALL
        CLAIM_OFF

    enum:
        CLAIM_NO_REGION

    struct ClaimRegion "claim_region":
        bint claimed
        int node_count

    struct ClaimNode "claim_node":
        int region

    struct Claim "claim":
        int region_count
        ClaimRegion* regions
        ClaimNode* nodes

    bint claim_mode_from_name(const char* name, ClaimMode*, Status*) noexcept
    const char* claim_mode_name(ClaimMode) noexcept
    bint claim_make(
        Claim*, const Model*, ClaimMode, const Isa*, bint with_plans, Status*) noexcept
    void claim_release(Claim*) noexcept

cdef extern from "claim/report.h" nogil:
    struct ClaimReportFacts "claim_report_facts":
        const char* graph_name
        const char* mode
        const char* runtime
        const char* isa

    bint claim_report_write(
        const char* path, bint append, const Model*, const Claim*, const ClaimReportFacts*,
        Status*) noexcept

cdef extern from "region/region.h" nogil:
    struct Region "region":
        pass

    struct RegionPlan "region_plan":
        pass

    struct RegionShape "region_shape":
        int rank
        int64_t dims[5]

    struct RegionRunner "region_runner":
        void (*run)(void* self, task_function, void* data, size_t count) noexcept nogil
        void* self

    Region* region_create(
        const Model*, const int* inputs, int input_count, const int* outputs, int output_count,
        const Isa*, Status*) noexcept
    void region_destroy(Region*) noexcept
    const RegionPlan* region_plan_hold(Region*, const RegionShape* inputs, Status*) noexcept
    void region_plan_release(Region*, const RegionPlan*) noexcept
    const RegionShape* region_plan_output(const RegionPlan*, int output) noexcept
    size_t region_plan_bytes(const RegionPlan*) noexcept
    void region_plan_run(
        const RegionPlan*, const float* const* inputs, float* const* outputs, void* memory,
        const RegionRunner*) noexcept

cdef extern from "region/profile.h" nogil:
    struct RegionProfile "region_profile":
        pass

    struct RegionProfileFacts "region_profile_facts":
        const char* runtime
        const char* isa

    RegionProfile* region_profile_create() noexcept
    void region_profile_destroy(RegionProfile*) noexcept
    bint region_profile_add(RegionProfile*, Region*, const char* name) noexcept
    bint region_profile_write(
        const RegionProfile*, const char* path, const RegionProfileFacts*, Status*) noexcept

cdef extern from "drivers/drivers.h" nogil:
    enum Threading "threading":
        THREADING_SESSION
        THREADING_OPENMP

    bint threading_from_name(const char* name, Threading*, Status*) noexcept
    const char* threading_name(Threading) noexcept

    struct spmm_job:
        spmm_plan plan
        spmm_operands operands

    struct conv_job:
        conv_plan plan
        conv_operands operands

    struct pool_job:
        pool_plan plan
        pool_operands operands

    void conv_job_task(void* job, size_t task) noexcept
    void pool_job_task(void* job, size_t task) noexcept
    void spmm_job_task(void* job, size_t task) noexcept
    bint openmp_load(Status*) noexcept
    void openmp_run(task_function, void* data, size_t count) noexcept
