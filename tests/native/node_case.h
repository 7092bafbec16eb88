/* A node, its tensors and how it is run, decoded from bytes: from any bytes at all, most of which
 * give a valid node, so that a fuzzer gets deep; listed changes then break it. */
#ifndef NODE_CASE_H
#define NODE_CASE_H

#include "fake_ort.h"

/* The bytes in order, before the changes. fuzz/native_seeds.py writes the same. */
struct case_header {
    uint8_t isa;         /* which value ORT_SPARSE_ISA has */
    uint8_t panel_bytes; /* what the L1 cache is said to have, in units of 256 bytes; if odd, the L2
                            is tiny */
    uint8_t block_count, block_rows, columns, many_columns, density;
    uint8_t types; /* bits: float16 values 1, index types 2 4, indptr types 8 16, float16 bias 32 */
    uint8_t parts; /* bits: bias 1, residual 2, in place 4, strides 8, special numbers 16 */
    uint8_t activation;
    uint8_t rank, batch, sizes[3], strides[3];
    uint8_t seed;        /* of the numbers in the tensors */
    uint8_t known_shape; /* what shape inference knows of X */
    uint8_t runtime;     /* version of ONNX Runtime and threading */
    uint8_t failing_allocation, failing_call;
    uint8_t second_batch; /* of a second run; 0: there is none */
};

/* What follows the header, as often as there are bytes. */
struct case_change {
    uint8_t what, where;
    uint8_t value[8]; /* little-endian */
};

enum { CASE_HEADER_BYTES = sizeof(struct case_header), CASE_CHANGE_BYTES = 10, CASE_MAX_RUNS = 2 };

struct node_case {
    const char* isa; /* for the environment; NULL: unset */
    const char* version;
    const char* threading;
    int64_t panel_bytes, l2_bytes;
    int is_valid; /* creating a kernel and running it must succeed */
    int has_special_numbers;
    int in_place;
    long failing_allocation, failing_call;
    struct fake_node node;
    int run_count;
    struct fake_tensor x[CASE_MAX_RUNS], residual[CASE_MAX_RUNS];
    int has_residual;
    char* message; /* FAKE_MESSAGE_BYTES for the last error, or NULL */
};

/* Decodes; what it allocates, release_case frees. Returns 0 if there are too few bytes. */
int decode_case(struct node_case*, const uint8_t* bytes, size_t size);
void release_case(struct node_case*);

/* Runs the whole life of the node's kernel: registration, shape inference, creation, runs and
 * destruction, and aborts with a message where anything is wrong: a valid node that is refused, an
 * error without a failure, a wrong number in Y, a byte written outside it, or an object of the
 * runtime that is not released. Returns whether every step succeeded. */
int run_case(const struct node_case*, int threads);

/* The largest error of a Y of a run without special numbers, as a share of the magnitudes added. */
double compare_with_oracle(const struct node_case*, const struct fake_tensor* x,
                           const struct fake_tensor* residual, const struct fake_tensor* y);

#endif
