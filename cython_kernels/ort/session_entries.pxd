"""What a session's configuration asks of us, and the environment where it says nothing."""

from libc.stddef cimport size_t
from libc.stdio cimport snprintf
from libc.stdlib cimport getenv, malloc

from core cimport *
from ort.onnxruntime_abi cimport *
from ort.statuses cimport *


cdef inline OrtStatus* read_entry(
        const OrtApi* api, const OrtSessionOptions* options, const char* key, char* value,
        size_t size, int* found) noexcept nogil:
    """Read an entry; of one that is too long, say how long it is."""
    cdef size_t needed = size
    cdef OrtStatus* failure = api.HasSessionConfigEntry(options, key, found)
    value[0] = 0
    if failure != NULL or not found[0]:
        return failure
    if not succeeded(api, api.GetSessionConfigEntry(options, key, value, &needed)):
        snprintf(value, size, b"(%zu characters)", needed - 1)
    return NULL


cdef inline OrtStatus* read_long_entry(
        const OrtApi* api, const OrtSessionOptions* options, const char* key,
        char** out) noexcept nogil:
    """Read an entry of any length into memory that `free` releases; NULL where there is none."""
    cdef int found = 0
    cdef size_t size = 0
    cdef OrtStatus* failure = api.HasSessionConfigEntry(options, key, &found)
    out[0] = NULL
    if failure == NULL and found:
        failure = api.GetSessionConfigEntry(options, key, NULL, &size)
    if failure != NULL or not found:
        return failure
    out[0] = <char*>malloc(size)
    if out[0] == NULL:
        return api.CreateStatus(ORT_FAIL, b"ort_sparse: not enough memory for a session's entry")
    return api.GetSessionConfigEntry(options, key, out[0], &size)


cdef inline OrtStatus* read_threading(
        const OrtApi* api, const OrtSessionOptions* options, Threading* threads) noexcept nogil:
    cdef Status why
    cdef char value[32]
    cdef int found = 0
    cdef OrtStatus* failure = read_entry(
        api, options, b"ort_sparse.threading", value, sizeof(value), &found)
    threads[0] = THREADING_SESSION
    if failure != NULL or not found:
        return failure
    if threading_from_name(value, threads, &why) and (
            threads[0] != THREADING_OPENMP or openmp_load(&why)):
        return NULL
    status_prefix(&why, b"session configuration entry ort_sparse.threading: ")
    return to_ort_status(api, &why)


cdef inline OrtStatus* read_mode(
        const OrtApi* api, const OrtSessionOptions* options, ClaimMode* mode) noexcept nogil:
    """Read how much may be claimed: the provider's option, else the session's entry, else the
    environment."""
    cdef const char* keys[2]
    cdef Status why
    cdef char value[64]
    cdef int found = 0, i
    cdef OrtStatus* failure
    cdef const char* variable
    keys[0] = b"ep.ortsparseexecutionprovider.regions"  # where ORT puts provider options
    keys[1] = b"ort_sparse.regions"
    mode[0] = CLAIM_AUTO
    for i in range(2):
        failure = read_entry(api, options, keys[i], value, sizeof(value), &found)
        if failure != NULL:
            return failure
        if found:
            if claim_mode_from_name(value, mode, &why):
                return NULL
            status_prefix(&why, b"session configuration entry %s: ", keys[i])
            return to_ort_status(api, &why)
    variable = getenv(b"ORT_SPARSE_REGIONS")
    if variable == NULL or variable[0] == 0 or claim_mode_from_name(variable, mode, &why):
        return NULL
    status_prefix(&why, b"environment variable ORT_SPARSE_REGIONS: ")
    return to_ort_status(api, &why)
