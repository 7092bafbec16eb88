"""Which ONNX Runtime called us: its version, and what of its API we may use."""

from libc.stdlib cimport strtol

from ort.onnxruntime_abi cimport *
from ort.onnxruntime_ep_abi cimport *

cdef enum:
    NEWEST_API_VERSION = 24  # whose functions we use where they are there
    MIN_PROVIDER_VERSION = 23

cdef struct Runtime:
    const OrtApi* api
    const OrtEpApi* ep_api  # NULL if it cannot have our provider
    const char* version_string
    int version  # the minor one, which is the newest API that it speaks


cdef inline const char* after_dot(const char* text) noexcept nogil:
    while text[0] != 0 and text[0] != c".":
        text += 1
    return text + 1 if text[0] == c"." else text


cdef inline int minor_version(const OrtApiBase* base) noexcept nogil:
    return <int>strtol(after_dot(base.GetVersionString()), NULL, 10)


cdef inline bint has_provider(const OrtApiBase* base) noexcept nogil:
    """Tell whether this is 1.23.1 or later: 1.23.0 copies the inputs of every provider of this kind
    by an operator that no CPU has, and fails."""
    cdef int version = minor_version(base)
    if version != MIN_PROVIDER_VERSION:
        return version > MIN_PROVIDER_VERSION
    return strtol(after_dot(after_dot(base.GetVersionString())), NULL, 10) > 0


cdef inline void find_runtime(const OrtApiBase* base, Runtime* out) noexcept nogil:
    """Fill in what is known of a runtime of version ORT_API_VERSION or later."""
    out.version_string = base.GetVersionString()
    out.version = minor_version(base)
    out.api = base.GetApi(min(out.version, <int>NEWEST_API_VERSION))
    out.ep_api = out.api.GetEpApi() if has_provider(base) else NULL
