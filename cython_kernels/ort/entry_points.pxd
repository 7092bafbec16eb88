"""What ONNX Runtime finds in the library by name."""

from core cimport *
from ort.factory cimport *
from ort.onnxruntime_abi cimport *
from ort.registration cimport *
from ort.runtimes cimport *
from ort.selection cimport bring_provider
from ort.session_entries cimport read_mode
from ort.statuses cimport *


cdef inline OrtStatus* register_custom_ops(
        Registration** registrations, Factory** factories, OrtSessionOptions* options,
        const OrtApiBase* base) noexcept nogil:
    """Add the custom ops to a session's options, and bring the provider along."""
    cdef int version = minor_version(base)
    cdef const OrtApi* api
    cdef Status why
    cdef ClaimMode mode
    cdef bint is_new = False
    cdef OrtStatus* failure
    cdef Factory* factory
    if version < ORT_API_VERSION:
        status_fail(
            &why, STATUS_INVALID, b"ort_sparse needs onnxruntime 1.%d or later, but this is %.64s",
            <int>ORT_API_VERSION, base.GetVersionString())
        return base.GetApi(1).CreateStatus(ORT_NOT_IMPLEMENTED, why.message)
    api = base.GetApi(ORT_API_VERSION)
    failure = read_mode(api, options, &mode)
    if failure != NULL:
        return failure
    factory = find_factory(factories, registrations, base)
    failure = register_domain(
        registrations, options, base, factory != NULL and factory.brings_domain, &is_new)
    if failure == NULL and is_new and mode != CLAIM_OFF and factory != NULL:
        bring_provider(&factory.runtime, options)
    return failure
