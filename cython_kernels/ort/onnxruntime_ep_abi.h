/* The slice of ONNX Runtime's ABI by which a library is an execution provider: structures of
 * callbacks that the library fills in, and the functions that only providers call.
 *
 * The runtime reads a newer member only if `ort_version_supported` is as new, and skips it where it
 * is NULL; a structure may claim more than the runtime knows. So one layout, that of API 24, serves
 * all. Numbers in comments are positions; tests/native/test_abi.c checks them. */
#ifndef ORT_SPARSE_ONNXRUNTIME_EP_ABI_H
#define ORT_SPARSE_ONNXRUNTIME_EP_ABI_H

#include "ort/onnxruntime_abi.h"

enum { ORT_EP_LAYOUT = 24 };

typedef struct OrtEp OrtEp;
typedef struct OrtEpFactory OrtEpFactory;
typedef struct OrtEpGraphSupportInfo OrtEpGraphSupportInfo;
typedef struct OrtNodeComputeContext OrtNodeComputeContext;
typedef struct OrtNodeComputeInfo OrtNodeComputeInfo;

typedef struct OrtNodeFusionOptions {
    uint32_t ort_version_supported;
    bool drop_constant_initializers; /* the fused node shall not have constants as inputs */
} OrtNodeFusionOptions;

struct OrtEpApi {
    OrtStatus* (*CreateEpDevice)(OrtEpFactory*, const OrtHardwareDevice*,
                                 const OrtKeyValuePairs* metadata, const OrtKeyValuePairs* options,
                                 OrtEpDevice** out); /* 0 */
    void* gap_1;
    OrtStatus* (*EpGraphSupportInfo_AddNodesToFuse)(OrtEpGraphSupportInfo*, const OrtNode* const*,
                                                    size_t count,
                                                    const OrtNodeFusionOptions*); /* 2 */
    void* gap_3[46];
    OrtStatus* (*GetEnvConfigEntries)(OrtKeyValuePairs** out); /* 49, since API 24 */
};

struct OrtEpFactory {
    uint32_t ort_version_supported;
    const char* (*GetName)(const OrtEpFactory*);   /* 1 */
    const char* (*GetVendor)(const OrtEpFactory*); /* 2 */
    OrtStatus* (*GetSupportedDevices)(OrtEpFactory*, const OrtHardwareDevice* const* devices,
                                      size_t count, OrtEpDevice** out, size_t most,
                                      size_t* out_count); /* 3 */
    OrtStatus* (*CreateEp)(OrtEpFactory*, const OrtHardwareDevice* const* devices,
                           const OrtKeyValuePairs* const* metadata, size_t count,
                           const OrtSessionOptions*, const OrtLogger*, OrtEp** out); /* 4 */
    void (*ReleaseEp)(OrtEpFactory*, OrtEp*);                                        /* 5 */
    uint32_t (*GetVendorId)(const OrtEpFactory*);                                    /* 6 */
    const char* (*GetVersion)(const OrtEpFactory*);                                  /* 7 */
    void* ValidateCompiledModelCompatibilityInfo;                                    /* 8 */
    OrtStatus* (*CreateAllocator)(OrtEpFactory*, const OrtMemoryInfo*, const OrtKeyValuePairs*,
                                  OrtAllocator** out);                                      /* 9 */
    void (*ReleaseAllocator)(OrtEpFactory*, OrtAllocator*);                                 /* 10 */
    OrtStatus* (*CreateDataTransfer)(OrtEpFactory*, void** out);                            /* 11 */
    bool (*IsStreamAware)(const OrtEpFactory*);                                             /* 12 */
    void* CreateSyncStreamForDevice;                                                        /* 13 */
    void* GetHardwareDeviceIncompatibilityDetails;                                          /* 14 */
    void* CreateExternalResourceImporterForDevice;                                          /* 15 */
    OrtStatus* (*GetNumCustomOpDomains)(OrtEpFactory*, size_t* out);                        /* 16 */
    OrtStatus* (*GetCustomOpDomains)(OrtEpFactory*, OrtCustomOpDomain** out, size_t count); /* 17 */
};

struct OrtEp {
    uint32_t ort_version_supported;
    const char* (*GetName)(const OrtEp*);                                         /* 1 */
    OrtStatus* (*GetCapability)(OrtEp*, const OrtGraph*, OrtEpGraphSupportInfo*); /* 2 */
    OrtStatus* (*Compile)(OrtEp*, const OrtGraph** graphs, const OrtNode** fused_nodes,
                          size_t count, OrtNodeComputeInfo** out, OrtNode** context_nodes); /* 3 */
    void (*ReleaseNodeComputeInfos)(OrtEp*, OrtNodeComputeInfo**, size_t count);            /* 4 */
    void* since_23[8]; /* layouts, options, start and end of runs, allocators, compatibility */
    void* since_24[2]; /* kernels, concurrent runs */
};

/* A compiled node. */
struct OrtNodeComputeInfo {
    uint32_t ort_version_supported;
    OrtStatus* (*CreateState)(OrtNodeComputeInfo*, OrtNodeComputeContext*, void** state); /* 1 */
    OrtStatus* (*Compute)(OrtNodeComputeInfo*, void* state, OrtKernelContext*);           /* 2 */
    void (*ReleaseState)(OrtNodeComputeInfo*, void* state);                               /* 3 */
};

#endif
