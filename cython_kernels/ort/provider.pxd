"""The execution provider of one session: which nodes it claims, and what becomes of them."""

from libc.stddef cimport size_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport strcmp

from core cimport *
from ort.compilation cimport *
from ort.graph_reader cimport *
from ort.onnxruntime_abi cimport *
from ort.onnxruntime_ep_abi cimport *
from ort.region_run cimport *
from ort.runtimes cimport Runtime
from ort.session_entries cimport *
from ort.session_profile cimport *
from ort.statuses cimport *

cdef enum:
    # Before, fused nodes of two calls get the same names, with which a session fails: those of two
    # subgraphs, or of a graph that ONNX Runtime shows again because it inlined a function.
    MIN_SEVERAL_CLAIMS_VERSION = 24

cdef struct Provider:  # what ORT sees, followed by what is ours
    OrtEp callbacks
    const Runtime* runtime
    const OrtLogger* logger
    const Isa* isa
    OrtMemoryInfo* memory  # where regions work
    ClaimMode mode
    bint has_claimed
    char* report  # the file that says what was claimed, or NULL
    bint has_reported
    SessionProfile profile


cdef inline const char* provider_name(const OrtEp* ep) noexcept nogil:
    return b"OrtSparseExecutionProvider"


# --- Claiming.

cdef inline void report_claim(
        Provider* provider, const OrtGraph* graph, const Model* model,
        const Claim* claim) noexcept nogil:
    """Write what was claimed if that is wanted; the first graph of a session begins the file."""
    cdef ClaimReportFacts facts
    cdef Status why
    if provider.report == NULL:
        return
    facts.graph_name = b""
    succeeded(
        provider.runtime.api, provider.runtime.api.Graph_GetName(graph, &facts.graph_name))
    facts.mode = claim_mode_name(provider.mode)
    facts.runtime = provider.runtime.version_string
    facts.isa = provider.isa.name
    if claim_report_write(
            provider.report, provider.has_reported, model, claim, &facts, &why):
        provider.has_reported = True
        return
    status_prefix(&why, b"OrtSparseExecutionProvider: ort_sparse.regions_report: ")
    log_warning(provider.runtime.api, provider.logger, &why)


cdef inline bint may_claim(const Provider* provider, const Graph* graph) noexcept nogil:
    if provider.runtime.version >= MIN_SEVERAL_CLAIMS_VERSION:
        return True
    return not graph.is_inner and not provider.has_claimed


cdef inline void sort_by_region(
        const Claim* claim, const Graph* graph, int* ends, const OrtNode** nodes) noexcept nogil:
    """Order the claimed nodes by their regions, whose ends among them start as their starts."""
    cdef size_t i
    cdef int region, start = 0
    for region in range(claim.region_count):
        ends[region] = start
        start += claim.regions[region].node_count
    for i in range(graph.node_count):
        region = claim.nodes[i].region
        if region != CLAIM_NO_REGION:
            nodes[ends[region]] = graph.nodes[i]
            ends[region] += 1


cdef inline bint add_sorted(
        Provider* provider, const Claim* claim, const int* ends, const OrtNode** nodes,
        OrtEpGraphSupportInfo* support, Status* why) noexcept nogil:
    cdef OrtNodeFusionOptions options
    cdef int region, start = 0
    options.ort_version_supported = ORT_EP_LAYOUT
    options.drop_constant_initializers = True
    for region in range(claim.region_count):
        if claim.regions[region].claimed:
            if not passed(
                    provider.runtime.api,
                    provider.runtime.ep_api.EpGraphSupportInfo_AddNodesToFuse(
                        support, &nodes[start], ends[region] - start, &options),
                    why):
                return False
            provider.has_claimed = True
        start = ends[region]
    return True


cdef inline bint add_regions(
        Provider* provider, const Claim* claim, const Graph* graph,
        OrtEpGraphSupportInfo* support, Status* why) noexcept nogil:
    cdef int* ends = <int*>calloc(claim.region_count + 1, sizeof(int))
    cdef const OrtNode** nodes = <const OrtNode**>calloc(graph.node_count + 1, sizeof(OrtNode*))
    cdef bint added = ends != NULL and nodes != NULL
    if added:
        sort_by_region(claim, graph, ends, nodes)
        added = add_sorted(provider, claim, ends, nodes, support, why)
    else:
        lacks_memory(why, b"claim regions")
    free(ends)
    free(nodes)
    return added


cdef inline bint claim_read_graph(
        Provider* provider, const OrtGraph* source, const Graph* graph,
        OrtEpGraphSupportInfo* support, Status* why) noexcept nogil:
    cdef Claim claim
    cdef const Model* model = model_builder_model(graph.builder)
    cdef bint claimed = (
        claim_make(
            &claim, model, provider.mode, provider.isa, provider.report != NULL, why)
        and add_regions(provider, &claim, graph, support, why))
    if claimed:
        report_claim(provider, source, model, &claim)
    claim_release(&claim)
    return claimed


cdef inline bint claim_graph(
        Provider* provider, const OrtGraph* source, OrtEpGraphSupportInfo* support,
        Status* why) noexcept nogil:
    cdef Graph graph
    cdef bint claimed
    if provider.mode == CLAIM_OFF:
        return True
    if not read_graph(provider.runtime, source, &graph, why):
        return False
    claimed = not may_claim(provider, &graph) or claim_read_graph(
        provider, source, &graph, support, why)
    graph_release(&graph)
    return claimed


cdef inline OrtStatus* get_capability(
        OrtEp* ep, const OrtGraph* graph, OrtEpGraphSupportInfo* support) noexcept nogil:
    """Claim regions of a graph; where this fails, ORT logs why and runs the graph without us."""
    cdef Provider* provider = <Provider*>ep
    cdef Status why
    if claim_graph(provider, graph, support, &why):
        return NULL
    return region_error(provider.runtime.api, &why)


# --- Compiling.

cdef inline void release_compiled(
        OrtEp* ep, OrtNodeComputeInfo** compiled, size_t count) noexcept nogil:
    cdef size_t i
    for i in range(count):
        destroy_region(<CompiledRegion*>compiled[i])
        compiled[i] = NULL


cdef inline OrtStatus* compile_fused_nodes(
        OrtEp* ep, const OrtGraph** graphs, const OrtNode** nodes, size_t count,
        OrtNodeComputeInfo** out, OrtNode** context_nodes) noexcept nogil:
    cdef Provider* provider = <Provider*>ep
    cdef Status why
    cdef size_t i
    cdef CompiledRegion* compiled
    for i in range(count):
        compiled = compile_graph(
            provider.runtime, provider.memory, provider.isa, graphs[i], nodes[i], &why)
        if compiled == NULL:
            release_compiled(ep, out, i)
            return region_error(provider.runtime.api, &why)
        compiled.profile = &provider.profile
        profile_region(&provider.profile, compiled.region, nodes[i])
        out[i] = &compiled.callbacks
    return NULL


# --- A session's provider.

cdef inline OrtStatus* is_entry_one(
        const OrtApi* api, const OrtSessionOptions* options, const char* key,
        bint* out) noexcept nogil:
    cdef char value[64]
    cdef int found = 0
    cdef OrtStatus* failure = read_entry(api, options, key, value, sizeof(value), &found)
    out[0] = failure == NULL and found and strcmp(value, b"1") == 0
    return failure


cdef inline OrtStatus* read_settings(
        Provider* provider, const OrtSessionOptions* options) noexcept nogil:
    """Read how much to claim: nothing where a session may not have compiled nodes, for it would
    fail with one."""
    cdef const OrtApi* api = provider.runtime.api
    cdef Status why
    cdef bint writes_contexts = False, never_compiles = False
    cdef OrtStatus* failure = read_mode(api, options, &provider.mode)
    if failure == NULL:
        failure = is_entry_one(api, options, b"ep.context_enable", &writes_contexts)
    if failure == NULL:
        failure = is_entry_one(api, options, b"session.disable_model_compile", &never_compiles)
    if failure != NULL:
        return failure
    if writes_contexts or never_compiles:
        provider.mode = CLAIM_OFF
    if provider.mode == CLAIM_OFF:
        return NULL
    provider.isa = isa_request(NULL, &why)
    if provider.isa == NULL:
        return region_error(api, &why)
    failure = read_long_entry(api, options, b"ort_sparse.regions_report", &provider.report)
    if failure != NULL:
        return failure
    return start_profile(
        &provider.profile, provider.runtime, options, provider.logger, provider.isa)


cdef inline void destroy_provider(Provider* provider) noexcept nogil:
    if provider.memory != NULL:
        provider.runtime.api.ReleaseMemoryInfo(provider.memory)
    stop_profile(&provider.profile)
    free(provider.report)
    free(provider)


cdef inline OrtStatus* fill_provider(
        Provider* provider, const OrtSessionOptions* options) noexcept nogil:
    cdef OrtEp* callbacks = &provider.callbacks
    callbacks.ort_version_supported = ORT_EP_LAYOUT
    callbacks.GetName = provider_name
    callbacks.GetCapability = get_capability
    callbacks.Compile = compile_fused_nodes
    callbacks.ReleaseNodeComputeInfos = release_compiled
    cdef OrtStatus* failure = provider.runtime.api.CreateCpuMemoryInfo(
        OrtArenaAllocator, OrtMemTypeDefault, &provider.memory)
    return failure if failure != NULL else read_settings(provider, options)


cdef inline OrtStatus* create_provider(
        const Runtime* runtime, const OrtSessionOptions* options, const OrtLogger* logger,
        OrtEp** out) noexcept nogil:
    cdef Provider* created = <Provider*>calloc(1, sizeof(Provider))
    if created == NULL:
        return runtime.api.CreateStatus(
            ORT_FAIL, b"OrtSparseExecutionProvider: not enough memory for a session")
    created.runtime = runtime
    created.logger = logger
    cdef OrtStatus* failure = fill_provider(created, options)
    if failure != NULL:
        destroy_provider(created)
        return failure
    out[0] = &created.callbacks
    return NULL
