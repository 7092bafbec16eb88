/* The slice of ONNX Runtime's C API that this project uses, written by hand: the Python wheel of
 * onnxruntime has no headers, and an application may run on any version. It serves the library, the
 * example in C and the stand-in of our tests.
 *
 * OrtApi is an append-only table of function pointers: a slot, once shipped, never moves, so gaps
 * are padding. Names are the official ones, numbers in comments are slots (tests/native/test_abi.c
 * checks them), and every function returns an OrtStatus*, NULL for success, unless it cannot fail.
 * The floor is API 17 (onnxruntime 1.17), where shape inference and the session's thread pool
 * became available to custom ops. What only execution providers use is in onnxruntime_ep_abi.h. */
#ifndef ORT_SPARSE_ONNXRUNTIME_ABI_H
#define ORT_SPARSE_ONNXRUNTIME_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORT_API_VERSION 17

enum { ORT_FAIL = 1, ORT_INVALID_ARGUMENT = 2, ORT_NOT_IMPLEMENTED = 9 };
enum { ORT_LOGGING_LEVEL_WARNING = 2 };
enum { OrtArenaAllocator = 1, OrtMemTypeDefault = 0 };
enum {
    ORT_OP_ATTR_INT = 1,
    ORT_OP_ATTR_INTS = 2,
    ORT_OP_ATTR_FLOAT = 3,
    ORT_OP_ATTR_FLOATS = 4,
    ORT_OP_ATTR_STRING = 5,
};
enum { OrtHardwareDeviceType_CPU = 0 };
enum { INPUT_OUTPUT_REQUIRED = 0, INPUT_OUTPUT_OPTIONAL = 1 };
enum {
    ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED = 0, /* of a custom op's input: any type */
    ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT = 1,
};

typedef struct OrtStatus OrtStatus;
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtCustomOpDomain OrtCustomOpDomain;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtValue OrtValue;
typedef struct OrtKernelInfo OrtKernelInfo;
typedef struct OrtKernelContext OrtKernelContext;
typedef struct OrtShapeInferContext OrtShapeInferContext;
typedef struct OrtOpAttr OrtOpAttr;
typedef struct OrtCustomOp OrtCustomOp;
typedef struct OrtLogger OrtLogger;
typedef struct OrtKeyValuePairs OrtKeyValuePairs;
typedef struct OrtHardwareDevice OrtHardwareDevice;
typedef struct OrtEpDevice OrtEpDevice;
typedef struct OrtEpApi OrtEpApi;
typedef struct OrtGraph OrtGraph;
typedef struct OrtNode OrtNode;
typedef struct OrtValueInfo OrtValueInfo;

/* Chooses the devices of a session: writes up to `most` of them to `selected`, and how many. */
typedef OrtStatus* (*EpSelectionDelegate)(const OrtEpDevice** devices, size_t count,
                                          const OrtKeyValuePairs* model,
                                          const OrtKeyValuePairs* runtime,
                                          const OrtEpDevice** selected, size_t most,
                                          size_t* selected_count, void* state);

typedef struct OrtApi {
    OrtStatus* (*CreateStatus)(int code, const char* message); /* 0 */
    void* gap_1;
    const char* (*GetErrorMessage)(const OrtStatus*);                       /* 2 */
    OrtStatus* (*CreateEnv)(int level, const char* log_name, OrtEnv** out); /* 3 */
    void* gap_4[3];
    OrtStatus* (*CreateSession)(const OrtEnv*, const char* path, const OrtSessionOptions*,
                                OrtSession** out); /* 7 */
    void* gap_8;
    OrtStatus* (*Run)(OrtSession*, const OrtRunOptions*, const char* const* input_names,
                      const OrtValue* const* inputs, size_t input_count,
                      const char* const* output_names, size_t output_count,
                      OrtValue** outputs);                       /* 9 */
    OrtStatus* (*CreateSessionOptions)(OrtSessionOptions** out); /* 10 */
    void* gap_11[15];
    OrtStatus* (*CreateCustomOpDomain)(const char* domain, OrtCustomOpDomain** out); /* 26 */
    OrtStatus* (*CustomOpDomain_Add)(OrtCustomOpDomain*, const OrtCustomOp*);        /* 27 */
    OrtStatus* (*AddCustomOpDomain)(OrtSessionOptions*, OrtCustomOpDomain*);         /* 28 */
    void* gap_29[4];
    OrtStatus* (*SessionGetInputTypeInfo)(const OrtSession*, size_t index,
                                          OrtTypeInfo** out); /* 33 */
    void* gap_34[2];
    OrtStatus* (*SessionGetInputName)(const OrtSession*, size_t index, OrtAllocator*,
                                      char** out); /* 36 */
    OrtStatus* (*SessionGetOutputName)(const OrtSession*, size_t index, OrtAllocator*,
                                       char** out); /* 37 */
    void* gap_38[11];
    OrtStatus* (*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo*, void* data, size_t bytes,
                                                 const int64_t* dims, size_t rank, int type,
                                                 OrtValue** out); /* 49 */
    void* gap_50;
    OrtStatus* (*GetTensorMutableData)(OrtValue*, void** out); /* 51 */
    void* gap_52[3];
    OrtStatus* (*CastTypeInfoToTensorInfo)(const OrtTypeInfo*,
                                           const OrtTensorTypeAndShapeInfo** out); /* 55 */
    void* gap_56;
    OrtStatus* (*CreateTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo** out); /* 57 */
    OrtStatus* (*SetTensorElementType)(OrtTensorTypeAndShapeInfo*, int type);    /* 58 */
    OrtStatus* (*SetDimensions)(OrtTensorTypeAndShapeInfo*, const int64_t* dims,
                                size_t rank);                                        /* 59 */
    OrtStatus* (*GetTensorElementType)(const OrtTensorTypeAndShapeInfo*, int* out);  /* 60 */
    OrtStatus* (*GetDimensionsCount)(const OrtTensorTypeAndShapeInfo*, size_t* out); /* 61 */
    OrtStatus* (*GetDimensions)(const OrtTensorTypeAndShapeInfo*, int64_t* dims,
                                size_t rank); /* 62 */
    OrtStatus* (*GetSymbolicDimensions)(const OrtTensorTypeAndShapeInfo*, const char** names,
                                        size_t rank); /* 63 */
    OrtStatus* (*GetTensorShapeElementCount)(const OrtTensorTypeAndShapeInfo*,
                                             size_t* out);                                 /* 64 */
    OrtStatus* (*GetTensorTypeAndShape)(const OrtValue*, OrtTensorTypeAndShapeInfo** out); /* 65 */
    void* gap_66[3];
    OrtStatus* (*CreateCpuMemoryInfo)(int allocator_type, int memory_type,
                                      OrtMemoryInfo** out); /* 69 */
    void* gap_70[5];
    OrtStatus* (*AllocatorAlloc)(OrtAllocator*, size_t bytes, void** out); /* 75 */
    OrtStatus* (*AllocatorFree)(OrtAllocator*, void*);                     /* 76 */
    void* gap_77;
    OrtStatus* (*GetAllocatorWithDefaultOptions)(OrtAllocator** out); /* 78 */
    void* gap_79[6];
    OrtStatus* (*KernelInfoGetAttribute_float)(const OrtKernelInfo*, const char* name,
                                               float* out); /* 85 */
    OrtStatus* (*KernelInfoGetAttribute_int64)(const OrtKernelInfo*, const char* name,
                                               int64_t* out); /* 86 */
    OrtStatus* (*KernelInfoGetAttribute_string)(const OrtKernelInfo*, const char* name, char* out,
                                                size_t* size); /* 87 */
    void* gap_88[2];
    OrtStatus* (*KernelContext_GetInput)(const OrtKernelContext*, size_t index,
                                         const OrtValue** out); /* 90 */
    OrtStatus* (*KernelContext_GetOutput)(OrtKernelContext*, size_t index, const int64_t* dims,
                                          size_t rank, OrtValue** out); /* 91 */
    void (*ReleaseEnv)(OrtEnv*);                                        /* 92 */
    void (*ReleaseStatus)(OrtStatus*);                                  /* 93 */
    void (*ReleaseMemoryInfo)(OrtMemoryInfo*);                          /* 94 */
    void (*ReleaseSession)(OrtSession*);                                /* 95 */
    void (*ReleaseValue)(OrtValue*);                                    /* 96 */
    void* gap_97;
    void (*ReleaseTypeInfo)(OrtTypeInfo*);                             /* 98 */
    void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo*); /* 99 */
    void (*ReleaseSessionOptions)(OrtSessionOptions*);                 /* 100 */
    void (*ReleaseCustomOpDomain)(OrtCustomOpDomain*);                 /* 101 */
    void* gap_102[23];
    OrtStatus* (*GetAvailableProviders)(char*** names, int* count);   /* 125 */
    OrtStatus* (*ReleaseAvailableProviders)(char** names, int count); /* 126 */
    void* gap_127[3];
    OrtStatus* (*AddSessionConfigEntry)(OrtSessionOptions*, const char* key,
                                        const char* value); /* 130 */
    void* gap_131;
    void (*ReleaseAllocator)(OrtAllocator*); /* 132 */
    void* gap_133[29];
    OrtStatus* (*KernelInfoGetAttributeArray_float)(const OrtKernelInfo*, const char* name,
                                                    float* out, size_t* count); /* 162 */
    OrtStatus* (*KernelInfoGetAttributeArray_int64)(const OrtKernelInfo*, const char* name,
                                                    int64_t* out, size_t* count); /* 163 */
    void* gap_164[64];
    OrtStatus* (*RegisterCustomOpsLibrary_V2)(OrtSessionOptions*, const char* path); /* 228 */
    void* gap_229;
    OrtStatus* (*KernelInfo_GetInputCount)(const OrtKernelInfo*, size_t* out); /* 230 */
    void* gap_231;
    OrtStatus* (*KernelInfo_GetInputName)(const OrtKernelInfo*, size_t index, char* out,
                                          size_t* size); /* 232 */
    void* gap_233;
    OrtStatus* (*KernelInfo_GetInputTypeInfo)(const OrtKernelInfo*, size_t index,
                                              OrtTypeInfo** out); /* 234 */
    void* gap_235[2];
    OrtStatus* (*HasSessionConfigEntry)(const OrtSessionOptions*, const char* key,
                                        int* out); /* 237 */
    OrtStatus* (*GetSessionConfigEntry)(const OrtSessionOptions*, const char* key, char* value,
                                        size_t* size); /* 238 */
    void* gap_239[5];
    OrtStatus* (*KernelInfo_GetNodeName)(const OrtKernelInfo*, char* out, size_t* size); /* 244 */
    void* gap_245[2];
    OrtStatus* (*Logger_LogMessage)(const OrtLogger*, int level, const char* message,
                                    const char* file, int line, const char* function); /* 247 */
    void* gap_248;
    OrtStatus* (*KernelInfoGetConstantInput_tensor)(const OrtKernelInfo*, size_t index,
                                                    int* is_constant,
                                                    const OrtValue** out); /* 249 */
    void* gap_250[3];
    OrtStatus* (*KernelContext_GetAllocator)(const OrtKernelContext*, const OrtMemoryInfo*,
                                             OrtAllocator** out); /* 253 */
    void* gap_254[14];
    OrtStatus* (*ShapeInferContext_GetInputTypeShape)(const OrtShapeInferContext*, size_t index,
                                                      OrtTensorTypeAndShapeInfo** out); /* 268 */
    OrtStatus* (*ShapeInferContext_GetAttribute)(const OrtShapeInferContext*, const char* name,
                                                 const OrtOpAttr** out); /* 269 */
    OrtStatus* (*ShapeInferContext_SetOutputTypeShape)(const OrtShapeInferContext*, size_t index,
                                                       const OrtTensorTypeAndShapeInfo*); /* 270 */
    OrtStatus* (*SetSymbolicDimensions)(OrtTensorTypeAndShapeInfo*, const char** names,
                                        size_t rank); /* 271 */
    OrtStatus* (*ReadOpAttr)(const OrtOpAttr*, int type, void* data, size_t size,
                             size_t* out); /* 272 */
    void* gap_273;
    OrtStatus* (*KernelContext_ParallelFor)(const OrtKernelContext*, void (*task)(void*, size_t),
                                            size_t total, size_t batches, void* data); /* 274 */
    void* gap_275[14];

    /* Since API 22. */
    OrtStatus* (*GetValueInfoName)(const OrtValueInfo*, const char** out);            /* 289 */
    OrtStatus* (*GetValueInfoTypeInfo)(const OrtValueInfo*, const OrtTypeInfo** out); /* 290 */
    void* gap_291[4];
    void (*CreateKeyValuePairs)(OrtKeyValuePairs** out);                            /* 295 */
    void (*AddKeyValuePair)(OrtKeyValuePairs*, const char* key, const char* value); /* 296 */
    void* gap_297[3];
    void (*ReleaseKeyValuePairs)(OrtKeyValuePairs*); /* 300 */
    OrtStatus* (*RegisterExecutionProviderLibrary)(OrtEnv*, const char* name,
                                                   const char* path);            /* 301 */
    OrtStatus* (*UnregisterExecutionProviderLibrary)(OrtEnv*, const char* name); /* 302 */
    OrtStatus* (*GetEpDevices)(const OrtEnv*, const OrtEpDevice* const** out,
                               size_t* count); /* 303 */
    OrtStatus* (*SessionOptionsAppendExecutionProvider_V2)(OrtSessionOptions*, OrtEnv*,
                                                           const OrtEpDevice* const* devices,
                                                           size_t device_count,
                                                           const char* const* option_keys,
                                                           const char* const* option_values,
                                                           size_t option_count); /* 304 */
    void* gap_305;
    OrtStatus* (*SessionOptionsSetEpSelectionPolicyDelegate)(OrtSessionOptions*,
                                                             EpSelectionDelegate,
                                                             void* state); /* 306 */
    int (*HardwareDevice_Type)(const OrtHardwareDevice*);                  /* 307 */
    void* gap_308[4];
    const char* (*EpDevice_EpName)(const OrtEpDevice*); /* 312 */
    void* gap_313[4];
    const OrtEpApi* (*GetEpApi)(void); /* 317 */
    void* gap_318[8];

    /* Since API 23. What they return is borrowed from the graph; arrays are the caller's. */
    OrtStatus* (*ValueInfo_GetInitializerValue)(const OrtValueInfo*,
                                                const OrtValue** out); /* 326 */
    void* gap_327[3];
    OrtStatus* (*ValueInfo_IsGraphOutput)(const OrtValueInfo*, bool* out);         /* 330 */
    OrtStatus* (*ValueInfo_IsConstantInitializer)(const OrtValueInfo*, bool* out); /* 331 */
    OrtStatus* (*ValueInfo_IsFromOuterScope)(const OrtValueInfo*, bool* out);      /* 332 */
    OrtStatus* (*Graph_GetName)(const OrtGraph*, const char** out);                /* 333 */
    void* gap_334[10];
    OrtStatus* (*Graph_GetNumNodes)(const OrtGraph*, size_t* out);                    /* 344 */
    OrtStatus* (*Graph_GetNodes)(const OrtGraph*, const OrtNode** out, size_t count); /* 345 */
    void* gap_346[3];
    OrtStatus* (*Node_GetName)(const OrtNode*, const char** out);                          /* 349 */
    OrtStatus* (*Node_GetOperatorType)(const OrtNode*, const char** out);                  /* 350 */
    OrtStatus* (*Node_GetDomain)(const OrtNode*, const char** out);                        /* 351 */
    OrtStatus* (*Node_GetSinceVersion)(const OrtNode*, int* out);                          /* 352 */
    OrtStatus* (*Node_GetNumInputs)(const OrtNode*, size_t* out);                          /* 353 */
    OrtStatus* (*Node_GetInputs)(const OrtNode*, const OrtValueInfo** out, size_t count);  /* 354 */
    OrtStatus* (*Node_GetNumOutputs)(const OrtNode*, size_t* out);                         /* 355 */
    OrtStatus* (*Node_GetOutputs)(const OrtNode*, const OrtValueInfo** out, size_t count); /* 356 */
    OrtStatus* (*Node_GetNumImplicitInputs)(const OrtNode*, size_t* out);                  /* 357 */
    OrtStatus* (*Node_GetImplicitInputs)(const OrtNode*, const OrtValueInfo** out,
                                         size_t count);                                    /* 358 */
    OrtStatus* (*Node_GetNumAttributes)(const OrtNode*, size_t* out);                      /* 359 */
    OrtStatus* (*Node_GetAttributes)(const OrtNode*, const OrtOpAttr** out, size_t count); /* 360 */
    void* gap_361[2];
    OrtStatus* (*OpAttr_GetType)(const OrtOpAttr*, int* out);         /* 363 */
    OrtStatus* (*OpAttr_GetName)(const OrtOpAttr*, const char** out); /* 364 */
    OrtStatus* (*Node_GetNumSubgraphs)(const OrtNode*, size_t* out);  /* 365 */
    void* gap_366[2];
    OrtStatus* (*Node_GetEpName)(const OrtNode*, const char** out); /* 368 */
    void* gap_369[21];

    /* Since API 24. */
    bool (*TensorTypeAndShape_HasShape)(const OrtTensorTypeAndShapeInfo*); /* 390 */
} OrtApi;

typedef struct OrtApiBase {
    const OrtApi* (*GetApi)(uint32_t version); /* prints, and returns NULL, if it is too new */
    const char* (*GetVersionString)(void);
} OrtApiBase;

const OrtApiBase* OrtGetApiBase(void);

/* The callbacks that the runtime calls, in the layout of API 18; it reads as many as `version`
 * says, which must not be newer than the runtime. */
struct OrtCustomOp {
    uint32_t version;
    void* CreateKernel; /* CreateKernelV2 replaces it */
    const char* (*GetName)(const OrtCustomOp*);
    const char* (*GetExecutionProviderType)(const OrtCustomOp*);
    int (*GetInputType)(const OrtCustomOp*, size_t);
    size_t (*GetInputTypeCount)(const OrtCustomOp*);
    int (*GetOutputType)(const OrtCustomOp*, size_t);
    size_t (*GetOutputTypeCount)(const OrtCustomOp*);
    void* KernelCompute; /* KernelComputeV2 replaces it */
    void (*KernelDestroy)(void* kernel);
    int (*GetInputCharacteristic)(const OrtCustomOp*, size_t);
    int (*GetOutputCharacteristic)(const OrtCustomOp*, size_t);
    int (*GetInputMemoryType)(const OrtCustomOp*, size_t);
    int (*GetVariadicInputMinArity)(const OrtCustomOp*);
    int (*GetVariadicInputHomogeneity)(const OrtCustomOp*);
    int (*GetVariadicOutputMinArity)(const OrtCustomOp*);
    int (*GetVariadicOutputHomogeneity)(const OrtCustomOp*);
    OrtStatus* (*CreateKernelV2)(const OrtCustomOp*, const OrtApi*, const OrtKernelInfo*,
                                 void** kernel);
    OrtStatus* (*KernelComputeV2)(void* kernel, OrtKernelContext*);
    OrtStatus* (*InferOutputShapeFn)(const OrtCustomOp*, OrtShapeInferContext*);
    int (*GetStartVersion)(const OrtCustomOp*);
    int (*GetEndVersion)(const OrtCustomOp*);
    size_t (*GetMayInplace)(int** inputs, int** outputs);
    void (*ReleaseMayInplace)(int* inputs, int* outputs);
    size_t (*GetAliasMap)(int** inputs, int** outputs);
    void (*ReleaseAliasMap)(int* inputs, int* outputs);
};

#endif
