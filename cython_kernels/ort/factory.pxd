"""The factory of providers, of which ONNX Runtime asks for the devices, a provider for each
session, and the custom ops that come with it.

There is one for each runtime in the process, whatever names it is registered under: devices of one
provider from two factories cannot be given to a session together. It is never released, as its
code is never unloaded.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport strcmp

from core cimport *
from ort.onnxruntime_abi cimport *
from ort.onnxruntime_ep_abi cimport *
from ort.provider cimport *
from ort.registration cimport *
from ort.runtimes cimport *
from ort.statuses cimport *

cdef extern from *:
    const char* ORT_SPARSE_VERSION  # the package's: setup.py defines it
    bint compare_and_swap_factory "__sync_bool_compare_and_swap"(
        Factory** place, Factory* old, Factory* new) noexcept nogil

cdef struct Factory:  # what ORT sees, followed by what is ours
    OrtEpFactory callbacks
    Runtime runtime
    const OrtApiBase* base
    Registration** registrations
    bint is_automatic  # whether it is registered for the automatic use alone
    bint brings_domain  # whether anybody registered it by himself
    Factory* next


cdef inline const char* automatic_name() noexcept nogil:
    return b"ort_sparse.automatic"  # of the registration that RegisterCustomOps makes


cdef inline const char* factory_name(const OrtEpFactory* factory) noexcept nogil:
    return provider_name(NULL)


cdef inline const char* factory_vendor(const OrtEpFactory* factory) noexcept nogil:
    return b"ort_sparse"


cdef inline uint32_t factory_vendor_id(const OrtEpFactory* factory) noexcept nogil:
    return 0  # of no PCI device


cdef inline const char* factory_version(const OrtEpFactory* factory) noexcept nogil:
    return ORT_SPARSE_VERSION


cdef inline OrtStatus* create_device(
        Factory* factory, const OrtHardwareDevice* device, OrtEpDevice** out) noexcept nogil:
    """Create our device on the CPU. Its option, which ORT copies to the entries of the options that
    it is appended to, tells `RegisterCustomOps` whether our custom ops are there already."""
    cdef const OrtApi* api = factory.runtime.api
    cdef OrtKeyValuePairs* options = NULL
    api.CreateKeyValuePairs(&options)
    api.AddKeyValuePair(
        options, b"brings_ops", b"always" if factory.brings_domain else b"if_registered")
    cdef OrtStatus* failure = factory.runtime.ep_api.CreateEpDevice(
        &factory.callbacks, device, NULL, options, out)
    api.ReleaseKeyValuePairs(options)
    return failure


cdef inline OrtStatus* get_devices(
        OrtEpFactory* callbacks, const OrtHardwareDevice* const* devices, size_t count,
        OrtEpDevice** out, size_t most, size_t* out_count) noexcept nogil:
    cdef Factory* factory = <Factory*>callbacks
    cdef size_t i
    out_count[0] = 0
    for i in range(count):
        if (most > 0 and factory.runtime.api.HardwareDevice_Type(devices[i])
                == OrtHardwareDeviceType_CPU):
            out_count[0] = 1  # one CPU is all that there is
            return create_device(factory, devices[i], out)
    return NULL


cdef inline OrtStatus* create_ep(
        OrtEpFactory* callbacks, const OrtHardwareDevice* const* devices,
        const OrtKeyValuePairs* const* metadata, size_t count, const OrtSessionOptions* options,
        const OrtLogger* logger, OrtEp** out) noexcept nogil:
    return create_provider(&(<Factory*>callbacks).runtime, options, logger, out)


cdef inline void release_ep(OrtEpFactory* callbacks, OrtEp* ep) noexcept nogil:
    destroy_provider(<Provider*>ep)


cdef inline OrtStatus* no_allocator(
        OrtEpFactory* factory, const OrtMemoryInfo* memory, const OrtKeyValuePairs* options,
        OrtAllocator** out) noexcept nogil:
    out[0] = NULL  # ORT's own for the CPU
    return NULL


cdef inline void release_no_allocator(
        OrtEpFactory* factory, OrtAllocator* allocator) noexcept nogil:
    pass


cdef inline OrtStatus* no_transfer(OrtEpFactory* factory, void** out) noexcept nogil:
    out[0] = NULL  # nothing is copied: everything is memory of the CPU
    return NULL


cdef inline cbool no_streams(const OrtEpFactory* factory) noexcept nogil:
    return False


cdef inline OrtStatus* count_domains(OrtEpFactory* factory, size_t* out) noexcept nogil:
    """Bring the custom ops along, unless all use is automatic, where `RegisterCustomOps` has added
    them and ORT would warn of each session."""
    out[0] = 1 if (<Factory*>factory).brings_domain else 0
    return NULL


cdef inline OrtStatus* get_domains(
        OrtEpFactory* callbacks, OrtCustomOpDomain** out, size_t count) noexcept nogil:
    cdef Factory* factory = <Factory*>callbacks
    cdef Registration* found = NULL
    cdef OrtStatus* failure = find_registration(
        factory.registrations, factory.base, THREADING_SESSION, &found)
    if failure == NULL and count > 0:
        out[0] = found.domain
    return failure


cdef inline void fill_factory(
        Factory* factory, const OrtApiBase* base, Registration** registrations) noexcept nogil:
    cdef OrtEpFactory* callbacks = &factory.callbacks
    callbacks.ort_version_supported = ORT_EP_LAYOUT
    callbacks.GetName = factory_name
    callbacks.GetVendor = factory_vendor
    callbacks.GetSupportedDevices = get_devices
    callbacks.CreateEp = create_ep
    callbacks.ReleaseEp = release_ep
    callbacks.GetVendorId = factory_vendor_id
    callbacks.GetVersion = factory_version
    callbacks.CreateAllocator = no_allocator
    callbacks.ReleaseAllocator = release_no_allocator
    callbacks.CreateDataTransfer = no_transfer
    callbacks.IsStreamAware = no_streams
    callbacks.GetNumCustomOpDomains = count_domains
    callbacks.GetCustomOpDomains = get_domains
    find_runtime(base, &factory.runtime)
    factory.base = base
    factory.registrations = registrations


cdef inline Factory* factory_of(Factory* first, const OrtApi* api) noexcept nogil:
    while first != NULL and first.runtime.api != api:
        first = first.next
    return first


cdef inline Factory* find_factory(
        Factory** factories, Registration** registrations, const OrtApiBase* base) noexcept nogil:
    """Return the factory of this runtime, or NULL where it can have none or memory is short."""
    cdef Runtime runtime
    cdef Factory* found
    cdef Factory* created
    find_runtime(base, &runtime)
    if runtime.ep_api == NULL:
        return NULL
    found = factory_of(factories[0], runtime.api)
    if found != NULL:
        return found
    created = <Factory*>calloc(1, sizeof(Factory))
    if created == NULL:
        return NULL
    fill_factory(created, base, registrations)
    while True:
        created.next = factories[0]
        found = factory_of(created.next, runtime.api)
        if found != NULL:  # another thread was first
            free(created)
            return found
        if compare_and_swap_factory(factories, created.next, created):
            return created


# --- What ONNX Runtime calls.

cdef inline OrtStatus* create_factories(
        Factory** factories, Registration** registrations, const char* name,
        const OrtApiBase* base, OrtEpFactory** out, size_t most, size_t* count) noexcept nogil:
    """Give out our factory, unless that has been done for the automatic use: its device is there
    already, and who looks for our device by name shall find one."""
    cdef Factory* factory
    cdef bint is_automatic = strcmp(name, automatic_name()) == 0
    if minor_version(base) < <int>MIN_PROVIDER_VERSION:
        return NULL  # these callers pass other arguments, and start from a count of zero
    count[0] = 0
    factory = find_factory(factories, registrations, base)
    if factory == NULL:
        return NULL
    if not is_automatic:
        factory.brings_domain = True
    if most == 0 or factory.is_automatic:
        return NULL
    factory.is_automatic = is_automatic
    out[0] = &factory.callbacks
    count[0] = 1
    return NULL


cdef inline OrtStatus* release_factory(OrtEpFactory* callbacks) noexcept nogil:
    (<Factory*>callbacks).is_automatic = False
    return NULL
