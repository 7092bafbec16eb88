"""The slice of ONNX Runtime's C ABI that the custom op needs.

`OrtApi` is an append-only table of function pointers: a slot, once shipped, never moves, so the
gaps are declared as padding. Numbers in comments are slots. The floor is API 17 (onnxruntime
1.17), where shape inference and the session's thread pool became available to custom ops.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t

cdef enum:
    MIN_API_VERSION = 17
    # Older runtimes crash before they infer the shape of a node without an optional input that is not
    # its last one (seen on 1.17 to 1.23); there, shapes come from the model's own value_info.
    MIN_SHAPE_INFERENCE_VERSION = 24
    MAX_CUSTOM_OP_VERSION = 18  # the newest layout of OrtCustomOp that is declared below

cdef enum OrtErrorCode:
    ORT_FAIL = 1
    ORT_INVALID_ARGUMENT = 2
    ORT_NOT_IMPLEMENTED = 9

cdef enum OrtElementType:
    ORT_UNDEFINED = 0
    ORT_FLOAT = 1
    ORT_UINT8 = 2
    ORT_UINT16 = 4
    ORT_INT32 = 6
    ORT_FLOAT16 = 10

cdef enum OrtOpAttrType:
    ORT_ATTR_INT = 1
    ORT_ATTR_INTS = 2

cdef enum OrtCharacteristic:
    ORT_REQUIRED = 0
    ORT_OPTIONAL = 1

# Opaque: only pointers to them are passed on.
cdef struct OrtStatus:
    char opaque
cdef struct OrtSessionOptions:
    char opaque
cdef struct OrtCustomOpDomain:
    char opaque
cdef struct OrtKernelInfo:
    char opaque
cdef struct OrtKernelContext:
    char opaque
cdef struct OrtShapeInferContext:
    char opaque
cdef struct OrtOpAttr:
    char opaque
cdef struct OrtValue:
    char opaque
cdef struct OrtTypeInfo:
    char opaque
cdef struct OrtTensorTypeAndShapeInfo:
    char opaque

cdef struct OrtCustomOp  # below

ctypedef OrtStatus* StatusPtr

cdef struct OrtApi:
    StatusPtr (*CreateStatus)(int code, const char* message) noexcept nogil  # 0
    void* gap_1[25]
    StatusPtr (*CreateCustomOpDomain)(const char* domain, OrtCustomOpDomain** out) noexcept nogil  # 26
    StatusPtr (*CustomOpDomain_Add)(OrtCustomOpDomain* domain, const OrtCustomOp* op) noexcept nogil  # 27
    StatusPtr (*AddCustomOpDomain)(OrtSessionOptions* options, OrtCustomOpDomain* domain) noexcept nogil  # 28
    void* gap_29[22]
    StatusPtr (*GetTensorMutableData)(OrtValue* value, void** out) noexcept nogil  # 51
    void* gap_52[3]
    StatusPtr (*CastTypeInfoToTensorInfo)(const OrtTypeInfo* info, const OrtTensorTypeAndShapeInfo** out) noexcept nogil  # 55
    void* gap_56
    StatusPtr (*CreateTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo** out) noexcept nogil  # 57
    StatusPtr (*SetTensorElementType)(OrtTensorTypeAndShapeInfo* info, int kind) noexcept nogil  # 58
    StatusPtr (*SetDimensions)(OrtTensorTypeAndShapeInfo* info, const int64_t* dims, size_t count) noexcept nogil  # 59
    StatusPtr (*GetTensorElementType)(const OrtTensorTypeAndShapeInfo* info, int* out) noexcept nogil  # 60
    StatusPtr (*GetDimensionsCount)(const OrtTensorTypeAndShapeInfo* info, size_t* out) noexcept nogil  # 61
    StatusPtr (*GetDimensions)(const OrtTensorTypeAndShapeInfo* info, int64_t* dims, size_t count) noexcept nogil  # 62
    StatusPtr (*GetSymbolicDimensions)(const OrtTensorTypeAndShapeInfo* info, const char** names, size_t count) noexcept nogil  # 63
    void* gap_64
    StatusPtr (*GetTensorTypeAndShape)(const OrtValue* value, OrtTensorTypeAndShapeInfo** out) noexcept nogil  # 65
    void* gap_66[19]
    StatusPtr (*KernelInfoGetAttribute_float)(const OrtKernelInfo* info, const char* name, float* out) noexcept nogil  # 85
    StatusPtr (*KernelInfoGetAttribute_int64)(const OrtKernelInfo* info, const char* name, int64_t* out) noexcept nogil  # 86
    StatusPtr (*KernelInfoGetAttribute_string)(const OrtKernelInfo* info, const char* name, char* out, size_t* size) noexcept nogil  # 87
    void* gap_88[2]
    StatusPtr (*KernelContext_GetInput)(const OrtKernelContext* context, size_t index, const OrtValue** out) noexcept nogil  # 90
    StatusPtr (*KernelContext_GetOutput)(OrtKernelContext* context, size_t index, const int64_t* dims, size_t count, OrtValue** out) noexcept nogil  # 91
    void* gap_92
    void (*ReleaseStatus)(OrtStatus* status) noexcept nogil  # 93
    void* gap_94[4]
    void (*ReleaseTypeInfo)(OrtTypeInfo* info) noexcept nogil  # 98
    void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo* info) noexcept nogil  # 99
    void* gap_100
    void (*ReleaseCustomOpDomain)(OrtCustomOpDomain* domain) noexcept nogil  # 101
    void* gap_102[28]
    StatusPtr (*AddSessionConfigEntry)(OrtSessionOptions* options, const char* key, const char* value) noexcept nogil  # 130
    void* gap_131[31]
    StatusPtr (*KernelInfoGetAttributeArray_float)(const OrtKernelInfo* info, const char* name, float* out, size_t* count) noexcept nogil  # 162
    StatusPtr (*KernelInfoGetAttributeArray_int64)(const OrtKernelInfo* info, const char* name, int64_t* out, size_t* count) noexcept nogil  # 163
    void* gap_164[66]
    StatusPtr (*KernelInfo_GetInputCount)(const OrtKernelInfo* info, size_t* out) noexcept nogil  # 230
    void* gap_231
    StatusPtr (*KernelInfo_GetInputName)(const OrtKernelInfo* info, size_t index, char* out, size_t* size) noexcept nogil  # 232
    void* gap_233
    StatusPtr (*KernelInfo_GetInputTypeInfo)(const OrtKernelInfo* info, size_t index, OrtTypeInfo** out) noexcept nogil  # 234
    void* gap_235[2]
    StatusPtr (*HasSessionConfigEntry)(const OrtSessionOptions* options, const char* key, int* out) noexcept nogil  # 237
    StatusPtr (*GetSessionConfigEntry)(const OrtSessionOptions* options, const char* key, char* value, size_t* size) noexcept nogil  # 238
    void* gap_239[5]
    StatusPtr (*KernelInfo_GetNodeName)(const OrtKernelInfo* info, char* out, size_t* size) noexcept nogil  # 244
    void* gap_245[4]
    StatusPtr (*KernelInfoGetConstantInput_tensor)(const OrtKernelInfo* info, size_t index, int* is_constant, const OrtValue** out) noexcept nogil  # 249
    void* gap_250[18]
    StatusPtr (*ShapeInferContext_GetInputTypeShape)(const OrtShapeInferContext* context, size_t index, OrtTensorTypeAndShapeInfo** out) noexcept nogil  # 268
    StatusPtr (*ShapeInferContext_GetAttribute)(const OrtShapeInferContext* context, const char* name, const OrtOpAttr** out) noexcept nogil  # 269
    StatusPtr (*ShapeInferContext_SetOutputTypeShape)(const OrtShapeInferContext* context, size_t index, const OrtTensorTypeAndShapeInfo* info) noexcept nogil  # 270
    StatusPtr (*SetSymbolicDimensions)(OrtTensorTypeAndShapeInfo* info, const char** names, size_t count) noexcept nogil  # 271
    StatusPtr (*ReadOpAttr)(const OrtOpAttr* attribute, int kind, void* data, size_t size, size_t* out) noexcept nogil  # 272
    void* gap_273
    StatusPtr (*KernelContext_ParallelFor)(const OrtKernelContext* context, void (*fn)(void*, size_t) noexcept nogil, size_t total, size_t batches, void* data) noexcept nogil  # 274

cdef struct OrtApiBase:
    const OrtApi* (*GetApi)(uint32_t version) noexcept nogil
    const char* (*GetVersionString)() noexcept nogil

# The callbacks that the runtime calls; it reads as many fields as `version` says.
cdef struct OrtCustomOp:
    uint32_t version
    void* CreateKernel
    const char* (*GetName)(const OrtCustomOp*) noexcept nogil
    const char* (*GetExecutionProviderType)(const OrtCustomOp*) noexcept nogil
    int (*GetInputType)(const OrtCustomOp*, size_t) noexcept nogil
    size_t (*GetInputTypeCount)(const OrtCustomOp*) noexcept nogil
    int (*GetOutputType)(const OrtCustomOp*, size_t) noexcept nogil
    size_t (*GetOutputTypeCount)(const OrtCustomOp*) noexcept nogil
    void* KernelCompute
    void (*KernelDestroy)(void* kernel) noexcept nogil
    int (*GetInputCharacteristic)(const OrtCustomOp*, size_t) noexcept nogil
    int (*GetOutputCharacteristic)(const OrtCustomOp*, size_t) noexcept nogil
    int (*GetInputMemoryType)(const OrtCustomOp*, size_t) noexcept nogil
    int (*GetVariadicInputMinArity)(const OrtCustomOp*) noexcept nogil
    int (*GetVariadicInputHomogeneity)(const OrtCustomOp*) noexcept nogil
    int (*GetVariadicOutputMinArity)(const OrtCustomOp*) noexcept nogil
    int (*GetVariadicOutputHomogeneity)(const OrtCustomOp*) noexcept nogil
    StatusPtr (*CreateKernelV2)(const OrtCustomOp*, const OrtApi*, const OrtKernelInfo*, void** kernel) noexcept nogil
    StatusPtr (*KernelComputeV2)(void* kernel, OrtKernelContext*) noexcept nogil
    StatusPtr (*InferOutputShapeFn)(const OrtCustomOp*, OrtShapeInferContext*) noexcept nogil
    int (*GetStartVersion)(const OrtCustomOp*) noexcept nogil
    int (*GetEndVersion)(const OrtCustomOp*) noexcept nogil
    size_t (*GetMayInplace)(int** input_index, int** output_index) noexcept nogil
    void (*ReleaseMayInplace)(int* input_index, int* output_index) noexcept nogil
    size_t (*GetAliasMap)(int** input_index, int** output_index) noexcept nogil
    void (*ReleaseAliasMap)(int* input_index, int* output_index) noexcept nogil
