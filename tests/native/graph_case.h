/* A graph, its inputs and how it is run, decoded from bytes: from any bytes at all, most of which
 * give a graph that ONNX Runtime would run, so that a fuzzer gets deep; listed changes then break
 * it. */
#ifndef GRAPH_CASE_H
#define GRAPH_CASE_H

#include "base/isa.h"
#include "claim/claim.h"
#include "graph_oracle.h"
#include "model/model.h"

/* The first bytes, in order. fuzz/graph_seeds.py writes the same. Then come nodes: an operator, and
 * as many bytes as it takes; the changes are at the end. */
struct graph_header {
    uint8_t isa;
    uint8_t mode; /* above 239: what is faster, or nothing; else everything is claimed */
    uint8_t rank, batch, channels, height, width;
    uint8_t second_batch, second_size; /* of a second run, added to those of the first; both 0:
                                          there is none */
    uint8_t unknown;                   /* enum graph_unknown: what the model does not say */
    uint8_t numbers;                   /* seed; if above 239, some are NaN or huge */
    uint8_t changes;                   /* how many, modulo 4 */
    uint8_t failing_allocation;
};

enum graph_unknown {
    GRAPH_UNKNOWN_BATCH = 1,
    GRAPH_UNKNOWN_PLANE = 2,
    GRAPH_UNKNOWN_SOME = 4,
    GRAPH_UNKNOWN_RANK = 8,
};

enum { GRAPH_CHANGE_BYTES = 6 };

struct graph_change {
    uint8_t what; /* modulo the number of changes there are */
    uint8_t node, where;
    uint8_t exponent, value; /* a number: value, or a power of two near it */
    uint8_t other;
};

enum {
    GRAPH_MOST_NODES = 14,
    GRAPH_MOST_VALUES = 120,
    GRAPH_MOST_INPUTS = 6,
    GRAPH_MOST_OUTPUTS = 4,
    GRAPH_MOST_ATTRIBUTES = 8,
    GRAPH_MOST_NUMBERS = 16, /* in an attribute */
    GRAPH_MOST_RUNS = 2,
};

struct graph_attribute {
    int64_t ints[GRAPH_MOST_NUMBERS];
    float floats[GRAPH_MOST_NUMBERS];
};

struct graph_case {
    const struct isa* isa;
    enum claim_mode mode;
    int is_changed; /* the oracle did not see what the library is given */
    long failing_allocation;
    struct model model;
    struct model_value values[GRAPH_MOST_VALUES];
    struct model_node nodes[GRAPH_MOST_NODES];
    struct model_attribute attributes[GRAPH_MOST_NODES][GRAPH_MOST_ATTRIBUTES];
    struct graph_attribute numbers[GRAPH_MOST_NODES][GRAPH_MOST_ATTRIBUTES];
    int inputs[GRAPH_MOST_NODES][GRAPH_MOST_INPUTS];
    int outputs[GRAPH_MOST_NODES][GRAPH_MOST_OUTPUTS];
    char names[GRAPH_MOST_VALUES][8], node_names[GRAPH_MOST_NODES][8];
    void* constants[GRAPH_MOST_VALUES]; /* their data, in memory of its own */
    int run_count;
    struct oracle_tensor tensors[GRAPH_MOST_RUNS][GRAPH_MOST_VALUES];
};

/* Decodes; what it allocates, graph_release frees. Returns 0 if there are too few bytes. */
int graph_decode(struct graph_case*, const uint8_t* bytes, size_t size);
void graph_release(struct graph_case*);

/* graph_changes.c: makes the model another one. */
void graph_change(struct graph_case*, const struct graph_change*);

/* graph_run.c: claims, creates, plans and runs all regions, and aborts with a message where
 * anything is wrong: a claimed region that cannot be made or planned for shapes that fit, one that
 * is not convex, a wrong number or shape, other bits with other threads or other memory, a float
 * written outside of the outputs. With threads, several run each region at the same time, and
 * each run is shared by so many. Returns whether every step succeeded. */
int graph_run(const struct graph_case*, int threads);

/* Numbers that were compared with the oracle's so far. */
long graph_compared_numbers(void);

/* --- What builds nodes, graph_nodes.c. */

struct graph_bytes {
    const uint8_t* bytes;
    size_t left;
};

/* The next byte, or 0 if there is none; below a bound. */
uint8_t graph_byte(struct graph_bytes*);
int64_t graph_below(struct graph_bytes*, int64_t bound);

/* Adds a node whose inputs are among the first `values`; its outputs are new values. What it is,
 * the bytes say. The counts of the model are those from before if there is no room. */
int graph_add_node(struct graph_case*, struct graph_bytes*);

/* Adds a value, which the node computes that is being added; -1 if there is no room. */
int graph_add_value(struct graph_case*, int producer);

/* A number in [-1, 1], or one of the hostile ones. */
float graph_number(uint32_t* state, int hostile);

#endif
