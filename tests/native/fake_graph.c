/* Calls on graphs, and those of a provider's session. */
#include "fake_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_calls.h"

/* --- Values. */

static OrtStatus* value_name(const OrtValueInfo* value, const char** out) {
    MAY_FAIL;
    *out = value->name;
    return NULL;
}

static OrtStatus* value_type(const OrtValueInfo* value, const OrtTypeInfo** out) {
    MAY_FAIL;
    *out = &value->type;
    return NULL;
}

static OrtStatus* value_constant(const OrtValueInfo* value, const OrtValue** out) {
    MAY_FAIL;
    *out = value->constant;
    return NULL;
}

static OrtStatus* value_is_constant(const OrtValueInfo* value, bool* out) {
    MAY_FAIL;
    *out = value->constant != NULL;
    return NULL;
}

static OrtStatus* value_leaves(const OrtValueInfo* value, bool* out) {
    MAY_FAIL;
    *out = value->leaves;
    return NULL;
}

static OrtStatus* value_is_outer(const OrtValueInfo* value, bool* out) {
    MAY_FAIL;
    (void)value;
    *out = false;
    return NULL;
}

static bool has_shape(const OrtTensorTypeAndShapeInfo* info) {
    (void)info;
    return true;
}

/* --- Nodes. */

static OrtStatus* give_text(const char* text, const char** out) {
    MAY_FAIL;
    *out = text;
    return NULL;
}

static OrtStatus* node_name(const OrtNode* node, const char** out) {
    return give_text(node->name, out);
}

static OrtStatus* node_type(const OrtNode* node, const char** out) {
    return give_text(node->op_type, out);
}

static OrtStatus* node_domain(const OrtNode* node, const char** out) {
    (void)node;
    return give_text("", out);
}

static OrtStatus* node_owner(const OrtNode* node, const char** out) {
    return give_text(node->owner, out);
}

static OrtStatus* node_version(const OrtNode* node, int* out) {
    MAY_FAIL;
    *out = node->since_version;
    return NULL;
}

static OrtStatus* give_count(size_t count, size_t* out) {
    MAY_FAIL;
    *out = count;
    return NULL;
}

static OrtStatus* count_inputs(const OrtNode* node, size_t* out) {
    return give_count(node->input_count, out);
}

static OrtStatus* count_outputs(const OrtNode* node, size_t* out) {
    return give_count(node->output_count, out);
}

static OrtStatus* count_attributes(const OrtNode* node, size_t* out) {
    return give_count(node->attribute_count, out);
}

static OrtStatus* count_none(const OrtNode* node, size_t* out) {
    (void)node;
    return give_count(0, out);
}

static OrtStatus* give_list(const void* list, size_t length, const void* out, size_t count) {
    MAY_FAIL;
    if (count < length) return fake_fail("the array is too small");
    memcpy((void*)(uintptr_t)out, list, length * sizeof(void*));
    return NULL;
}

static OrtStatus* node_inputs(const OrtNode* node, const OrtValueInfo** out, size_t count) {
    return give_list(node->inputs, node->input_count, out, count);
}

static OrtStatus* node_outputs(const OrtNode* node, const OrtValueInfo** out, size_t count) {
    return give_list(node->outputs, node->output_count, out, count);
}

static OrtStatus* node_no_inputs(const OrtNode* node, const OrtValueInfo** out, size_t count) {
    return give_list(node->inputs, 0, out, count);
}

static OrtStatus* node_attributes(const OrtNode* node, const OrtOpAttr** out, size_t count) {
    return give_list(node->attributes, node->attribute_count, out, count);
}

static OrtStatus* attribute_name(const OrtOpAttr* attribute, const char** out) {
    return give_text(attribute->name, out);
}

static OrtStatus* attribute_type(const OrtOpAttr* attribute, int* out) {
    MAY_FAIL;
    *out = attribute->kind == FAKE_ATTRIBUTE_INTS ? ORT_OP_ATTR_INTS : ORT_OP_ATTR_INT;
    return NULL;
}

/* --- Graphs. */

static OrtStatus* graph_name(const OrtGraph* graph, const char** out) {
    (void)graph;
    return give_text("graph", out);
}

static OrtStatus* count_nodes(const OrtGraph* graph, size_t* out) {
    return give_count(graph->node_count, out);
}

static OrtStatus* graph_nodes(const OrtGraph* graph, const OrtNode** out, size_t count) {
    return give_list(graph->nodes, graph->node_count, out, count);
}

static OrtStatus* add_nodes(OrtEpGraphSupportInfo* support, const OrtNode* const* nodes,
                            size_t count, const OrtNodeFusionOptions* options) {
    MAY_FAIL;
    if (support->region_count == FAKE_MAX_NODES || count > FAKE_MAX_NODES ||
        !options->drop_constant_initializers) {
        return fake_fail("an unexpected region");
    }
    if (support->region_count == 0) memcpy(support->nodes, nodes, count * sizeof *nodes);
    support->node_counts[support->region_count++] = count;
    return NULL;
}

/* --- Memory of a run. */

struct OrtMemoryInfo {
    int type;
};
struct OrtAllocator {
    int unused;
};

static OrtStatus* create_memory_info(int type, int memory_type, OrtMemoryInfo** out) {
    MAY_FAIL;
    (void)memory_type;
    *out = fake_create_object(sizeof **out);
    if (*out == NULL) return fake_fail_for_memory();
    (*out)->type = type;
    return NULL;
}

static void release_memory_info(OrtMemoryInfo* info) { fake_release_object(info); }

static OrtStatus* get_allocator(const OrtKernelContext* run, const OrtMemoryInfo* memory,
                                OrtAllocator** out) {
    MAY_FAIL;
    (void)run;
    if (memory->type != OrtArenaAllocator) return fake_fail("an unexpected kind of memory");
    *out = fake_create_object(sizeof **out);
    return *out == NULL ? fake_fail_for_memory() : NULL;
}

static void release_allocator(OrtAllocator* allocator) { fake_release_object(allocator); }

static OrtStatus* allocate(OrtAllocator* allocator, size_t bytes, void** out) {
    MAY_FAIL;
    (void)allocator;
    *out = fake_create_object(bytes);
    return *out == NULL ? fake_fail_for_memory() : NULL;
}

/* What is freed is free, whether or not the call says that it failed. */
static OrtStatus* deallocate(OrtAllocator* allocator, void* memory) {
    (void)allocator;
    fake_release_object(memory);
    MAY_FAIL;
    return NULL;
}

/* What is logged says what went wrong: where nothing was made to fail, nothing does. */
static OrtStatus* log_message(const OrtLogger* logger, int level, const char* message,
                              const char* file, int line, const char* function) {
    MAY_FAIL;
    (void)logger, (void)file, (void)line, (void)function;
    if (level != ORT_LOGGING_LEVEL_WARNING || !fake_has_failed()) {
        fprintf(stderr, "fake_graph: an unexpected message: %s\n", message);
        abort();
    }
    return NULL;
}

/* --- The tables. */

static int allows_providers;

void fake_allow_providers(int allow) { allows_providers = allow; }

static const OrtEpApi* get_ep_api(void) {
    static const OrtEpApi table = {.EpGraphSupportInfo_AddNodesToFuse = add_nodes};
    return allows_providers ? &table : NULL;
}

void fake_add_graph_calls(OrtApi* api) {
    api->GetEpApi = get_ep_api;
    api->GetValueInfoName = value_name;
    api->GetValueInfoTypeInfo = value_type;
    api->ValueInfo_GetInitializerValue = value_constant;
    api->ValueInfo_IsConstantInitializer = value_is_constant;
    api->ValueInfo_IsGraphOutput = value_leaves;
    api->ValueInfo_IsFromOuterScope = value_is_outer;
    api->TensorTypeAndShape_HasShape = has_shape;
    api->Graph_GetName = graph_name;
    api->Graph_GetNumNodes = count_nodes;
    api->Graph_GetNodes = graph_nodes;
    api->Node_GetName = node_name;
    api->Node_GetOperatorType = node_type;
    api->Node_GetDomain = node_domain;
    api->Node_GetSinceVersion = node_version;
    api->Node_GetEpName = node_owner;
    api->Node_GetNumInputs = count_inputs;
    api->Node_GetInputs = node_inputs;
    api->Node_GetNumOutputs = count_outputs;
    api->Node_GetOutputs = node_outputs;
    api->Node_GetNumImplicitInputs = count_none;
    api->Node_GetImplicitInputs = node_no_inputs;
    api->Node_GetNumAttributes = count_attributes;
    api->Node_GetAttributes = node_attributes;
    api->Node_GetNumSubgraphs = count_none;
    api->OpAttr_GetName = attribute_name;
    api->OpAttr_GetType = attribute_type;
    api->CreateCpuMemoryInfo = create_memory_info;
    api->ReleaseMemoryInfo = release_memory_info;
    api->KernelContext_GetAllocator = get_allocator;
    api->Logger_LogMessage = log_message;
    api->ReleaseAllocator = release_allocator;
    api->AllocatorAlloc = allocate;
    api->AllocatorFree = deallocate;
}
