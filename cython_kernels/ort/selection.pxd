"""The automatic use of the provider: `RegisterCustomOps` registers it with ONNX Runtime's environment
and has it selected for the sessions of the options that it is called with.

It is selected by a callback, which is asked when a session is created, and only if the application
has appended no provider to the options. So a list of providers is obeyed, options can be used again,
and where the provider is gone there is the CPU. Applications with providers of other people are left
alone: they choose for themselves.
"""

from libc.stddef cimport size_t
from libc.stdlib cimport free
from libc.string cimport strcmp
from posix.stdlib cimport realpath

from ort.factory cimport *
from ort.onnxruntime_abi cimport *
from ort.onnxruntime_ep_abi cimport *
from ort.provider cimport provider_name
from ort.runtimes cimport *
from ort.statuses cimport *

cdef extern from * nogil:
    """
    #include <dlfcn.h>
    """
    ctypedef struct Dl_info:
        const char* dli_fname
    int dladdr(const void* address, Dl_info*)

cdef enum:
    MIN_ENV_TEST_VERSION = 24


cdef inline const OrtEpDevice* find_device(
        const OrtApi* api, const OrtEpDevice* const* devices, size_t count,
        const char* name) noexcept nogil:
    cdef size_t i
    for i in range(count):
        if strcmp(api.EpDevice_EpName(devices[i]), name) == 0:
            return devices[i]
    return NULL


cdef inline OrtStatus* select_devices(
        const OrtEpDevice** devices, size_t count, const OrtKeyValuePairs* model,
        const OrtKeyValuePairs* environment, const OrtEpDevice** selected, size_t most,
        size_t* selected_count, void* state) noexcept nogil:
    """Select the provider, and the CPU for what it leaves."""
    cdef const OrtApi* api = (<const Runtime*>state).api
    cdef const OrtEpDevice* ours = find_device(api, devices, count, provider_name(NULL))
    cdef const OrtEpDevice* cpu = find_device(api, devices, count, b"CPUExecutionProvider")
    selected_count[0] = 0
    if ours != NULL and most > 1:
        selected[0] = ours
        selected_count[0] = 1
    if cpu != NULL and most > 0:
        selected[selected_count[0]] = cpu
        selected_count[0] += 1
    return NULL


cdef inline bint is_ours_or_plain(const char* provider) noexcept nogil:
    return (strcmp(provider, b"CPUExecutionProvider") == 0
            or strcmp(provider, b"AzureExecutionProvider") == 0  # of remote models
            or strcmp(provider, provider_name(NULL)) == 0)


cdef inline bint is_plain_build(const OrtApi* api) noexcept nogil:
    """Tell whether the CPU is all that this build of ORT computes on."""
    cdef char** names = NULL
    cdef int count = 0, i
    cdef bint plain = True
    if not succeeded(api, api.GetAvailableProviders(&names, &count)):
        return False
    for i in range(count):
        plain = plain and is_ours_or_plain(names[i])
    succeeded(api, api.ReleaseAvailableProviders(names, count))
    return plain


cdef inline bint has_environment(const Runtime* runtime) noexcept nogil:
    """Tell whether the application has an environment; older runtimes do not say.

    One that we created would have our settings in place of the application's; and we would destroy
    it with what we register in it.
    """
    cdef OrtKeyValuePairs* entries = NULL
    if runtime.version < MIN_ENV_TEST_VERSION:
        return True
    if not succeeded(runtime.api, runtime.ep_api.GetEnvConfigEntries(&entries)):
        return False
    runtime.api.ReleaseKeyValuePairs(entries)
    return True


cdef inline bint register_library(const OrtApi* api, OrtEnv* environment) noexcept nogil:
    """Register the file that this code was loaded from; ORT wants its whole path."""
    cdef Dl_info file
    cdef char* path
    cdef bint registered
    if not dladdr(<const void*>select_devices, &file):
        return False
    path = realpath(file.dli_fname, NULL)
    if path == NULL:
        return False
    registered = succeeded(
        api, api.RegisterExecutionProviderLibrary(environment, automatic_name(), path))
    free(path)
    return registered


cdef inline bint bring_device(const OrtApi* api, OrtEnv* environment) noexcept nogil:
    """Register our device where it is not there; tell whether it may be selected, which is where no
    devices of other people are."""
    cdef const OrtEpDevice* const* devices = NULL
    cdef size_t count = 0, i
    if not succeeded(api, api.GetEpDevices(environment, &devices, &count)):
        return False
    for i in range(count):
        if not is_ours_or_plain(api.EpDevice_EpName(devices[i])):
            return False
    return (find_device(api, devices, count, provider_name(NULL)) != NULL
            or register_library(api, environment))


cdef inline void bring_provider(
        const Runtime* runtime, OrtSessionOptions* options) noexcept nogil:
    """Have the provider selected for these options where that is possible.

    Where it is not, sessions run as without it; nothing is reported, as there is no logger yet.
    """
    cdef const OrtApi* api = runtime.api
    cdef OrtEnv* environment = NULL
    if not is_plain_build(api) or not has_environment(runtime):
        return
    # There is one environment, which this gives another reference to.
    if not succeeded(api, api.CreateEnv(ORT_LOGGING_LEVEL_WARNING, b"ort_sparse", &environment)):
        return
    if bring_device(api, environment):
        succeeded(api, api.SessionOptionsSetEpSelectionPolicyDelegate(
            options, select_devices, <void*>runtime))
    api.ReleaseEnv(environment)
