"""The profile of a session's regions: runs are timed where the configuration names a file for it."""

from libc.stdlib cimport free

from core cimport *
from ort.onnxruntime_abi cimport *
from ort.runtimes cimport Runtime
from ort.session_entries cimport read_long_entry
from ort.statuses cimport *

cdef struct SessionProfile:
    const Runtime* runtime
    const OrtLogger* logger
    const Isa* isa
    char* path
    RegionProfile* regions  # or NULL: nothing is timed
    int states  # of regions: a session's end releases them, and only then its logger


cdef inline void warn_of_profile(const SessionProfile* profile, Status* why) noexcept nogil:
    status_prefix(why, b"OrtSparseExecutionProvider: ort_sparse.regions_profile: ")
    log_warning(profile.runtime.api, profile.logger, why)


cdef inline bint write_profile(SessionProfile* profile) noexcept nogil:
    cdef RegionProfileFacts facts
    cdef Status why
    facts.runtime = profile.runtime.version_string
    facts.isa = profile.isa.name
    if region_profile_write(profile.regions, profile.path, &facts, &why):
        return True
    warn_of_profile(profile, &why)
    return False


cdef inline void stop_profile(SessionProfile* profile) noexcept nogil:
    region_profile_destroy(profile.regions)
    profile.regions = NULL
    free(profile.path)
    profile.path = NULL


cdef inline OrtStatus* start_profile(
        SessionProfile* profile, const Runtime* runtime, const OrtSessionOptions* options,
        const OrtLogger* logger, const Isa* isa) noexcept nogil:
    """Begin where that is wanted, with a file of no regions: one that cannot be written shows now."""
    cdef Status why
    profile.runtime = runtime
    profile.logger = logger
    profile.isa = isa
    cdef OrtStatus* failure = read_long_entry(
        runtime.api, options, b"ort_sparse.regions_profile", &profile.path)
    if failure != NULL or profile.path == NULL:
        return failure
    profile.regions = region_profile_create()
    if profile.regions == NULL:
        lacks_memory(&why, b"time regions")
        warn_of_profile(profile, &why)
    elif not write_profile(profile):
        stop_profile(profile)
    return NULL


cdef inline void profile_region(
        SessionProfile* profile, Region* region, const OrtNode* fused) noexcept nogil:
    cdef const char* name = b""
    cdef Status why
    if profile.regions == NULL:
        return
    succeeded(profile.runtime.api, profile.runtime.api.Node_GetName(fused, &name))
    if not region_profile_add(profile.regions, region, name):
        lacks_memory(&why, b"time a region")
        warn_of_profile(profile, &why)


cdef inline void begin_state(SessionProfile* profile) noexcept nogil:
    profile.states += 1


cdef inline void end_state(SessionProfile* profile) noexcept nogil:
    profile.states -= 1
    if profile.states == 0 and profile.regions != NULL:
        write_profile(profile)
