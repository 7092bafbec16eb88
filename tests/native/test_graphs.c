/* Regions of random graphs: run by threads at the same time, or with every allocation failing once,
 * each of which comes back as a status and leaks nothing (LeakSanitizer
 * looks when the program ends), and the next try succeeds.
 *
 * Usage: test_graphs [graphs [threads]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_ort.h"
#include "graph_case.h"

enum { BYTES = 160 };

static void make_bytes(uint8_t* bytes, uint32_t* state) {
    for (int i = 0; i < BYTES; i++) {
        *state = *state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(*state >> 24);
    }
    struct graph_header* h = (struct graph_header*)bytes;
    h->mode = 0;
    h->changes = 0;
    h->batch |= 1; /* of some images */
    if (h->numbers > 239) h->numbers = 0;
}

/* Where shapes do not fit, as those of a second run may not, that is a failure too. */
static int deny_allocations(const struct graph_case* c, int number) {
    const int succeeds = graph_run(c, 0);
    for (int n = 1;; n++) {
        fake_fail_allocation(n);
        graph_run(c, 0);
        const int failed = fake_has_failed();
        fake_fail_allocation(0);
        if (!failed) return n - 1;
        if (n % 16 == 1 && graph_run(c, 0) != succeeds) {
            fprintf(stderr, "test_graphs: the next try must succeed, but not of %d\n", number);
            exit(1);
        }
    }
}

/* Sizes whose sums and products do not fit, which only a hostile model says. */
static void claim_absurd_sizes(void) {
    static const int64_t sizes[] = {INT64_MAX / 2, INT64_MAX, (int64_t)1 << 32};
    static struct graph_case c;
    struct status status;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const int inputs[] = {0, 0}, outputs[] = {1};
        const struct model_value value = {
            .name = "x", .element_type = TENSOR_FLOAT, .rank = 4, .producer = MODEL_NO_NODE};
        c = (struct graph_case){.isa = isa_request("portable", &status), .is_changed = 1};
        c.model = (struct model){2, 1, c.values, c.nodes};
        c.values[0] = c.values[1] = value;
        c.values[1].producer = 0;
        c.values[1].leaves = 1;
        for (int axis = 0; axis < 4; axis++) {
            c.values[0].dims[axis] = c.values[1].dims[axis] = axis % 2 ? sizes[i] : 1;
        }
        c.nodes[0] = (struct model_node){.name = "sum", .domain = "", .op_type = "Add"};
        c.nodes[0].since_version = 13;
        c.nodes[0].input_count = 2;
        c.nodes[0].output_count = 1;
        c.nodes[0].inputs = inputs;
        c.nodes[0].outputs = outputs;
        graph_run(&c, 0);
    }
}

/* A shape whose product does not fit, with one size to work out. */
static void claim_absurd_reshape(void) {
    static const int64_t wanted[] = {1 << 30, 1 << 30, 1 << 30, -1};
    static struct graph_case c;
    struct status status;
    const int inputs[] = {0, 1}, outputs[] = {2};
    c = (struct graph_case){.isa = isa_request("portable", &status), .is_changed = 1};
    c.model = (struct model){3, 1, c.values, c.nodes};
    for (int i = 0; i < 3; i++) {
        c.values[i] = (struct model_value){.name = "x", .rank = i == 1 ? 1 : 4};
        c.values[i].element_type = i == 1 ? TENSOR_INT64 : TENSOR_FLOAT;
        c.values[i].producer = i == 2 ? 0 : MODEL_NO_NODE;
        for (int axis = 0; axis < 4; axis++) c.values[i].dims[axis] = 4;
    }
    c.values[1].constant = (struct tensor){
        .given = 1, .data = wanted, .element_type = TENSOR_INT64, .rank = 1, .dims = {4}};
    c.values[2].leaves = 1;
    c.nodes[0] = (struct model_node){.name = "reshape", .domain = "", .op_type = "Reshape"};
    c.nodes[0].since_version = 13;
    c.nodes[0].input_count = 2;
    c.nodes[0].output_count = 1;
    c.nodes[0].inputs = inputs;
    c.nodes[0].outputs = outputs;
    graph_run(&c, 0);
}

/* A rank that is not that of the operator that computes the value. */
static void claim_contradicting_rank(void) {
    static const int values[] = {0, 1, 2};
    static const char* const types[] = {"Relu", "AveragePool"};
    static const int64_t sizes[] = {2, 2};
    static const struct model_attribute kernel = {
        .name = "kernel_shape", .type = MODEL_ATTRIBUTE_INTS, .count = 2, .ints = sizes};
    static struct graph_case c;
    struct status status;
    c = (struct graph_case){.isa = isa_request("portable", &status), .is_changed = 1};
    c.mode = CLAIM_ALL;
    c.model = (struct model){3, 2, c.values, c.nodes};
    for (int i = 0; i < 3; i++) {
        c.values[i] = (struct model_value){
            .name = "x", .element_type = TENSOR_FLOAT, .rank = i == 0 ? 5 : 4, .producer = i - 1};
        for (int axis = 0; axis < 5; axis++) c.values[i].dims[axis] = 4;
    }
    c.values[2].leaves = 1;
    for (int i = 0; i < 2; i++) {
        c.nodes[i] = (struct model_node){.name = types[i], .domain = "", .op_type = types[i]};
        c.nodes[i].since_version = 13;
        c.nodes[i].input_count = c.nodes[i].output_count = 1;
        c.nodes[i].inputs = &values[i];
        c.nodes[i].outputs = &values[i + 1];
    }
    c.nodes[1].attribute_count = 1;
    c.nodes[1].attributes = &kernel;
    graph_run(&c, 0);
}

/* Layers between wide planes, which are computed depth first: as fuzz/graph_seeds.py writes them.
 */
static void make_chain(uint8_t* bytes) {
    static const uint8_t header[] = {0, 0, 1, 1, 4, 138, 246, 0, 0, 0, 7, 0, 0};
    static const uint8_t pointwise[] = {0, 0, 11, 5, 1, 3, 4, 0};
    static const uint8_t depthwise[] = {0, 0, 8, 0, 2, 2, 5, 6, 34, 0, 0, 1, 1, 1, 1};
    memset(bytes, 255, BYTES); /* then nodes that are given no bytes end the graph */
    memcpy(bytes, header, sizeof header);
    bytes += sizeof header;
    for (int i = 0; i < 2; i++) {
        memcpy(bytes, pointwise, sizeof pointwise);
        memcpy(bytes + sizeof pointwise, depthwise, sizeof depthwise);
        bytes += sizeof pointwise + sizeof depthwise;
    }
}

int main(int argc, char** argv) {
    const int graphs = argc > 1 ? atoi(argv[1]) : 40, threads = argc > 2 ? atoi(argv[2]) : 0;
    int failures = 0, nodes = 0;
    uint32_t state = 1;
    static struct graph_case c;
    claim_absurd_sizes();
    claim_absurd_reshape();
    claim_contradicting_rank();
    for (int number = 0; number < graphs; number++) {
        uint8_t bytes[BYTES];
        if (number == 0) {
            make_chain(bytes);
        } else {
            make_bytes(bytes, &state);
        }
        graph_decode(&c, bytes, sizeof bytes);
        nodes += c.model.node_count;
        if (threads > 0) {
            /* ThreadSanitizer does not see accesses of more than 16 bytes. */
            struct status status;
            c.isa = isa_request("portable", &status);
            graph_run(&c, threads);
        } else {
            failures += deny_allocations(&c, number);
        }
        graph_release(&c);
    }
    printf("test_graphs: %d graphs of %d nodes survived %d failures, %ld numbers were right\n",
           graphs, nodes, failures, graph_compared_numbers());
    return 0;
}
