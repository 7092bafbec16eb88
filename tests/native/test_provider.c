/* The execution provider, on a graph of the stand-in: every allocation and every call of the
 * runtime fails once. Each failure comes back as a status and leaks nothing (LeakSanitizer looks
 * when the program ends), and the next session is right.
 *
 * Usage: test_provider REPORT PROFILE
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tensor.h"
#include "fake_graph.h"

enum { CHANNELS = 8, SIDE = 4, PLANE = SIDE * SIDE, COUNT = CHANNELS * PLANE };

static float weights[2][CHANNELS * CHANNELS], x[COUNT], y[COUNT];
static OrtValue constants[2];
static OrtValueInfo x_info, w_infos[2], h_info, r_info, y_info;
static OrtNode nodes[3], fused;
static const char *report, *profile; /* files */
static OrtGraph graph;

static void require(int holds, const char* rule, long number) {
    if (holds) return;
    fprintf(stderr, "test_provider: %s, but not with failure %ld\n", rule, number);
    exit(1);
}

static OrtValue tensor_of(int64_t first, int64_t plane_side, float* data) {
    return (OrtValue){.element_type = TENSOR_FLOAT,
                      .rank = 4,
                      .dims = {first, CHANNELS, plane_side, plane_side},
                      .data = data};
}

static OrtValueInfo info_of(const char* name, OrtValue tensor) {
    OrtValueInfo info = {.name = name, .type.of_tensor.tensor = tensor};
    info.type.of_tensor.tensor.data = NULL;
    return info;
}

/* Two sparse convolutions with a Relu between them; the batch is unknown. */
static void make_graph(void) {
    static const OrtOpAttr kernel = {
        .name = "kernel_shape", .kind = FAKE_ATTRIBUTE_INTS, .ints = {1, 1}, .count = 2};
    static const OrtOpAttr group = {
        .name = "group", .kind = FAKE_ATTRIBUTE_INT, .ints = {1}, .count = 1};
    for (int i = 0; i < COUNT; i++) x[i] = (float)(i % 13) - 6;
    for (int layer = 0; layer < 2; layer++) {
        for (int i = 0; i < CHANNELS * CHANNELS; i++) {
            weights[layer][i] = i % 7 == layer ? (float)(i % 5) - 1.5f : 0;
        }
        constants[layer] = tensor_of(CHANNELS, 1, weights[layer]);
        w_infos[layer] = info_of(layer == 0 ? "w0" : "w1", constants[layer]);
        w_infos[layer].constant = &constants[layer];
    }
    x_info = info_of("x", tensor_of(-1, SIDE, NULL));
    h_info = info_of("h", tensor_of(-1, SIDE, NULL));
    r_info = info_of("r", tensor_of(-1, SIDE, NULL));
    y_info = info_of("y", tensor_of(-1, SIDE, NULL));
    y_info.leaves = true;
    const OrtNode conv = {.name = "",
                          .op_type = "Conv",
                          .owner = "",
                          .since_version = 11,
                          .input_count = 3,
                          .output_count = 1,
                          .attribute_count = 2,
                          .attributes = {&kernel, &group}};
    nodes[0] = nodes[2] = conv;
    nodes[0].inputs[0] = &x_info, nodes[0].inputs[1] = &w_infos[0], nodes[0].outputs[0] = &h_info;
    nodes[2].inputs[0] = &r_info, nodes[2].inputs[1] = &w_infos[1], nodes[2].outputs[0] = &y_info;
    nodes[1] = (OrtNode){.name = "relu",
                         .op_type = "Relu",
                         .owner = "",
                         .since_version = 14,
                         .input_count = 1,
                         .output_count = 1,
                         .inputs = {&h_info},
                         .outputs = {&r_info}};
    graph = (OrtGraph){.node_count = 3, .nodes = {&nodes[0], &nodes[1], &nodes[2]}};
    fused = (OrtNode){.name = "fused",
                      .op_type = "region",
                      .owner = "OrtSparseExecutionProvider",
                      .input_count = 1,
                      .output_count = 1,
                      .inputs = {&x_info},
                      .outputs = {&y_info}};
}

static double expected_at(int row, int pixel) {
    double sum = 0;
    for (int k = 0; k < CHANNELS; k++) {
        double inner = 0;
        for (int c = 0; c < CHANNELS; c++) {
            inner += (double)weights[0][k * CHANNELS + c] * x[c * PLANE + pixel];
        }
        sum += weights[1][row * CHANNELS + k] * fmax(inner, 0);
    }
    return sum;
}

static void* take_output(OrtKernelContext* run, size_t bytes) {
    (void)run;
    return bytes == sizeof y ? y : NULL;
}

static OrtStatus* run(OrtNodeComputeInfo* compiled) {
    OrtValue input = tensor_of(1, SIDE, x);
    OrtKernelContext context = {
        .inputs = {&input}, .input_count = 1, .threads = 0, .take_output = take_output};
    void* state = NULL;
    memset(y, 0xff, sizeof y);
    OrtStatus* status = compiled->CreateState(compiled, NULL, &state);
    if (status == NULL) status = compiled->Compute(compiled, state, &context);
    compiled->ReleaseState(compiled, state);
    return status;
}

/* Where memory is short a node may be left to the runtime, which then has it all in this test. */
static OrtStatus* leave_nodes(void) {
    return fake_api()->CreateStatus(ORT_FAIL, "nodes were left");
}

static OrtStatus* claim_and_run(OrtEp* ep, long number) {
    OrtEpGraphSupportInfo support = {0};
    const OrtGraph* graphs[] = {&graph};
    const OrtNode* fused_nodes[] = {&fused};
    OrtNodeComputeInfo* compiled[] = {NULL};
    OrtNode* contexts[] = {NULL};
    OrtStatus* status = ep->GetCapability(ep, &graph, &support);
    if (status != NULL) return status;
    int is_whole = support.region_count == 1 && support.node_counts[0] == 3;
    require(is_whole || fake_has_failed(), "all nodes must be one region", number);
    if (!is_whole) return leave_nodes();
    status = ep->Compile(ep, graphs, fused_nodes, 1, compiled, contexts);
    if (status != NULL) return status;
    status = run(compiled[0]);
    ep->ReleaseNodeComputeInfos(ep, compiled, 1);
    return status;
}

static OrtStatus* session(OrtEpFactory* factory, long number) {
    OrtSessionOptions options = {0};
    OrtEp* ep = NULL;
    fake_configure(&options, "ort_sparse.regions", "all");
    fake_configure(&options, "ort_sparse.regions_report", report);
    fake_configure(&options, "ort_sparse.regions_profile", profile);
    OrtStatus* status = factory->CreateEp(factory, NULL, NULL, 0, &options, NULL, &ep);
    if (status != NULL) return status;
    status = claim_and_run(ep, number);
    factory->ReleaseEp(factory, ep);
    return status;
}

static void require_right_numbers(long number) {
    for (int row = 0; row < CHANNELS; row++) {
        for (int pixel = 0; pixel < PLANE; pixel++) {
            double error = fabs(y[row * PLANE + pixel] - expected_at(row, pixel));
            require(error < 1e-4, "numbers must be right", number);
        }
    }
}

/* A failure that a session survives leaves right numbers. */
static long deny(OrtEpFactory* factory, void (*deny_one)(long)) {
    for (long n = 1;; n++) {
        long live = fake_live_objects();
        deny_one(n);
        OrtStatus* status = session(factory, n);
        int failed = fake_has_failed();
        deny_one(0);
        require(status == NULL || failed, "a session must succeed", n);
        if (status == NULL) require_right_numbers(n);
        fake_release(status);
        require(fake_live_objects() == live, "objects must be released", n);
        if (!failed) return n - 1;
    }
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    report = argv[1];
    profile = argv[2];
    OrtEpFactory* factory = NULL;
    size_t count = 7;
    make_graph();
    OrtStatus* status = CreateEpFactories("test", fake_ort("1.31.1"), NULL, &factory, 4, &count);
    require(status == NULL && count == 0, "without providers there is no factory", 0);
    fake_allow_providers(1);
    status = CreateEpFactories("test", fake_ort("1.23.0"), NULL, &factory, 4, &count);
    require(status == NULL && count == 0, "1.23.0 must have no factory", 0);
    status = CreateEpFactories("test", fake_ort("1.31.1"), NULL, &factory, 4, &count);
    require(status == NULL && count == 1, "there must be a factory", 0);
    long allocations = deny(factory, fake_fail_allocation);
    long calls = deny(factory, fake_fail_call);
    require(ReleaseEpFactory(factory) == NULL, "a factory must be released", 0);
    printf("test_provider: sessions survived %ld denied allocations and %ld denied calls\n",
           allocations, calls);
    return 0;
}
