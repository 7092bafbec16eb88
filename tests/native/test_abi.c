/* The layout of what onnxruntime_abi.h declares, against that of ONNX Runtime. The numbers here are
 * written down from its published header and from runs inside it, not from ours.
 *
 * Usage: test_abi. Prints the slot and the name of each function of OrtApi, and exits with 1 where
 * one lies elsewhere.
 */
#include <stdio.h>

#include "ort/onnxruntime_ep_abi.h"

struct place {
    const char* name;
    size_t found, expected;
};

#define SLOT(number, name) {#name, offsetof(OrtApi, name) / sizeof(void*), number}

static const struct place functions[] = {
    SLOT(0, CreateStatus),
    SLOT(2, GetErrorMessage),
    SLOT(3, CreateEnv),
    SLOT(7, CreateSession),
    SLOT(9, Run),
    SLOT(10, CreateSessionOptions),
    SLOT(26, CreateCustomOpDomain),
    SLOT(27, CustomOpDomain_Add),
    SLOT(28, AddCustomOpDomain),
    SLOT(33, SessionGetInputTypeInfo),
    SLOT(36, SessionGetInputName),
    SLOT(37, SessionGetOutputName),
    SLOT(49, CreateTensorWithDataAsOrtValue),
    SLOT(51, GetTensorMutableData),
    SLOT(55, CastTypeInfoToTensorInfo),
    SLOT(57, CreateTensorTypeAndShapeInfo),
    SLOT(58, SetTensorElementType),
    SLOT(59, SetDimensions),
    SLOT(60, GetTensorElementType),
    SLOT(61, GetDimensionsCount),
    SLOT(62, GetDimensions),
    SLOT(63, GetSymbolicDimensions),
    SLOT(64, GetTensorShapeElementCount),
    SLOT(65, GetTensorTypeAndShape),
    SLOT(69, CreateCpuMemoryInfo),
    SLOT(75, AllocatorAlloc),
    SLOT(76, AllocatorFree),
    SLOT(78, GetAllocatorWithDefaultOptions),
    SLOT(85, KernelInfoGetAttribute_float),
    SLOT(86, KernelInfoGetAttribute_int64),
    SLOT(87, KernelInfoGetAttribute_string),
    SLOT(90, KernelContext_GetInput),
    SLOT(91, KernelContext_GetOutput),
    SLOT(92, ReleaseEnv),
    SLOT(93, ReleaseStatus),
    SLOT(94, ReleaseMemoryInfo),
    SLOT(95, ReleaseSession),
    SLOT(96, ReleaseValue),
    SLOT(98, ReleaseTypeInfo),
    SLOT(99, ReleaseTensorTypeAndShapeInfo),
    SLOT(100, ReleaseSessionOptions),
    SLOT(101, ReleaseCustomOpDomain),
    SLOT(125, GetAvailableProviders),
    SLOT(126, ReleaseAvailableProviders),
    SLOT(130, AddSessionConfigEntry),
    SLOT(132, ReleaseAllocator),
    SLOT(162, KernelInfoGetAttributeArray_float),
    SLOT(163, KernelInfoGetAttributeArray_int64),
    SLOT(228, RegisterCustomOpsLibrary_V2),
    SLOT(230, KernelInfo_GetInputCount),
    SLOT(232, KernelInfo_GetInputName),
    SLOT(234, KernelInfo_GetInputTypeInfo),
    SLOT(237, HasSessionConfigEntry),
    SLOT(238, GetSessionConfigEntry),
    SLOT(244, KernelInfo_GetNodeName),
    SLOT(247, Logger_LogMessage),
    SLOT(249, KernelInfoGetConstantInput_tensor),
    SLOT(253, KernelContext_GetAllocator),
    SLOT(268, ShapeInferContext_GetInputTypeShape),
    SLOT(269, ShapeInferContext_GetAttribute),
    SLOT(270, ShapeInferContext_SetOutputTypeShape),
    SLOT(271, SetSymbolicDimensions),
    SLOT(272, ReadOpAttr),
    SLOT(274, KernelContext_ParallelFor),
    SLOT(289, GetValueInfoName),
    SLOT(290, GetValueInfoTypeInfo),
    SLOT(295, CreateKeyValuePairs),
    SLOT(296, AddKeyValuePair),
    SLOT(300, ReleaseKeyValuePairs),
    SLOT(301, RegisterExecutionProviderLibrary),
    SLOT(302, UnregisterExecutionProviderLibrary),
    SLOT(303, GetEpDevices),
    SLOT(304, SessionOptionsAppendExecutionProvider_V2),
    SLOT(306, SessionOptionsSetEpSelectionPolicyDelegate),
    SLOT(307, HardwareDevice_Type),
    SLOT(312, EpDevice_EpName),
    SLOT(317, GetEpApi),
    SLOT(326, ValueInfo_GetInitializerValue),
    SLOT(330, ValueInfo_IsGraphOutput),
    SLOT(331, ValueInfo_IsConstantInitializer),
    SLOT(332, ValueInfo_IsFromOuterScope),
    SLOT(333, Graph_GetName),
    SLOT(344, Graph_GetNumNodes),
    SLOT(345, Graph_GetNodes),
    SLOT(349, Node_GetName),
    SLOT(350, Node_GetOperatorType),
    SLOT(351, Node_GetDomain),
    SLOT(352, Node_GetSinceVersion),
    SLOT(353, Node_GetNumInputs),
    SLOT(354, Node_GetInputs),
    SLOT(355, Node_GetNumOutputs),
    SLOT(356, Node_GetOutputs),
    SLOT(357, Node_GetNumImplicitInputs),
    SLOT(358, Node_GetImplicitInputs),
    SLOT(359, Node_GetNumAttributes),
    SLOT(360, Node_GetAttributes),
    SLOT(363, OpAttr_GetType),
    SLOT(364, OpAttr_GetName),
    SLOT(365, Node_GetNumSubgraphs),
    SLOT(368, Node_GetEpName),
    SLOT(390, TensorTypeAndShape_HasShape),
};

#define OP_AT(offset, name) {"OrtCustomOp." #name, offsetof(OrtCustomOp, name), offset}
#define EP_AT(position, type, name) {#type "." #name, offsetof(type, name), 8 * (position)}
#define BASE_AT(offset, name) {"OrtApiBase." #name, offsetof(OrtApiBase, name), offset}

static const struct place offsets[] = {
    OP_AT(0, version),
    OP_AT(8, CreateKernel),
    OP_AT(16, GetName),
    OP_AT(24, GetExecutionProviderType),
    OP_AT(32, GetInputType),
    OP_AT(40, GetInputTypeCount),
    OP_AT(48, GetOutputType),
    OP_AT(56, GetOutputTypeCount),
    OP_AT(64, KernelCompute),
    OP_AT(72, KernelDestroy),
    OP_AT(80, GetInputCharacteristic),
    OP_AT(88, GetOutputCharacteristic),
    OP_AT(96, GetInputMemoryType),
    OP_AT(104, GetVariadicInputMinArity),
    OP_AT(112, GetVariadicInputHomogeneity),
    OP_AT(120, GetVariadicOutputMinArity),
    OP_AT(128, GetVariadicOutputHomogeneity),
    OP_AT(136, CreateKernelV2),
    OP_AT(144, KernelComputeV2),
    OP_AT(152, InferOutputShapeFn),
    OP_AT(160, GetStartVersion),
    OP_AT(168, GetEndVersion),
    OP_AT(176, GetMayInplace),
    OP_AT(184, ReleaseMayInplace),
    OP_AT(192, GetAliasMap),
    OP_AT(200, ReleaseAliasMap),
    {"size of OrtCustomOp", sizeof(OrtCustomOp), 26 * 8},
    EP_AT(0, OrtEpApi, CreateEpDevice),
    EP_AT(2, OrtEpApi, EpGraphSupportInfo_AddNodesToFuse),
    EP_AT(49, OrtEpApi, GetEnvConfigEntries),
    EP_AT(0, OrtEpFactory, ort_version_supported),
    EP_AT(1, OrtEpFactory, GetName),
    EP_AT(2, OrtEpFactory, GetVendor),
    EP_AT(3, OrtEpFactory, GetSupportedDevices),
    EP_AT(4, OrtEpFactory, CreateEp),
    EP_AT(5, OrtEpFactory, ReleaseEp),
    EP_AT(6, OrtEpFactory, GetVendorId),
    EP_AT(7, OrtEpFactory, GetVersion),
    EP_AT(9, OrtEpFactory, CreateAllocator),
    EP_AT(10, OrtEpFactory, ReleaseAllocator),
    EP_AT(11, OrtEpFactory, CreateDataTransfer),
    EP_AT(12, OrtEpFactory, IsStreamAware),
    EP_AT(16, OrtEpFactory, GetNumCustomOpDomains),
    EP_AT(17, OrtEpFactory, GetCustomOpDomains),
    {"size of OrtEpFactory", sizeof(OrtEpFactory), 18 * 8},
    EP_AT(0, OrtEp, ort_version_supported),
    EP_AT(1, OrtEp, GetName),
    EP_AT(2, OrtEp, GetCapability),
    EP_AT(3, OrtEp, Compile),
    EP_AT(4, OrtEp, ReleaseNodeComputeInfos),
    {"size of OrtEp", sizeof(OrtEp), 15 * 8},
    EP_AT(0, OrtNodeComputeInfo, ort_version_supported),
    EP_AT(1, OrtNodeComputeInfo, CreateState),
    EP_AT(2, OrtNodeComputeInfo, Compute),
    EP_AT(3, OrtNodeComputeInfo, ReleaseState),
    {"size of OrtNodeComputeInfo", sizeof(OrtNodeComputeInfo), 4 * 8},
    {"OrtNodeFusionOptions.ort_version_supported",
     offsetof(OrtNodeFusionOptions, ort_version_supported), 0},
    {"OrtNodeFusionOptions.drop_constant_initializers",
     offsetof(OrtNodeFusionOptions, drop_constant_initializers), 4},
    {"size of OrtNodeFusionOptions", sizeof(OrtNodeFusionOptions), 8},
    {"size of a bool", sizeof(bool), 1},
    BASE_AT(0, GetApi),
    BASE_AT(8, GetVersionString),
    {"size of OrtApiBase", sizeof(OrtApiBase), 2 * 8},
    {"size of a pointer", sizeof(void*), 8},
};

/* The numbers of enumerators, which the runtime and models use as well. */
static const struct place numbers[] = {
    {"ORT_API_VERSION", ORT_API_VERSION, 17},
    {"ORT_FAIL", ORT_FAIL, 1},
    {"ORT_INVALID_ARGUMENT", ORT_INVALID_ARGUMENT, 2},
    {"ORT_NOT_IMPLEMENTED", ORT_NOT_IMPLEMENTED, 9},
    {"ORT_LOGGING_LEVEL_WARNING", ORT_LOGGING_LEVEL_WARNING, 2},
    {"OrtArenaAllocator", OrtArenaAllocator, 1},
    {"OrtMemTypeDefault", OrtMemTypeDefault, 0},
    {"ORT_OP_ATTR_INT", ORT_OP_ATTR_INT, 1},
    {"ORT_OP_ATTR_INTS", ORT_OP_ATTR_INTS, 2},
    {"ORT_OP_ATTR_FLOAT", ORT_OP_ATTR_FLOAT, 3},
    {"ORT_OP_ATTR_FLOATS", ORT_OP_ATTR_FLOATS, 4},
    {"ORT_OP_ATTR_STRING", ORT_OP_ATTR_STRING, 5},
    {"OrtHardwareDeviceType_CPU", OrtHardwareDeviceType_CPU, 0},
    {"ORT_EP_LAYOUT", ORT_EP_LAYOUT, 24},
    {"INPUT_OUTPUT_REQUIRED", INPUT_OUTPUT_REQUIRED, 0},
    {"INPUT_OUTPUT_OPTIONAL", INPUT_OUTPUT_OPTIONAL, 1},
    {"ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED", ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED, 0},
    {"ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT", ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, 1},
};

static int count_wrong(const struct place* places, size_t count) {
    int wrong = 0;
    for (size_t i = 0; i < count; i++) {
        if (places[i].found == places[i].expected) continue;
        fprintf(stderr, "test_abi: %s: must be %zu, but is %zu\n", places[i].name,
                places[i].expected, places[i].found);
        wrong++;
    }
    return wrong;
}

#define COUNT(places) (sizeof(places) / sizeof(places)[0])

int main(void) {
    for (size_t i = 0; i < COUNT(functions); i++) {
        printf("%zu %s\n", functions[i].expected, functions[i].name);
    }
    return count_wrong(functions, COUNT(functions)) + count_wrong(offsets, COUNT(offsets)) +
               count_wrong(numbers, COUNT(numbers)) !=
           0;
}
