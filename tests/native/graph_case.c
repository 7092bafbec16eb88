/* Bytes to a graph and its tensors. */
#include "graph_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_ort.h"

uint8_t graph_byte(struct graph_bytes* b) {
    if (b->left == 0) return 0;
    b->left--;
    return *b->bytes++;
}

int64_t graph_below(struct graph_bytes* b, int64_t bound) { return graph_byte(b) % bound; }

float graph_number(uint32_t* state, int hostile) {
    static const float specials[] = {NAN,    INFINITY, -INFINITY, 1e38f, -3e38f,
                                     1e-40f, -0.0f,    1e20f,     88.0f, -104.0f};
    *state = *state * 1664525u + 1013904223u;
    if (hostile && (*state >> 8) % 7 == 0) return specials[(*state >> 16) % 10];
    return (float)(int32_t)(*state >> 8) / (float)(1 << 23) - 1.0f;
}

int graph_add_value(struct graph_case* c, int producer) {
    const int number = c->model.value_count;
    if (number == GRAPH_MOST_VALUES) return -1;
    snprintf(c->names[number], sizeof c->names[number], "v%d", number);
    c->values[number] = (struct model_value){
        .name = c->names[number],
        .element_type = TENSOR_FLOAT,
        .producer = producer,
    };
    c->model.value_count++;
    return number;
}

/* --- Inputs. */

static const struct isa* choose_isa(uint8_t byte) {
    const char* const* names = isa_supported_names();
    struct status status;
    int count = 0;
    while (names[count] != NULL) count++;
    return isa_request(names[byte % count], &status);
}

/* A byte of an input's width. */
enum { WIDE = 244, WIDE_PIXELS = 56 /* from which on layers are computed depth first */ };

/* Few pixels for half of all bytes: their vectors and tiles are ends, and they cost little. */
static int64_t size_of(uint8_t byte, int64_t most) {
    return 1 + (byte < 128 ? byte % 5 : byte % most);
}

static void make_input(struct graph_case* c, int run, const struct graph_header* h) {
    const int64_t dims[MODEL_MAX_RANK] = {
        h->batch % 4 + (run ? h->second_batch % 5 : 0),
        size_of(h->channels, 24),
        size_of(h->height, 11) + (run ? h->second_size % 6 : 0),
        (h->width < WIDE ? size_of(h->width, 19) : WIDE_PIXELS + h->width - WIDE) +
            (run ? h->second_size / 6 % 6 : 0),
        2,
    };
    struct oracle_tensor* x = &c->tensors[run][0];
    uint32_t state = h->numbers;
    oracle_allocate(x, 2 + (h->rank + 1) % 4, dims);
    for (int64_t i = 0; i < x->count; i++) {
        const float number = graph_number(&state, h->numbers > 239);
        x->values[i] = isfinite(number) ? number : 0;
        x->bounds[i] = isfinite(number) ? 0 : INFINITY;
    }
}

/* --- What the model says. */

static void say_shape(struct graph_case* c, int number, uint8_t unknown, uint32_t state) {
    struct model_value* value = &c->values[number];
    const struct oracle_tensor *first = &c->tensors[0][number], *second = &c->tensors[1][number];
    if (value->constant.given || !first->known) return;
    value->rank = first->rank;
    for (int i = 0; i < first->rank; i++) {
        int is_known = !second->known || second->dims[i] == first->dims[i];
        if ((unknown & GRAPH_UNKNOWN_BATCH) && i == 0) is_known = 0;
        if ((unknown & GRAPH_UNKNOWN_PLANE) && i >= 2) is_known = 0;
        if ((unknown & GRAPH_UNKNOWN_SOME) && (state >> (10 + i)) % 4 == 0) is_known = 0;
        value->dims[i] = is_known ? first->dims[i] : MODEL_UNKNOWN_DIM;
    }
    if ((unknown & GRAPH_UNKNOWN_RANK) && (state >> 16) % 4 == 0) {
        value->rank = MODEL_UNKNOWN_RANK;
    }
}

static void say_leaves(struct graph_case* c, uint32_t state) {
    char is_read[GRAPH_MOST_VALUES] = {0};
    for (int i = 0; i < c->model.node_count; i++) {
        for (int k = 0; k < c->nodes[i].input_count; k++) {
            if (c->nodes[i].inputs[k] != MODEL_NO_VALUE) is_read[c->nodes[i].inputs[k]] = 1;
        }
    }
    for (int i = 0; i < c->model.value_count; i++) {
        state = state * 1664525u + 1013904223u;
        c->values[i].leaves =
            c->values[i].producer != MODEL_NO_NODE && (!is_read[i] || (state >> 16) % 6 == 0);
    }
}

/* Adds a node, and what it computes in the first run; takes it back if it computes nothing. */
static void add_node(struct graph_case* c, struct graph_bytes* b) {
    const int values = c->model.value_count, node = c->model.node_count;
    if (graph_add_node(c, b) &&
        oracle_run_node(&c->model, node, c->tensors[0]) == ORACLE_COMPUTED) {
        return;
    }
    for (int i = values; i < c->model.value_count; i++) {
        oracle_release(&c->tensors[0][i]);
        free(c->constants[i]);
        c->constants[i] = NULL;
    }
    c->model.value_count = values;
    c->model.node_count = node;
}

int graph_decode(struct graph_case* c, const uint8_t* bytes, size_t size) {
    struct graph_header h;
    if (size < sizeof h) return 0;
    memcpy(&h, bytes, sizeof h);
    bytes += sizeof h;
    size -= sizeof h;
    memset(c, 0, sizeof *c);
    c->model = (struct model){.values = c->values, .nodes = c->nodes};
    c->isa = choose_isa(h.isa);
    c->mode = h.mode < 240 ? CLAIM_ALL : h.mode < 252 ? CLAIM_AUTO : CLAIM_OFF;
    c->failing_allocation = h.failing_allocation;
    c->run_count = h.second_batch % 5 == 0 && h.second_size % 36 == 0 ? 1 : 2;
    const size_t changes = (size_t)h.changes % 4;
    const size_t change_bytes = changes * GRAPH_CHANGE_BYTES;
    struct graph_bytes b = {bytes, size > change_bytes ? size - change_bytes : 0};
    graph_add_value(c, MODEL_NO_NODE);
    for (int run = 0; run < c->run_count; run++) make_input(c, run, &h);
    while (b.left > 0 && c->model.node_count < GRAPH_MOST_NODES) add_node(c, &b);
    for (int i = 0; c->run_count == 2 && i < c->model.node_count; i++) {
        oracle_run_node(&c->model, i, c->tensors[1]);
    }
    uint32_t state = h.unknown;
    for (int i = 0; i < c->model.value_count; i++) {
        state = state * 1664525u + 1013904223u;
        say_shape(c, i, h.unknown, state);
    }
    say_leaves(c, state);
    for (size_t i = 0; size >= change_bytes && i < changes; i++) {
        struct graph_change change;
        memcpy(&change, bytes + size - change_bytes + i * GRAPH_CHANGE_BYTES, sizeof change);
        if (c->model.node_count > 0) graph_change(c, &change);
    }
    return 1;
}

void graph_release(struct graph_case* c) {
    for (int i = 0; i < c->model.value_count; i++) {
        free(c->constants[i]);
        for (int run = 0; run < GRAPH_MOST_RUNS; run++) oracle_release(&c->tensors[run][i]);
    }
}
