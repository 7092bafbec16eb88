"""Registering the operator's domain with a session's options."""

from libc.stdlib cimport calloc, free, strtol
from libc.string cimport strcmp

from core cimport *
from ort.custom_op cimport *
from ort.onnxruntime_abi cimport *
from ort.statuses cimport *

cdef extern from *:
    bint compare_and_swap "__sync_bool_compare_and_swap"(
        Registration** place, Registration* old, Registration* new) noexcept nogil

# One for each runtime and way of threading in the process. Domains must outlive their sessions,
# and nobody tells us when the last session ends, so they are shared and never released.
cdef struct Registration:
    const OrtApi* api
    SparseConvOp op
    OrtCustomOpDomain* domain
    Registration* next


cdef inline int minor_version(const OrtApiBase* base) noexcept nogil:
    """Return the minor version of the runtime, which is the newest API it speaks."""
    cdef const char* text = base.GetVersionString()
    while text[0] != 0 and text[0] != c".":
        text += 1
    return <int>strtol(text + 1, NULL, 10) if text[0] == c"." else 0


cdef inline OrtStatus* read_entry(
        const OrtApi* api, OrtSessionOptions* options, const char* key, char* value, size_t size,
        int* found) noexcept nogil:
    """Read an entry of the session's configuration; one that is too long counts as empty."""
    cdef OrtStatus* failure = api.HasSessionConfigEntry(options, key, found)
    value[0] = 0
    if failure != NULL or not found[0]:
        return failure
    if not succeeded(api, api.GetSessionConfigEntry(options, key, value, &size)):
        value[0] = 0
    return NULL


cdef inline OrtStatus* read_threading(
        const OrtApi* api, OrtSessionOptions* options, Threading* threads) noexcept nogil:
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


cdef inline OrtStatus* add_domain(
        const OrtApi* api, OrtSessionOptions* options, Registration* wanted) noexcept nogil:
    """Add the domain unless these options have it: ORT refuses a session with a domain twice.

    An entry in the options says so, which another copy of this library reads too.
    """
    cdef const char* threads = threading_name(wanted.op.threads)
    cdef Status why
    cdef char value[32]
    cdef int found = 0
    cdef OrtStatus* failure = read_entry(
        api, options, b"ort_sparse.registered", value, sizeof(value), &found)
    if failure != NULL:
        return failure
    if not found:
        failure = api.AddCustomOpDomain(options, wanted.domain)
        if failure != NULL:
            return failure
        return api.AddSessionConfigEntry(options, b"ort_sparse.registered", threads)
    if strcmp(value, threads) == 0:
        return NULL
    status_fail(
        &why, STATUS_INVALID, b"ort_sparse.threading: these session options are registered with "
        b"'%s' and cannot change to '%s'", value, threads)
    return to_ort_status(api, &why)


cdef inline OrtStatus* create_registration(
        const OrtApi* api, int api_version, Threading threads, Registration** out) noexcept nogil:
    cdef OrtStatus* failure
    cdef Registration* created = <Registration*>calloc(1, sizeof(Registration))
    if created == NULL:
        return api.CreateStatus(ORT_FAIL, b"ort_sparse: not enough memory to register")
    created.api = api
    fill_op(&created.op, api, api_version, threads)
    failure = api.CreateCustomOpDomain(b"ort_sparse", &created.domain)
    if failure == NULL:
        failure = api.CustomOpDomain_Add(created.domain, &created.op.callbacks)
    if failure != NULL:
        if created.domain != NULL:
            api.ReleaseCustomOpDomain(created.domain)
        free(created)
        return failure
    out[0] = created
    return NULL


cdef inline OrtStatus* register_domain(
        Registration** registrations, OrtSessionOptions* options,
        const OrtApiBase* base) noexcept nogil:
    cdef int version = minor_version(base)
    cdef Status why
    cdef Threading threads = THREADING_SESSION
    cdef OrtStatus* failure
    cdef Registration* found
    if version < ORT_API_VERSION:
        status_fail(
            &why, STATUS_INVALID, b"ort_sparse needs onnxruntime 1.%d or later, but this is %.64s",
            <int>ORT_API_VERSION, base.GetVersionString())
        return base.GetApi(1).CreateStatus(ORT_NOT_IMPLEMENTED, why.message)
    cdef const OrtApi* api = base.GetApi(ORT_API_VERSION)
    failure = read_threading(api, options, &threads)
    if failure != NULL:
        return failure
    found = registrations[0]
    while found != NULL and not (found.api == api and found.op.threads == threads):
        found = found.next
    if found == NULL:
        failure = create_registration(api, version, threads, &found)
        if failure != NULL:
            return failure
        while True:  # a race may add the same registration twice, which does no harm
            found.next = registrations[0]
            if compare_and_swap(registrations, found.next, found):
                break
    return add_domain(api, options, found)
