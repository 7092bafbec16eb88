"""A compiled region as ONNX Runtime calls it, from any number of threads at the same time."""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc

from core cimport *
from ort.node_reader cimport describe
from ort.onnxruntime_abi cimport *
from ort.onnxruntime_ep_abi cimport *
from ort.session_profile cimport SessionProfile, begin_state, end_state
from ort.statuses cimport *

cdef struct CompiledRegion:  # what ORT sees, followed by what is ours
    OrtNodeComputeInfo callbacks
    const OrtApi* api
    const OrtMemoryInfo* memory  # of the session's allocator
    Region* region
    SessionProfile* profile
    int input_count, output_count
    size_t* input_numbers  # of the region's inputs among those of the fused node

cdef struct RunRoom:  # what a run knows of its inputs and outputs
    RegionShape* shapes
    const float** inputs
    float** outputs

cdef struct SessionRunner:
    const OrtApi* api
    OrtKernelContext* context
    OrtStatus* failure


cdef inline void session_run(
        void* data, task_function task, void* task_data, size_t count) noexcept nogil:
    """Run tasks on the session's threads, unless an earlier call failed."""
    cdef SessionRunner* runner = <SessionRunner*>data
    if runner.failure != NULL:
        return
    if count == 1:
        task(task_data, 0)
    elif count > 1:
        runner.failure = runner.api.KernelContext_ParallelFor(
            runner.context, task, count, 0, task_data)


cdef inline OrtStatus* region_error(const OrtApi* api, Status* why) noexcept nogil:
    status_prefix(why, b"OrtSparseExecutionProvider: ")
    return to_ort_status(api, why)


cdef inline bint has_room(const CompiledRegion* compiled, RunRoom* out) noexcept nogil:
    cdef size_t inputs = compiled.input_count
    cdef void* memory = malloc(
        inputs * (sizeof(RegionShape) + sizeof(float*))
        + <size_t>compiled.output_count * sizeof(float*) + 1)
    out.shapes = <RegionShape*>memory
    if memory == NULL:
        return False
    out.inputs = <const float**>(out.shapes + inputs)
    out.outputs = <float**>(out.inputs + inputs)
    return True


cdef inline OrtStatus* read_inputs(
        const CompiledRegion* compiled, OrtKernelContext* context, RunRoom* room) noexcept nogil:
    cdef const OrtApi* api = compiled.api
    cdef const OrtValue* value = NULL
    cdef Tensor tensor
    cdef Status why
    cdef OrtStatus* failure
    cdef int i
    cdef size_t axis
    for i in range(compiled.input_count):
        failure = api.KernelContext_GetInput(context, compiled.input_numbers[i], &value)
        if failure != NULL:
            return failure
        if not describe(api, value, b"an input", &tensor, &why):
            return region_error(api, &why)
        if tensor.element_type != TENSOR_FLOAT:
            status_fail(&why, STATUS_INVALID, b"an input: must be float32, but is not")
            return region_error(api, &why)
        room.inputs[i] = <const float*>tensor.data
        room.shapes[i].rank = <int>tensor.rank
        for axis in range(tensor.rank):
            room.shapes[i].dims[axis] = tensor.dims[axis]
    return NULL


cdef inline OrtStatus* take_outputs(
        const CompiledRegion* compiled, const RegionPlan* plan, OrtKernelContext* context,
        RunRoom* room) noexcept nogil:
    cdef const OrtApi* api = compiled.api
    cdef const RegionShape* shape
    cdef OrtValue* value = NULL
    cdef OrtStatus* failure
    cdef int i
    for i in range(compiled.output_count):
        shape = region_plan_output(plan, i)
        failure = api.KernelContext_GetOutput(context, i, shape.dims, shape.rank, &value)
        if failure == NULL:
            failure = api.GetTensorMutableData(value, <void**>&room.outputs[i])
        if failure != NULL:
            return failure
    return NULL


cdef inline OrtStatus* run_in(
        const CompiledRegion* compiled, const RegionPlan* plan, OrtKernelContext* context,
        const RunRoom* room, void* memory) noexcept nogil:
    cdef SessionRunner session
    cdef RegionRunner runner
    session.api = compiled.api
    session.context = context
    session.failure = NULL
    runner.run = session_run
    runner.self = &session
    region_plan_run(plan, room.inputs, room.outputs, memory, &runner)
    return session.failure


cdef inline void* align(void* memory) noexcept nogil:
    cdef uintptr_t rest = <uintptr_t>memory % <uintptr_t>MEMORY_ALIGNMENT
    return <char*>memory + (MEMORY_ALIGNMENT - rest if rest else 0)


cdef inline OrtStatus* run_in_memory_of(
        const CompiledRegion* compiled, const RegionPlan* plan, OrtKernelContext* context,
        const RunRoom* room, OrtAllocator* allocator) noexcept nogil:
    cdef void* memory = NULL
    cdef OrtStatus* failure = compiled.api.AllocatorAlloc(
        allocator, region_plan_bytes(plan) + MEMORY_ALIGNMENT, &memory)
    if failure != NULL:
        return failure
    failure = run_in(compiled, plan, context, room, align(memory))
    succeeded(compiled.api, compiled.api.AllocatorFree(allocator, memory))
    return failure


cdef inline OrtStatus* run_plan(
        const CompiledRegion* compiled, const RegionPlan* plan, OrtKernelContext* context,
        RunRoom* room) noexcept nogil:
    cdef const OrtApi* api = compiled.api
    cdef OrtAllocator* allocator = NULL
    cdef OrtStatus* failure = take_outputs(compiled, plan, context, room)
    if failure != NULL:
        return failure
    if region_plan_bytes(plan) == 0:
        return run_in(compiled, plan, context, room, NULL)
    failure = api.KernelContext_GetAllocator(context, compiled.memory, &allocator)
    if failure != NULL:
        return failure
    failure = run_in_memory_of(compiled, plan, context, room, allocator)
    api.ReleaseAllocator(allocator)
    return failure


cdef inline OrtStatus* run_for_shapes(
        const CompiledRegion* compiled, OrtKernelContext* context, RunRoom* room) noexcept nogil:
    cdef Status why
    cdef const RegionPlan* plan = region_plan_hold(compiled.region, room.shapes, &why)
    if plan == NULL:
        return region_error(compiled.api, &why)
    cdef OrtStatus* failure = run_plan(compiled, plan, context, room)
    region_plan_release(compiled.region, plan)
    return failure


cdef inline OrtStatus* compute_region(
        OrtNodeComputeInfo* info, void* state, OrtKernelContext* context) noexcept nogil:
    cdef const CompiledRegion* compiled = <const CompiledRegion*>info
    cdef RunRoom room
    cdef Status why
    cdef OrtStatus* failure
    if not has_room(compiled, &room):
        lacks_memory(&why, b"run a region")
        return region_error(compiled.api, &why)
    failure = read_inputs(compiled, context, &room)
    if failure == NULL:
        failure = run_for_shapes(compiled, context, &room)
    free(room.shapes)
    return failure


cdef inline OrtStatus* create_state(
        OrtNodeComputeInfo* info, OrtNodeComputeContext* context, void** state) noexcept nogil:
    state[0] = info  # a run has none: what it needs of memory, it takes and gives back
    begin_state((<CompiledRegion*>info).profile)
    return NULL


cdef inline void release_state(OrtNodeComputeInfo* info, void* state) noexcept nogil:
    end_state((<CompiledRegion*>info).profile)


cdef inline void destroy_region(CompiledRegion* compiled) noexcept nogil:
    region_destroy(compiled.region)
    free(compiled.input_numbers)
    free(compiled)


cdef inline CompiledRegion* create_region(
        const OrtApi* api, const OrtMemoryInfo* memory, size_t inputs) noexcept nogil:
    """Return one that has no region yet, with room for so many inputs; NULL if memory is short."""
    cdef CompiledRegion* created = <CompiledRegion*>calloc(1, sizeof(CompiledRegion))
    if created == NULL:
        return NULL
    created.input_numbers = <size_t*>calloc(inputs + 1, sizeof(size_t))
    if created.input_numbers == NULL:
        free(created)
        return NULL
    created.callbacks.ort_version_supported = ORT_EP_LAYOUT
    created.callbacks.CreateState = create_state
    created.callbacks.Compute = compute_region
    created.callbacks.ReleaseState = release_state
    created.api = api
    created.memory = memory
    return created
