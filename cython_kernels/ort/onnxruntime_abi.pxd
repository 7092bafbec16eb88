"""Names of onnxruntime_abi.h, where the layout is declared."""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t

cdef extern from "ort/onnxruntime_abi.h" nogil:
    ctypedef bint cbool "bool"  # of stdbool.h

    enum:
        ORT_FAIL
        ORT_INVALID_ARGUMENT
        ORT_NOT_IMPLEMENTED
    enum:
        ORT_API_VERSION
    enum:
        ORT_OP_ATTR_INT
        ORT_OP_ATTR_INTS
        ORT_OP_ATTR_FLOAT
        ORT_OP_ATTR_FLOATS
        ORT_OP_ATTR_STRING
    enum:
        ORT_LOGGING_LEVEL_WARNING
    enum:
        OrtArenaAllocator
    enum:
        OrtHardwareDeviceType_CPU
    enum:
        INPUT_OUTPUT_REQUIRED
        INPUT_OUTPUT_OPTIONAL
    enum:
        ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED
        ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
    enum:
        OrtMemTypeDefault

    ctypedef struct OrtStatus:
        pass
    ctypedef struct OrtSessionOptions:
        pass
    ctypedef struct OrtCustomOpDomain:
        pass
    ctypedef struct OrtKernelInfo:
        pass
    ctypedef struct OrtKernelContext:
        pass
    ctypedef struct OrtShapeInferContext:
        pass
    ctypedef struct OrtOpAttr:
        pass
    ctypedef struct OrtValue:
        pass
    ctypedef struct OrtTypeInfo:
        pass
    ctypedef struct OrtTensorTypeAndShapeInfo:
        pass
    ctypedef struct OrtCustomOp
    ctypedef struct OrtEnv:
        pass
    ctypedef struct OrtLogger:
        pass
    ctypedef struct OrtAllocator:
        pass
    ctypedef struct OrtMemoryInfo:
        pass
    ctypedef struct OrtKeyValuePairs:
        pass
    ctypedef struct OrtHardwareDevice:
        pass
    ctypedef struct OrtEpDevice:
        pass
    ctypedef struct OrtEpApi
    ctypedef struct OrtGraph:
        pass
    ctypedef struct OrtNode:
        pass
    ctypedef struct OrtValueInfo:
        pass

    ctypedef OrtStatus* (*EpSelectionDelegate)(
        const OrtEpDevice** devices, size_t count, const OrtKeyValuePairs* model,
        const OrtKeyValuePairs* runtime, const OrtEpDevice** selected, size_t most,
        size_t* selected_count, void* state) noexcept nogil

    ctypedef struct OrtApi:
        OrtStatus* (*CreateStatus)(int code, const char* message) noexcept nogil
        const char* (*GetErrorMessage)(const OrtStatus*) noexcept nogil
        OrtStatus* (*CreateEnv)(int level, const char* log_name, OrtEnv** out) noexcept nogil
        OrtStatus* (*CreateCustomOpDomain)(const char* domain, OrtCustomOpDomain** out) noexcept nogil
        OrtStatus* (*CustomOpDomain_Add)(OrtCustomOpDomain*, const OrtCustomOp*) noexcept nogil
        OrtStatus* (*AddCustomOpDomain)(OrtSessionOptions*, OrtCustomOpDomain*) noexcept nogil
        OrtStatus* (*GetTensorMutableData)(OrtValue*, void** out) noexcept nogil
        OrtStatus* (*CastTypeInfoToTensorInfo)(
            const OrtTypeInfo*, const OrtTensorTypeAndShapeInfo** out) noexcept nogil
        OrtStatus* (*CreateTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo** out) noexcept nogil
        OrtStatus* (*SetTensorElementType)(OrtTensorTypeAndShapeInfo*, int type) noexcept nogil
        OrtStatus* (*SetDimensions)(
            OrtTensorTypeAndShapeInfo*, const int64_t* dims, size_t rank) noexcept nogil
        OrtStatus* (*GetTensorElementType)(const OrtTensorTypeAndShapeInfo*, int* out) noexcept nogil
        OrtStatus* (*GetDimensionsCount)(const OrtTensorTypeAndShapeInfo*, size_t* out) noexcept nogil
        OrtStatus* (*GetDimensions)(
            const OrtTensorTypeAndShapeInfo*, int64_t* dims, size_t rank) noexcept nogil
        OrtStatus* (*GetSymbolicDimensions)(
            const OrtTensorTypeAndShapeInfo*, const char** names, size_t rank) noexcept nogil
        OrtStatus* (*GetTensorTypeAndShape)(
            const OrtValue*, OrtTensorTypeAndShapeInfo** out) noexcept nogil
        OrtStatus* (*CreateCpuMemoryInfo)(
            int allocator_type, int memory_type, OrtMemoryInfo** out) noexcept nogil
        OrtStatus* (*AllocatorAlloc)(OrtAllocator*, size_t bytes, void** out) noexcept nogil
        OrtStatus* (*AllocatorFree)(OrtAllocator*, void*) noexcept nogil
        OrtStatus* (*KernelInfoGetAttribute_float)(
            const OrtKernelInfo*, const char* name, float* out) noexcept nogil
        OrtStatus* (*KernelInfoGetAttribute_int64)(
            const OrtKernelInfo*, const char* name, int64_t* out) noexcept nogil
        OrtStatus* (*KernelInfoGetAttribute_string)(
            const OrtKernelInfo*, const char* name, char* out, size_t* size) noexcept nogil
        OrtStatus* (*KernelContext_GetInput)(
            const OrtKernelContext*, size_t index, const OrtValue** out) noexcept nogil
        OrtStatus* (*KernelContext_GetOutput)(
            OrtKernelContext*, size_t index, const int64_t* dims, size_t rank,
            OrtValue** out) noexcept nogil
        void (*ReleaseEnv)(OrtEnv*) noexcept nogil
        void (*ReleaseStatus)(OrtStatus*) noexcept nogil
        void (*ReleaseMemoryInfo)(OrtMemoryInfo*) noexcept nogil
        void (*ReleaseTypeInfo)(OrtTypeInfo*) noexcept nogil
        void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo*) noexcept nogil
        void (*ReleaseCustomOpDomain)(OrtCustomOpDomain*) noexcept nogil
        OrtStatus* (*GetAvailableProviders)(char*** names, int* count) noexcept nogil
        OrtStatus* (*ReleaseAvailableProviders)(char** names, int count) noexcept nogil
        OrtStatus* (*AddSessionConfigEntry)(
            OrtSessionOptions*, const char* key, const char* value) noexcept nogil
        void (*ReleaseAllocator)(OrtAllocator*) noexcept nogil
        OrtStatus* (*KernelInfoGetAttributeArray_float)(
            const OrtKernelInfo*, const char* name, float* out, size_t* count) noexcept nogil
        OrtStatus* (*KernelInfoGetAttributeArray_int64)(
            const OrtKernelInfo*, const char* name, int64_t* out, size_t* count) noexcept nogil
        OrtStatus* (*KernelInfo_GetInputCount)(const OrtKernelInfo*, size_t* out) noexcept nogil
        OrtStatus* (*KernelInfo_GetInputName)(
            const OrtKernelInfo*, size_t index, char* out, size_t* size) noexcept nogil
        OrtStatus* (*KernelInfo_GetInputTypeInfo)(
            const OrtKernelInfo*, size_t index, OrtTypeInfo** out) noexcept nogil
        OrtStatus* (*HasSessionConfigEntry)(
            const OrtSessionOptions*, const char* key, int* out) noexcept nogil
        OrtStatus* (*GetSessionConfigEntry)(
            const OrtSessionOptions*, const char* key, char* value, size_t* size) noexcept nogil
        OrtStatus* (*KernelInfo_GetNodeName)(const OrtKernelInfo*, char* out, size_t* size) noexcept nogil
        OrtStatus* (*Logger_LogMessage)(
            const OrtLogger*, int level, const char* message, const char* file, int line,
            const char* function) noexcept nogil
        OrtStatus* (*KernelContext_GetAllocator)(
            const OrtKernelContext*, const OrtMemoryInfo*, OrtAllocator** out) noexcept nogil
        OrtStatus* (*KernelInfoGetConstantInput_tensor)(
            const OrtKernelInfo*, size_t index, int* is_constant, const OrtValue** out) noexcept nogil
        OrtStatus* (*ShapeInferContext_GetInputTypeShape)(
            const OrtShapeInferContext*, size_t index, OrtTensorTypeAndShapeInfo** out) noexcept nogil
        OrtStatus* (*ShapeInferContext_GetAttribute)(
            const OrtShapeInferContext*, const char* name, const OrtOpAttr** out) noexcept nogil
        OrtStatus* (*ShapeInferContext_SetOutputTypeShape)(
            const OrtShapeInferContext*, size_t index, const OrtTensorTypeAndShapeInfo*) noexcept nogil
        OrtStatus* (*SetSymbolicDimensions)(
            OrtTensorTypeAndShapeInfo*, const char** names, size_t rank) noexcept nogil
        OrtStatus* (*ReadOpAttr)(
            const OrtOpAttr*, int type, void* data, size_t size, size_t* out) noexcept nogil
        OrtStatus* (*KernelContext_ParallelFor)(
            const OrtKernelContext*, void (*task)(void*, size_t) noexcept nogil, size_t total,
            size_t batches, void* data) noexcept nogil

        OrtStatus* (*GetValueInfoName)(const OrtValueInfo*, const char** out) noexcept nogil
        OrtStatus* (*GetValueInfoTypeInfo)(const OrtValueInfo*, const OrtTypeInfo** out) noexcept nogil
        void (*CreateKeyValuePairs)(OrtKeyValuePairs** out) noexcept nogil
        void (*AddKeyValuePair)(OrtKeyValuePairs*, const char* key, const char* value) noexcept nogil
        void (*ReleaseKeyValuePairs)(OrtKeyValuePairs*) noexcept nogil
        OrtStatus* (*RegisterExecutionProviderLibrary)(
            OrtEnv*, const char* name, const char* path) noexcept nogil
        OrtStatus* (*GetEpDevices)(
            const OrtEnv*, const OrtEpDevice* const** out, size_t* count) noexcept nogil
        OrtStatus* (*SessionOptionsSetEpSelectionPolicyDelegate)(
            OrtSessionOptions*, EpSelectionDelegate, void* state) noexcept nogil
        int (*HardwareDevice_Type)(const OrtHardwareDevice*) noexcept nogil
        const char* (*EpDevice_EpName)(const OrtEpDevice*) noexcept nogil
        const OrtEpApi* (*GetEpApi)() noexcept nogil

        OrtStatus* (*ValueInfo_GetInitializerValue)(
            const OrtValueInfo*, const OrtValue** out) noexcept nogil
        OrtStatus* (*ValueInfo_IsGraphOutput)(const OrtValueInfo*, cbool* out) noexcept nogil
        OrtStatus* (*ValueInfo_IsConstantInitializer)(const OrtValueInfo*, cbool* out) noexcept nogil
        OrtStatus* (*ValueInfo_IsFromOuterScope)(const OrtValueInfo*, cbool* out) noexcept nogil
        OrtStatus* (*Graph_GetName)(const OrtGraph*, const char** out) noexcept nogil
        OrtStatus* (*Graph_GetNumNodes)(const OrtGraph*, size_t* out) noexcept nogil
        OrtStatus* (*Graph_GetNodes)(
            const OrtGraph*, const OrtNode** out, size_t count) noexcept nogil
        OrtStatus* (*Node_GetName)(const OrtNode*, const char** out) noexcept nogil
        OrtStatus* (*Node_GetOperatorType)(const OrtNode*, const char** out) noexcept nogil
        OrtStatus* (*Node_GetDomain)(const OrtNode*, const char** out) noexcept nogil
        OrtStatus* (*Node_GetSinceVersion)(const OrtNode*, int* out) noexcept nogil
        OrtStatus* (*Node_GetNumInputs)(const OrtNode*, size_t* out) noexcept nogil
        OrtStatus* (*Node_GetInputs)(
            const OrtNode*, const OrtValueInfo** out, size_t count) noexcept nogil
        OrtStatus* (*Node_GetNumOutputs)(const OrtNode*, size_t* out) noexcept nogil
        OrtStatus* (*Node_GetOutputs)(
            const OrtNode*, const OrtValueInfo** out, size_t count) noexcept nogil
        OrtStatus* (*Node_GetNumImplicitInputs)(const OrtNode*, size_t* out) noexcept nogil
        OrtStatus* (*Node_GetImplicitInputs)(
            const OrtNode*, const OrtValueInfo** out, size_t count) noexcept nogil
        OrtStatus* (*Node_GetNumAttributes)(const OrtNode*, size_t* out) noexcept nogil
        OrtStatus* (*Node_GetAttributes)(
            const OrtNode*, const OrtOpAttr** out, size_t count) noexcept nogil
        OrtStatus* (*OpAttr_GetType)(const OrtOpAttr*, int* out) noexcept nogil
        OrtStatus* (*OpAttr_GetName)(const OrtOpAttr*, const char** out) noexcept nogil
        OrtStatus* (*Node_GetNumSubgraphs)(const OrtNode*, size_t* out) noexcept nogil
        OrtStatus* (*Node_GetEpName)(const OrtNode*, const char** out) noexcept nogil
        cbool (*TensorTypeAndShape_HasShape)(const OrtTensorTypeAndShapeInfo*) noexcept nogil

    ctypedef struct OrtApiBase:
        const OrtApi* (*GetApi)(uint32_t version) noexcept nogil
        const char* (*GetVersionString)() noexcept nogil

    ctypedef struct OrtCustomOp:
        uint32_t version
        const char* (*GetName)(const OrtCustomOp*) noexcept nogil
        const char* (*GetExecutionProviderType)(const OrtCustomOp*) noexcept nogil
        int (*GetInputType)(const OrtCustomOp*, size_t) noexcept nogil
        size_t (*GetInputTypeCount)(const OrtCustomOp*) noexcept nogil
        int (*GetOutputType)(const OrtCustomOp*, size_t) noexcept nogil
        size_t (*GetOutputTypeCount)(const OrtCustomOp*) noexcept nogil
        void (*KernelDestroy)(void* kernel) noexcept nogil
        int (*GetInputCharacteristic)(const OrtCustomOp*, size_t) noexcept nogil
        int (*GetOutputCharacteristic)(const OrtCustomOp*, size_t) noexcept nogil
        int (*GetInputMemoryType)(const OrtCustomOp*, size_t) noexcept nogil
        int (*GetVariadicInputMinArity)(const OrtCustomOp*) noexcept nogil
        int (*GetVariadicInputHomogeneity)(const OrtCustomOp*) noexcept nogil
        int (*GetVariadicOutputMinArity)(const OrtCustomOp*) noexcept nogil
        int (*GetVariadicOutputHomogeneity)(const OrtCustomOp*) noexcept nogil
        OrtStatus* (*CreateKernelV2)(
            const OrtCustomOp*, const OrtApi*, const OrtKernelInfo*, void** kernel) noexcept nogil
        OrtStatus* (*KernelComputeV2)(void* kernel, OrtKernelContext*) noexcept nogil
        OrtStatus* (*InferOutputShapeFn)(const OrtCustomOp*, OrtShapeInferContext*) noexcept nogil
        int (*GetStartVersion)(const OrtCustomOp*) noexcept nogil
        int (*GetEndVersion)(const OrtCustomOp*) noexcept nogil
        size_t (*GetMayInplace)(int** inputs, int** outputs) noexcept nogil
        void (*ReleaseMayInplace)(int* inputs, int* outputs) noexcept nogil
        size_t (*GetAliasMap)(int** inputs, int** outputs) noexcept nogil
        void (*ReleaseAliasMap)(int* inputs, int* outputs) noexcept nogil
