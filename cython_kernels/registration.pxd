"""Registering the operator's domain with a session's options."""

from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, strtol
from libc.string cimport strcmp

from custom_op cimport *

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
    cdef OrtStatus* status = api.HasSessionConfigEntry(options, key, found)
    value[0] = 0
    if status != NULL or not found[0]:
        return status
    if not succeeded(api, api.GetSessionConfigEntry(options, key, value, &size)):
        value[0] = 0
    return NULL


cdef inline OrtStatus* read_threading(
        const OrtApi* api, OrtSessionOptions* options, bint* openmp) noexcept nogil:
    cdef Message error
    cdef char value[32]
    cdef int found = 0
    cdef OrtStatus* status = read_entry(
        api, options, b"ort_sparse.threading", value, sizeof(value), &found)
    openmp[0] = False
    if status != NULL or not found:
        return status
    openmp[0] = strcmp(value, b"openmp") == 0
    if openmp[0] or strcmp(value, b"session") == 0:
        return NULL
    snprintf(error.text, sizeof(error.text), b"session configuration entry "
             b"ort_sparse.threading: must be session or openmp, but is '%s'", value)
    make_ascii(&error)
    return api.CreateStatus(ORT_INVALID_ARGUMENT, error.text)


cdef inline OrtStatus* add_domain(
        const OrtApi* api, OrtSessionOptions* options, Registration* wanted) noexcept nogil:
    """Add the domain unless these options have it: ORT refuses a session with a domain twice.

    An entry in the options says so, which another copy of this library reads too.
    """
    cdef const char* threading = b"openmp" if wanted.op.openmp else b"session"
    cdef Message error
    cdef char value[32]
    cdef int found = 0
    cdef OrtStatus* status = read_entry(
        api, options, b"ort_sparse.registered", value, sizeof(value), &found)
    if status != NULL:
        return status
    if not found:
        status = api.AddCustomOpDomain(options, wanted.domain)
        if status != NULL:
            return status
        return api.AddSessionConfigEntry(options, b"ort_sparse.registered", threading)
    if strcmp(value, threading) == 0:
        return NULL
    snprintf(error.text, sizeof(error.text), b"ort_sparse.threading: these session options "
             b"are registered with '%s' and cannot change to '%s'", value, threading)
    return api.CreateStatus(ORT_INVALID_ARGUMENT, error.text)


cdef inline OrtStatus* create_registration(
        const OrtApi* api, int api_version, bint openmp, Registration** out) noexcept nogil:
    cdef OrtStatus* status
    cdef Registration* created = <Registration*>calloc(1, sizeof(Registration))
    if created == NULL:
        return api.CreateStatus(ORT_FAIL, b"ort_sparse: not enough memory to register")
    created.api = api
    fill_op(&created.op, api, api_version, openmp)
    status = api.CreateCustomOpDomain(b"ort_sparse", &created.domain)
    if status == NULL:
        status = api.CustomOpDomain_Add(created.domain, &created.op.callbacks)
    if status != NULL:
        if created.domain != NULL:
            api.ReleaseCustomOpDomain(created.domain)
        free(created)
        return status
    out[0] = created
    return NULL


cdef inline OrtStatus* register_domain(
        Registration** registrations, OrtSessionOptions* options,
        const OrtApiBase* base) noexcept nogil:
    cdef int version = minor_version(base)
    cdef Message error
    cdef bint openmp = False
    cdef OrtStatus* status
    cdef Registration* found
    if version < MIN_API_VERSION:
        snprintf(error.text, sizeof(error.text), b"ort_sparse needs onnxruntime 1.%d or later, "
                 b"but this is %.64s", <int>MIN_API_VERSION, base.GetVersionString())
        return base.GetApi(1).CreateStatus(ORT_NOT_IMPLEMENTED, error.text)
    cdef const OrtApi* api = base.GetApi(MIN_API_VERSION)
    status = read_threading(api, options, &openmp)
    if status != NULL:
        return status
    found = registrations[0]
    while found != NULL and not (found.api == api and found.op.openmp == openmp):
        found = found.next
    if found == NULL:
        status = create_registration(api, version, openmp, &found)
        if status != NULL:
            return status
        while True:  # a race may add the same registration twice, which does no harm
            found.next = registrations[0]
            if compare_and_swap(registrations, found.next, found):
                break
    return add_domain(api, options, found)
