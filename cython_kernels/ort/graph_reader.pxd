"""Reading an OrtGraph into a `model`, which is all that claims and regions know of it.

Names and data stay the runtime's, valid as long as the graph is.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from core cimport *
from ort.node_reader cimport describe
from ort.onnxruntime_abi cimport *
from ort.runtimes cimport *
from ort.statuses cimport *

cdef enum:
    MIN_HAS_SHAPE_VERSION = 24

cdef struct Graph:
    ModelBuilder* builder
    const OrtNode** nodes  # as many as the model has
    size_t node_count
    bint is_inner  # it reads values of a graph round it


# --- Values.

cdef inline bint read_constant_value(
        const OrtApi* api, const OrtValueInfo* info, ModelValue* out, Status* why) noexcept nogil:
    cdef cbool is_constant = False
    cdef const OrtValue* found = NULL
    cdef size_t axis
    cdef Status unusable
    if not passed(api, api.ValueInfo_IsConstantInitializer(info, &is_constant), why):
        return False
    if not is_constant:
        return True
    if not passed(api, api.ValueInfo_GetInitializerValue(info, &found), why):
        return False
    if found == NULL or not describe(api, found, out.name, &out.constant, &unusable):
        out.constant.given = False  # of a rank or kind that nothing here takes
        return True
    out.element_type = out.constant.element_type
    out.rank = <int>out.constant.rank
    for axis in range(out.constant.rank):
        out.dims[axis] = out.constant.dims[axis]
    return True


cdef inline bint read_type(
        const Runtime* runtime, const OrtValueInfo* info, ModelValue* out,
        Status* why) noexcept nogil:
    cdef const OrtApi* api = runtime.api
    cdef const OrtTypeInfo* type_info = NULL
    cdef const OrtTensorTypeAndShapeInfo* shape = NULL
    cdef size_t rank = 0
    cdef bint has_shape
    if not (passed(api, api.GetValueInfoTypeInfo(info, &type_info), why)
            and (type_info == NULL
                 or passed(api, api.CastTypeInfoToTensorInfo(type_info, &shape), why))):
        return False
    if shape == NULL:
        return True  # no tensor, or nothing is known
    if not (passed(api, api.GetTensorElementType(shape, &out.element_type), why)
            and passed(api, api.GetDimensionsCount(shape, &rank), why)):
        return False
    if runtime.version >= MIN_HAS_SHAPE_VERSION:
        has_shape = api.TensorTypeAndShape_HasShape(shape)
    else:
        has_shape = rank > 0  # older runtimes do not tell a scalar from an unknown shape
    if not has_shape or rank > <size_t>MODEL_MAX_RANK:
        return True
    out.rank = <int>rank
    return passed(api, api.GetDimensions(shape, out.dims, rank), why)


cdef inline bint read_new_value(
        const Runtime* runtime, Graph* graph, const OrtValueInfo* info, ModelValue* out,
        Status* why) noexcept nogil:
    cdef const OrtApi* api = runtime.api
    cdef cbool leaves = False, is_outer = False
    if not (read_type(runtime, info, out, why)
            and read_constant_value(api, info, out, why)
            and passed(api, api.ValueInfo_IsGraphOutput(info, &leaves), why)
            and passed(api, api.ValueInfo_IsFromOuterScope(info, &is_outer), why)):
        return False
    out.leaves = leaves
    graph.is_inner = graph.is_inner or is_outer
    return True


cdef inline bint read_value(
        const Runtime* runtime, Graph* graph, const OrtValueInfo* info, int* out,
        Status* why) noexcept nogil:
    """Read a value, unless that has been done; an optional one may be left out."""
    cdef const char* name = NULL
    out[0] = MODEL_NO_VALUE
    if info == NULL:
        return True
    if not passed(runtime.api, runtime.api.GetValueInfoName(info, &name), why):
        return False
    if name[0] == 0:
        return True
    out[0] = model_builder_find(graph.builder, name)
    if out[0] != MODEL_NO_VALUE:
        return True
    out[0] = model_builder_add(graph.builder, name)
    if out[0] == MODEL_NO_VALUE:
        return lacks_memory(why, b"read the graph")
    return read_new_value(
        runtime, graph, info, &model_builder_model(graph.builder).values[out[0]], why)


cdef inline bint read_values(
        const Runtime* runtime, Graph* graph, const OrtValueInfo** infos, size_t count, int* out,
        Status* why) noexcept nogil:
    cdef size_t i
    for i in range(count):
        if not read_value(runtime, graph, infos[i], &out[i], why):
            return False
    return True


# --- Attributes.

cdef inline size_t attribute_size(int type) noexcept nogil:
    """Return the bytes of an element, or 0 for the types that no model has."""
    if type == ORT_OP_ATTR_INT or type == ORT_OP_ATTR_INTS:
        return sizeof(int64_t)
    if type == ORT_OP_ATTR_FLOAT or type == ORT_OP_ATTR_FLOATS:
        return sizeof(float)
    return 1 if type == ORT_OP_ATTR_STRING else 0


cdef inline bint read_attribute(
        const OrtApi* api, ModelBuilder* builder, const OrtOpAttr* attribute, ModelAttribute* out,
        Status* why) noexcept nogil:
    cdef int type = 0
    cdef size_t bytes = 0, size
    cdef void* data
    cdef OrtStatus* status
    if not (passed(api, api.OpAttr_GetName(attribute, &out.name), why)
            and passed(api, api.OpAttr_GetType(attribute, &type), why)):
        return False
    out.type = MODEL_ATTRIBUTE_OTHER
    size = attribute_size(type)
    if size == 0:
        return True
    status = api.ReadOpAttr(attribute, type, NULL, 0, &bytes)  # no room, but says how much
    if bytes == 0 and not passed(api, status, why):
        return False
    if bytes > 0:
        succeeded(api, status)
    data = model_builder_allocate(builder, bytes + 1, 1)
    if data == NULL:
        return lacks_memory(why, b"read an attribute")
    if bytes > 0 and not passed(
            api, api.ReadOpAttr(attribute, type, data, bytes, &bytes), why):
        return False
    out.count = bytes // size
    if type == ORT_OP_ATTR_STRING:
        out.type = MODEL_ATTRIBUTE_STRING
        out.string = <const char*>data
    elif size == sizeof(int64_t):
        out.type = MODEL_ATTRIBUTE_INTS
        out.ints = <const int64_t*>data
    else:
        out.type = MODEL_ATTRIBUTE_FLOATS
        out.floats = <const float*>data
    return True


# --- Nodes.

cdef struct NodeSizes:
    size_t inputs, implicit_inputs, outputs, attributes, subgraphs


cdef inline bint read_sizes(
        const OrtApi* api, const OrtNode* node, NodeSizes* out, Status* why) noexcept nogil:
    return (passed(api, api.Node_GetNumInputs(node, &out.inputs), why)
            and passed(api, api.Node_GetNumImplicitInputs(node, &out.implicit_inputs), why)
            and passed(api, api.Node_GetNumOutputs(node, &out.outputs), why)
            and passed(api, api.Node_GetNumAttributes(node, &out.attributes), why)
            and passed(api, api.Node_GetNumSubgraphs(node, &out.subgraphs), why))


cdef inline bint read_names(
        const OrtApi* api, const OrtNode* node, ModelNode* out, Status* why) noexcept nogil:
    cdef const char* owner = NULL
    if not (passed(api, api.Node_GetName(node, &out.name), why)
            and passed(api, api.Node_GetDomain(node, &out.domain), why)
            and passed(api, api.Node_GetOperatorType(node, &out.op_type), why)
            and passed(api, api.Node_GetSinceVersion(node, &out.since_version), why)
            and passed(api, api.Node_GetEpName(node, &owner), why)):
        return False
    out.closed = owner != NULL and owner[0] != 0
    return True


cdef inline bint read_attributes(
        const OrtApi* api, ModelBuilder* builder, const OrtNode* node, size_t count,
        const void** room, ModelAttribute* out, Status* why) noexcept nogil:
    cdef const OrtOpAttr** attributes = <const OrtOpAttr**>room
    cdef size_t i
    if not passed(api, api.Node_GetAttributes(node, attributes, count), why):
        return False
    for i in range(count):
        if not read_attribute(api, builder, attributes[i], &out[i], why):
            return False
    return True


cdef inline bint read_links(
        const Runtime* runtime, Graph* graph, const OrtNode* node, const NodeSizes* sizes,
        const void** room, ModelNodeParts* parts, Status* why) noexcept nogil:
    cdef const OrtApi* api = runtime.api
    cdef const OrtValueInfo** infos = <const OrtValueInfo**>room
    return (passed(api, api.Node_GetInputs(node, infos, sizes.inputs), why)
            and read_values(runtime, graph, infos, sizes.inputs, parts.inputs, why)
            and passed(
                api, api.Node_GetImplicitInputs(node, infos, sizes.implicit_inputs), why)
            and read_values(
                runtime, graph, infos, sizes.implicit_inputs, parts.inputs + sizes.inputs, why)
            and passed(api, api.Node_GetOutputs(node, infos, sizes.outputs), why)
            and read_values(runtime, graph, infos, sizes.outputs, parts.outputs, why))


cdef inline bint fill_node(
        const Runtime* runtime, Graph* graph, const OrtNode* node, const NodeSizes* sizes,
        const void** room, ModelNodeParts* parts, Status* why) noexcept nogil:
    cdef Model* model = model_builder_model(graph.builder)
    cdef size_t i
    if not (read_names(runtime.api, node, parts.node, why)
            and read_attributes(
                runtime.api, graph.builder, node, sizes.attributes, room, parts.attributes, why)
            and read_links(runtime, graph, node, sizes, room, parts, why)):
        return False
    if sizes.subgraphs > 0:
        parts.node.closed = True
    for i in range(sizes.outputs):
        if parts.outputs[i] != MODEL_NO_VALUE:
            model.values[parts.outputs[i]].producer = model.node_count - 1
    return True


cdef inline bint read_graph_node(
        const Runtime* runtime, Graph* graph, const OrtNode* node, Status* why) noexcept nogil:
    cdef NodeSizes sizes
    cdef ModelNodeParts parts
    cdef const void** room
    cdef bint filled
    if not read_sizes(runtime.api, node, &sizes, why):
        return False
    room = <const void**>calloc(
        sizes.inputs + sizes.implicit_inputs + sizes.outputs + sizes.attributes + 1, sizeof(void*))
    if room == NULL or not model_builder_add_node(
            graph.builder, sizes.inputs + sizes.implicit_inputs, sizes.outputs, sizes.attributes,
            &parts):
        free(room)
        return lacks_memory(why, b"read a node")
    filled = fill_node(runtime, graph, node, &sizes, room, &parts, why)
    free(room)
    return filled


# --- Graphs.

cdef inline void graph_release(Graph* graph) noexcept nogil:
    model_builder_destroy(graph.builder)
    free(graph.nodes)


cdef inline bint read_nodes(
        const Runtime* runtime, const OrtGraph* source, Graph* out, Status* why) noexcept nogil:
    cdef size_t i
    out.nodes = <const OrtNode**>calloc(out.node_count + 1, sizeof(OrtNode*))
    out.builder = model_builder_create(out.node_count)
    if out.nodes == NULL or out.builder == NULL:
        return lacks_memory(why, b"read the graph")
    if not passed(
            runtime.api, runtime.api.Graph_GetNodes(source, out.nodes, out.node_count), why):
        return False
    for i in range(out.node_count):
        if not read_graph_node(runtime, out, out.nodes[i], why):
            return False
    return True


cdef inline bint read_graph(
        const Runtime* runtime, const OrtGraph* source, Graph* out, Status* why) noexcept nogil:
    """Fill the graph in, which is released with `graph_release` if that succeeded."""
    out.builder = NULL
    out.nodes = NULL
    out.node_count = 0
    out.is_inner = False
    if (passed(runtime.api, runtime.api.Graph_GetNumNodes(source, &out.node_count), why)
            and read_nodes(runtime, source, out, why)):
        return True
    graph_release(out)
    return False
