"""Compiling: the graph of a fused node becomes a region.

What could fail was checked when its nodes were claimed, so only memory can be short here. Graphs and
constants are gone afterwards; a region has copies.
"""

from libc.stddef cimport size_t
from libc.stdlib cimport calloc, free

from core cimport *
from ort.graph_reader cimport *
from ort.onnxruntime_abi cimport *
from ort.onnxruntime_ep_abi cimport *
from ort.region_run cimport *
from ort.runtimes cimport Runtime
from ort.statuses cimport *

cdef struct FusedLinks:  # inputs or outputs of a fused node
    size_t count
    const OrtValueInfo** infos
    int* values  # of the graph inside


cdef inline void release_links(FusedLinks* links) noexcept nogil:
    free(links.infos)
    free(links.values)


cdef inline bint make_links(FusedLinks* links, size_t count, Status* why) noexcept nogil:
    links.count = count
    links.infos = <const OrtValueInfo**>calloc(count + 1, sizeof(OrtValueInfo*))
    links.values = <int*>calloc(count + 1, sizeof(int))
    return (links.infos != NULL and links.values != NULL) or lacks_memory(
        why, b"compile a region")


cdef inline bint name_links(
        const OrtApi* api, const ModelBuilder* builder, FusedLinks* links,
        Status* why) noexcept nogil:
    """Find the values inside that have the names of those outside."""
    cdef const char* name = NULL
    cdef size_t i
    for i in range(links.count):
        links.values[i] = MODEL_NO_VALUE
        if links.infos[i] == NULL:
            continue
        if not passed(api, api.GetValueInfoName(links.infos[i], &name), why):
            return False
        links.values[i] = model_builder_find(builder, name)
    return True


cdef inline bint read_fused_inputs(
        const OrtApi* api, const OrtNode* node, const ModelBuilder* builder, FusedLinks* out,
        Status* why) noexcept nogil:
    cdef size_t count = 0
    return (passed(api, api.Node_GetNumInputs(node, &count), why)
            and make_links(out, count, why)
            and passed(api, api.Node_GetInputs(node, out.infos, count), why)
            and name_links(api, builder, out, why))


cdef inline bint read_fused_outputs(
        const OrtApi* api, const OrtNode* node, const ModelBuilder* builder, FusedLinks* out,
        Status* why) noexcept nogil:
    cdef size_t count = 0
    return (passed(api, api.Node_GetNumOutputs(node, &count), why)
            and make_links(out, count, why)
            and passed(api, api.Node_GetOutputs(node, out.infos, count), why)
            and name_links(api, builder, out, why))


cdef inline void keep_variable_inputs(
        const Model* model, FusedLinks* inputs, CompiledRegion* compiled) noexcept nogil:
    """Leave out what is a constant, which the region has a copy of, or is read by no node."""
    cdef size_t i
    cdef int value, count = 0
    for i in range(inputs.count):
        value = inputs.values[i]
        if value == MODEL_NO_VALUE or model.values[value].constant.given:
            continue
        compiled.input_numbers[count] = i
        inputs.values[count] = value
        count += 1
    compiled.input_count = count


cdef inline bint have_values(const FusedLinks* links, Status* why) noexcept nogil:
    cdef size_t i
    for i in range(links.count):
        if links.values[i] == MODEL_NO_VALUE:
            return status_fail(
                why, STATUS_INVALID, b"output %zu of a fused node: must be computed inside", i)
    return True


cdef inline CompiledRegion* compile_links(
        const OrtApi* api, const OrtMemoryInfo* memory, const Isa* isa, const Model* model,
        FusedLinks* inputs, const FusedLinks* outputs, Status* why) noexcept nogil:
    cdef CompiledRegion* compiled = create_region(api, memory, inputs.count)
    if compiled == NULL:
        lacks_memory(why, b"compile a region")
        return NULL
    keep_variable_inputs(model, inputs, compiled)
    compiled.output_count = <int>outputs.count
    compiled.region = region_create(
        model, inputs.values, compiled.input_count, outputs.values, compiled.output_count, isa,
        why)
    if compiled.region == NULL:
        destroy_region(compiled)
        return NULL
    return compiled


cdef inline CompiledRegion* compile_graph(
        const Runtime* runtime, const OrtMemoryInfo* memory, const Isa* isa,
        const OrtGraph* source, const OrtNode* node, Status* why) noexcept nogil:
    cdef Graph graph
    cdef FusedLinks inputs, outputs
    cdef CompiledRegion* compiled = NULL
    if not read_graph(runtime, source, &graph, why):
        return NULL
    inputs.infos = outputs.infos = NULL
    inputs.values = outputs.values = NULL
    if (read_fused_inputs(runtime.api, node, graph.builder, &inputs, why)
            and read_fused_outputs(runtime.api, node, graph.builder, &outputs, why)
            and have_values(&outputs, why)):
        compiled = compile_links(
            runtime.api, memory, isa, model_builder_model(graph.builder), &inputs, &outputs, why)
    release_links(&inputs)
    release_links(&outputs)
    graph_release(&graph)
    return compiled
