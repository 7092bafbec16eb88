/* What fuzzing has found, as nodes that anyone can read: each is refused with a message, or run,
 * and the sanitizers see nothing.
 *
 * Usage: test_bad_nodes
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_case.h"
#include "op/sparse_conv.h"

static void set_int(OrtKernelInfo* node, const char* name, int64_t value) {
    for (size_t i = 0; i < node->attribute_count; i++) {
        if (strcmp(node->attributes[i].name, name) == 0) node->attributes[i].ints[0] = value;
    }
}

/* A hundred bytes that would want gigabytes for the bias. */
static void huge_block_rows(struct node_case* c) {
    set_int(&c->node, "block_rows", INT32_MAX);
    c->node.inputs[SPARSE_CONV_VALUES].tensor.dims[1] = INT32_MAX;
}

/* Hundreds of thousands of slabs for each row. */
static void huge_in_channels(struct node_case* c) { set_int(&c->node, "in_channels", INT32_MAX); }

static void too_many_cells(struct node_case* c) {
    set_int(&c->node, "in_channels", 1 << 24);
    c->node.inputs[SPARSE_CONV_INDPTR].tensor.dims[0] = 1 << 10;
}

static void empty_bias(struct node_case* c) {
    OrtValue* bias = &c->node.inputs[SPARSE_CONV_BIAS].tensor;
    free(bias->data);
    bias->data = NULL;
    bias->dims[0] = 0;
}

/* Shape inference multiplied and added without a look at the numbers. */
static void inferred_overflow(struct node_case* c) {
    OrtKernelInfo* node = &c->node;
    set_int(node, "block_rows", INT64_MAX);
    set_int(node, "strides", INT64_MAX);
    node->inputs[SPARSE_CONV_X].tensor.dims[2] = INT64_MAX;
    node->inputs[SPARSE_CONV_INDPTR].tensor.dims[0] = INT64_MAX;
    node->inputs[SPARSE_CONV_INDPTR].constant = 0;
}

/* On an X of which shape inference was told. */
static void must_run(struct node_case* c) {
    OrtValue* expected = &c->node.inputs[SPARSE_CONV_X].tensor;
    *expected = c->x[0];
    expected->data = NULL;
    c->is_valid = 1;
}

/* An empty tensor may have any other size, such as one to which no stride can be added. */
static void empty_x_of_any_size(struct node_case* c) {
    c->x[0].dims[0] = c->residual[0].dims[0] = 0;
    c->x[0].dims[2] = INT64_MAX;
    c->residual[0].dims[2] = INT64_MAX / 2 + 1;
    must_run(c);
}

/* The same with axes that overflow where they are multiplied before the one of no pixel. */
static void empty_x_of_huge_axes(struct node_case* c) {
    OrtValue* x = &c->x[0];
    OrtValue* residual = &c->residual[0];
    x->rank = residual->rank = 5;
    c->node.attributes[2].count = 3; /* strides */
    for (int i = 2; i < 4; i++) {
        x->dims[i] = INT64_MAX;
        residual->dims[i] = INT64_MAX / 2 + 1;
        c->node.attributes[2].ints[i - 1] = 2;
    }
    x->dims[4] = residual->dims[4] = 0;
    must_run(c);
}

static const struct {
    const char* name;
    void (*change)(struct node_case*);
    const char* message; /* a part of it; NULL: the node runs */
} cases[] = {
    {"huge block_rows", huge_block_rows, "block_rows: must lie in 1..64"},
    {"huge in_channels", huge_in_channels, "in_channels: must lie in 1..2**24"},
    {"too many cells", too_many_cells, "must have at most 2**31-1 cells"},
    {"empty bias", empty_bias, "bias: must have 32 entries"},
    {"overflow in shape inference", inferred_overflow, "strides: must lie in 1..2**31-1"},
    {"empty X of any size", empty_x_of_any_size, NULL},
    {"empty X of huge axes", empty_x_of_huge_axes, NULL},
};

/* 8 blocks of 4 rows, 10 channels, strides of 2 along the one spatial axis. */
static const struct case_header header = {
    .block_count = 7,
    .block_rows = 3,
    .columns = 9,
    .density = 128,
    .parts = CASE_BIAS | CASE_RESIDUAL | CASE_STRIDES,
    .rank = 1,
    .runtime = 1, /* the newest ONNX Runtime */
    .batch = 2,
    .sizes = {9},
    .strides = {1},
};

int main(void) {
    int wrong = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct node_case c;
        decode_case(&c, (const uint8_t*)&header, sizeof header);
        c.is_valid = 0;
        cases[i].change(&c);
        OrtStatus error = {.code = 0};
        c.error = &error;
        int ran = run_case(&c, 0);
        const char* expected = cases[i].message;
        int refused = !ran && error.code == ORT_INVALID_ARGUMENT &&
                      strstr(error.message, expected != NULL ? expected : "") != NULL;
        if (expected == NULL ? !ran : !refused) {
            fprintf(stderr, "test_bad_nodes: %s: must give '%s', but gave '%s', code %d\n",
                    cases[i].name, expected != NULL ? expected : "no error", error.message,
                    error.code);
            wrong = 1;
        }
        release_case(&c);
    }
    if (!wrong) printf("test_bad_nodes: every bad node is refused\n");
    return wrong;
}
