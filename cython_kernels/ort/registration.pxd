"""Registering the operator's domain with a session's options."""

from libc.stdlib cimport calloc, free
from libc.string cimport strcmp

from core cimport *
from ort.custom_op cimport *
from ort.onnxruntime_abi cimport *
from ort.runtimes cimport minor_version
from ort.session_entries cimport *
from ort.statuses cimport *

cdef extern from *:
    bint compare_and_swap "__sync_bool_compare_and_swap"(
        Registration** place, Registration* old, Registration* new) noexcept nogil

cdef enum:
    MIN_PROVIDER_DOMAINS_VERSION = 24  # where a provider brings its custom ops along

# One for each runtime and way of threading in the process. Domains must outlive their sessions,
# and nobody tells us when the last session ends, so they are shared and never released.
cdef struct Registration:
    const OrtApi* api
    SparseConvOp op
    OrtCustomOpDomain* domain
    Registration* next


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


cdef inline OrtStatus* find_registration(
        Registration** registrations, const OrtApiBase* base, Threading threads,
        Registration** out) noexcept nogil:
    """Find the registration of this runtime and way of threading, or make it."""
    cdef const OrtApi* api = base.GetApi(ORT_API_VERSION)
    cdef OrtStatus* failure
    cdef Registration* found = registrations[0]
    while found != NULL and not (found.api == api and found.op.threads == threads):
        found = found.next
    if found == NULL:
        failure = create_registration(api, minor_version(base), threads, &found)
        if failure != NULL:
            return failure
        while True:  # a race may add the same registration twice, which does no harm
            found.next = registrations[0]
            if compare_and_swap(registrations, found.next, found):
                break
    out[0] = found
    return NULL


cdef inline OrtStatus* has_provider_domain(
        const OrtApi* api, int version, const OrtSessionOptions* options, bint is_registered,
        bint* out) noexcept nogil:
    """Tell whether our provider was appended to these options and brought the domain along."""
    cdef char value[32]
    cdef int found = 0
    cdef OrtStatus* failure = NULL
    if version >= MIN_PROVIDER_DOMAINS_VERSION:
        failure = read_entry(
            api, options, b"ep.ortsparseexecutionprovider.brings_ops", value, sizeof(value),
            &found)
    out[0] = failure == NULL and found and (is_registered or strcmp(value, b"always") == 0)
    return failure


cdef inline OrtStatus* add_domain(
        const OrtApi* api, int version, OrtSessionOptions* options, bint is_provider_registered,
        Registration* wanted) noexcept nogil:
    cdef const char* threads = threading_name(wanted.op.threads)
    cdef Status why
    cdef bint is_there = False
    cdef OrtStatus* failure = has_provider_domain(
        api, version, options, is_provider_registered, &is_there)
    if failure == NULL and not is_there:
        failure = api.AddCustomOpDomain(options, wanted.domain)
    elif failure == NULL and wanted.op.threads != THREADING_SESSION:
        status_fail(
            &why, STATUS_INVALID, b"ort_sparse.threading: must be session where the provider was "
            b"added first, but is '%s'", threads)
        return to_ort_status(api, &why)
    if failure != NULL:
        return failure
    return api.AddSessionConfigEntry(options, b"ort_sparse.registered", threads)


cdef inline OrtStatus* register_domain(
        Registration** registrations, OrtSessionOptions* options, const OrtApiBase* base,
        bint is_provider_registered, bint* is_new) noexcept nogil:
    """Add the domain unless these options have it: ORT refuses a session with a domain twice.

    An entry in the options says so, which another copy of this library reads too.
    """
    cdef const OrtApi* api = base.GetApi(ORT_API_VERSION)
    cdef Status why
    cdef Threading threads = THREADING_SESSION
    cdef Registration* wanted = NULL
    cdef char value[32]
    cdef int found = 0
    cdef OrtStatus* failure = read_threading(api, options, &threads)
    if failure == NULL:
        failure = read_entry(
            api, options, b"ort_sparse.registered", value, sizeof(value), &found)
    is_new[0] = not found
    if failure != NULL or (found and strcmp(value, threading_name(threads)) == 0):
        return failure
    if found:
        status_fail(
            &why, STATUS_INVALID, b"ort_sparse.threading: these session options are registered "
            b"with '%s' and cannot change to '%s'", value, threading_name(threads))
        return to_ort_status(api, &why)
    failure = find_registration(registrations, base, threads, &wanted)
    if failure != NULL:
        return failure
    return add_domain(api, minor_version(base), options, is_provider_registered, wanted)
