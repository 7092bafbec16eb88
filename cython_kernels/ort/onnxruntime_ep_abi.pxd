"""Names of onnxruntime_ep_abi.h, where the layout is declared."""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t

from ort.onnxruntime_abi cimport *

cdef extern from "ort/onnxruntime_ep_abi.h" nogil:
    enum:
        ORT_EP_LAYOUT

    ctypedef struct OrtEp
    ctypedef struct OrtEpFactory
    ctypedef struct OrtNodeComputeInfo
    ctypedef struct OrtEpGraphSupportInfo:
        pass
    ctypedef struct OrtNodeComputeContext:
        pass

    ctypedef struct OrtNodeFusionOptions:
        uint32_t ort_version_supported
        cbool drop_constant_initializers

    ctypedef struct OrtEpApi:
        OrtStatus* (*CreateEpDevice)(
            OrtEpFactory*, const OrtHardwareDevice*, const OrtKeyValuePairs* metadata,
            const OrtKeyValuePairs* options, OrtEpDevice** out) noexcept nogil
        OrtStatus* (*EpGraphSupportInfo_AddNodesToFuse)(
            OrtEpGraphSupportInfo*, const OrtNode* const*, size_t count,
            const OrtNodeFusionOptions*) noexcept nogil
        OrtStatus* (*GetEnvConfigEntries)(OrtKeyValuePairs** out) noexcept nogil

    ctypedef struct OrtEpFactory:
        uint32_t ort_version_supported
        const char* (*GetName)(const OrtEpFactory*) noexcept nogil
        const char* (*GetVendor)(const OrtEpFactory*) noexcept nogil
        OrtStatus* (*GetSupportedDevices)(
            OrtEpFactory*, const OrtHardwareDevice* const* devices, size_t count, OrtEpDevice** out,
            size_t most, size_t* out_count) noexcept nogil
        OrtStatus* (*CreateEp)(
            OrtEpFactory*, const OrtHardwareDevice* const* devices,
            const OrtKeyValuePairs* const* metadata, size_t count, const OrtSessionOptions*,
            const OrtLogger*, OrtEp** out) noexcept nogil
        void (*ReleaseEp)(OrtEpFactory*, OrtEp*) noexcept nogil
        uint32_t (*GetVendorId)(const OrtEpFactory*) noexcept nogil
        const char* (*GetVersion)(const OrtEpFactory*) noexcept nogil
        OrtStatus* (*CreateAllocator)(
            OrtEpFactory*, const OrtMemoryInfo*, const OrtKeyValuePairs*,
            OrtAllocator** out) noexcept nogil
        void (*ReleaseAllocator)(OrtEpFactory*, OrtAllocator*) noexcept nogil
        OrtStatus* (*CreateDataTransfer)(OrtEpFactory*, void** out) noexcept nogil
        cbool (*IsStreamAware)(const OrtEpFactory*) noexcept nogil
        OrtStatus* (*GetNumCustomOpDomains)(OrtEpFactory*, size_t* out) noexcept nogil
        OrtStatus* (*GetCustomOpDomains)(
            OrtEpFactory*, OrtCustomOpDomain** out, size_t count) noexcept nogil

    ctypedef struct OrtEp:
        uint32_t ort_version_supported
        const char* (*GetName)(const OrtEp*) noexcept nogil
        OrtStatus* (*GetCapability)(
            OrtEp*, const OrtGraph*, OrtEpGraphSupportInfo*) noexcept nogil
        OrtStatus* (*Compile)(
            OrtEp*, const OrtGraph** graphs, const OrtNode** fused_nodes, size_t count,
            OrtNodeComputeInfo** out, OrtNode** context_nodes) noexcept nogil
        void (*ReleaseNodeComputeInfos)(
            OrtEp*, OrtNodeComputeInfo**, size_t count) noexcept nogil

    ctypedef struct OrtNodeComputeInfo:
        uint32_t ort_version_supported
        OrtStatus* (*CreateState)(
            OrtNodeComputeInfo*, OrtNodeComputeContext*, void** state) noexcept nogil
        OrtStatus* (*Compute)(OrtNodeComputeInfo*, void* state, OrtKernelContext*) noexcept nogil
        void (*ReleaseState)(OrtNodeComputeInfo*, void* state) noexcept nogil
