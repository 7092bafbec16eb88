"""Between our statuses and ONNX Runtime's."""

from core cimport *
from ort.onnxruntime_abi cimport *


cdef inline bint succeeded(const OrtApi* api, OrtStatus* status) noexcept nogil:
    """Tell whether a call succeeded, and release its status."""
    if status == NULL:
        return True
    api.ReleaseStatus(status)
    return False


cdef inline bint passed(const OrtApi* api, OrtStatus* status, Status* why) noexcept nogil:
    """Tell whether a call succeeded; take over what its status says, and release it."""
    if status == NULL:
        return True
    status_fail(why, STATUS_INVALID, b"%s", api.GetErrorMessage(status))
    api.ReleaseStatus(status)
    return False


cdef inline bint lacks_memory(Status* why, const char* purpose) noexcept nogil:
    return status_fail(why, STATUS_NO_MEMORY, b"not enough memory to %s", purpose)


cdef inline void log_warning(
        const OrtApi* api, const OrtLogger* logger, const Status* why) noexcept nogil:
    succeeded(api, api.Logger_LogMessage(
        logger, ORT_LOGGING_LEVEL_WARNING, why.message, b"ort_sparse", 0, b"provider"))


cdef inline OrtStatus* to_ort_status(const OrtApi* api, const Status* found) noexcept nogil:
    return api.CreateStatus(
        ORT_FAIL if found.code == STATUS_NO_MEMORY else ORT_INVALID_ARGUMENT, found.message)
