/* The few declarations of ONNX Runtime's C API that run_model.c needs, for building it without the
 * official onnxruntime_c_api.h (the Python wheel of onnxruntime has none). OrtApi is an append-only
 * table of function pointers, so its gaps can be padding; member names are the official ones. */
#ifndef ONNXRUNTIME_SLICE_H
#define ONNXRUNTIME_SLICE_H

#include <stddef.h>
#include <stdint.h>

#define ORT_API_VERSION 17

typedef struct OrtStatus OrtStatus;
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtValue OrtValue;

enum { ORT_LOGGING_LEVEL_WARNING = 2 };
enum { OrtArenaAllocator = 1, OrtMemTypeDefault = 0 };
enum { ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT = 1 };

typedef struct OrtApi {
    void* gap_0[2];
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
    void* gap_11[22];
    OrtStatus* (*SessionGetInputTypeInfo)(const OrtSession*, size_t index,
                                          OrtTypeInfo** out); /* 33 */
    void* gap_34[2];
    OrtStatus* (*SessionGetInputName)(const OrtSession*, size_t index, OrtAllocator*,
                                      char** out); /* 36 */
    OrtStatus* (*SessionGetOutputName)(const OrtSession*, size_t index, OrtAllocator*,
                                       char** out); /* 37 */
    void* gap_38[11];
    OrtStatus* (*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo*, void* data, size_t bytes,
                                                 const int64_t* shape, size_t rank, int type,
                                                 OrtValue** out); /* 49 */
    void* gap_50;
    OrtStatus* (*GetTensorMutableData)(OrtValue*, void** out); /* 51 */
    void* gap_52[3];
    OrtStatus* (*CastTypeInfoToTensorInfo)(const OrtTypeInfo*,
                                           const OrtTensorTypeAndShapeInfo** out); /* 55 */
    void* gap_56[5];
    OrtStatus* (*GetDimensionsCount)(const OrtTensorTypeAndShapeInfo*, size_t* out); /* 61 */
    OrtStatus* (*GetDimensions)(const OrtTensorTypeAndShapeInfo*, int64_t* out,
                                size_t rank); /* 62 */
    void* gap_63;
    OrtStatus* (*GetTensorShapeElementCount)(const OrtTensorTypeAndShapeInfo*,
                                             size_t* out);                                 /* 64 */
    OrtStatus* (*GetTensorTypeAndShape)(const OrtValue*, OrtTensorTypeAndShapeInfo** out); /* 65 */
    void* gap_66[3];
    OrtStatus* (*CreateCpuMemoryInfo)(int allocator_type, int memory_type,
                                      OrtMemoryInfo** out); /* 69 */
    void* gap_70[6];
    OrtStatus* (*AllocatorFree)(OrtAllocator*, void*); /* 76 */
    void* gap_77;
    OrtStatus* (*GetAllocatorWithDefaultOptions)(OrtAllocator** out); /* 78 */
    void* gap_79[13];
    void (*ReleaseEnv)(OrtEnv*); /* 92 */
    void (*ReleaseStatus)(OrtStatus*);
    void (*ReleaseMemoryInfo)(OrtMemoryInfo*);
    void (*ReleaseSession)(OrtSession*);
    void (*ReleaseValue)(OrtValue*);
    void* gap_97;
    void (*ReleaseTypeInfo)(OrtTypeInfo*); /* 98 */
    void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo*);
    void (*ReleaseSessionOptions)(OrtSessionOptions*); /* 100 */
    void* gap_101[127];
    OrtStatus* (*RegisterCustomOpsLibrary_V2)(OrtSessionOptions*, const char* path); /* 228 */
} OrtApi;

typedef struct OrtApiBase {
    const OrtApi* (*GetApi)(uint32_t version);
    const char* (*GetVersionString)(void);
} OrtApiBase;

const OrtApiBase* OrtGetApiBase(void);

#endif
