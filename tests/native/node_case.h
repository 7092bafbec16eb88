/* A node, its tensors and how it is run, decoded from bytes: from any bytes at all, most of which
 * give a valid node, so that a fuzzer gets deep; listed changes then break it. */
#ifndef NODE_CASE_H
#define NODE_CASE_H

#include "fake_ort.h"

/* The bytes in order, before the changes. fuzz/native_seeds.py writes the same. */
struct case_header {
    uint8_t isa; /* which value ORT_SPARSE_ISA has */
    uint8_t l1;  /* size of the L1 cache; if odd, the L2 is tiny */
    uint8_t block_count, block_rows, columns, many_columns, density;
    uint8_t types; /* enum case_types */
    uint8_t parts; /* enum case_parts */
    uint8_t activation;
    uint8_t rank, batch, sizes[3], strides[3];
    uint8_t seed;    /* of the numbers in the tensors */
    uint8_t unknown; /* enum case_unknown: what shape inference does not know of X */
    uint8_t runtime; /* version of ONNX Runtime, and enum case_runtime */
    uint8_t failing_allocation, failing_call;
    uint8_t second_batch; /* of a second run; 0: there is none */
};

enum case_types {
    CASE_FLOAT16_VALUES = 1,
    CASE_INDEX_TYPE = 2,   /* two bits: int32; at most uint16; as small as possible, twice */
    CASE_INDPTR_TYPE = 8,  /* likewise */
    CASE_FLOAT16_ROWS = 32 /* bias and slope */
};

enum case_parts {
    CASE_BIAS = 1,
    CASE_RESIDUAL = 2,
    CASE_IN_PLACE = 4,
    CASE_STRIDES = 8,
    CASE_SPECIAL_NUMBERS = 16,
};

enum case_unknown {
    CASE_UNKNOWN_SIZE = 1, /* times 2 ** axis */
    CASE_UNKNOWN_RANK = 128,
};

enum case_runtime {
    CASE_CONFIGURED = 8,     /* a session configuration entry chooses the threading */
    CASE_THREADING = 16,     /* two bits of which */
    CASE_OLD_RUNTIMES = 192, /* from this number on, there are too old ones too */
};

/* What follows the header, as often as there are bytes. */
struct case_change {
    uint8_t what; /* enum case_what, modulo their number */
    uint8_t where;
    uint8_t value[8]; /* little-endian */
};

enum case_what {
    CHANGE_ATTRIBUTE,
    CHANGE_ATTRIBUTE_TYPE,
    CHANGE_ATTRIBUTE_NAME,
    CHANGE_INDICES,
    CHANGE_INDPTR,
    CHANGE_CONSTANT,
    DROP_INPUT,
    COMPUTE_INPUT, /* no longer a constant */
    CHANGE_INPUT_COUNT,
    CHANGE_EXPECTED_X, /* its shape when the kernel is created */
    CHANGE_X,          /* when it runs */
    CHANGE_RESIDUAL,
    CASE_CHANGES
};

enum { CASE_HEADER_BYTES = sizeof(struct case_header), CASE_CHANGE_BYTES = 10, CASE_MAX_RUNS = 2 };

struct node_case {
    const char* isa; /* for the environment; NULL: unset */
    const char* version;
    const char* threading;
    int64_t l1_bytes, l2_bytes;
    int is_valid; /* creating a kernel and running it must succeed */
    int has_special_numbers;
    int in_place;
    long failing_allocation, failing_call;
    OrtKernelInfo node;
    int run_count;
    OrtValue x[CASE_MAX_RUNS], residual[CASE_MAX_RUNS];
    int has_residual;
    OrtStatus* error; /* takes the last error, or NULL */
};

/* Decodes; what it allocates, release_case frees. Returns 0 if there are too few bytes. */
int decode_case(struct node_case*, const uint8_t* bytes, size_t size);
void release_case(struct node_case*);

/* case_changes.c: makes a case invalid, or valid in another way. */
void change_case(struct node_case*, const struct case_change*);

/* run_case.c: runs the whole life of the node's kernel: registration, shape inference, creation,
 * runs and destruction, and aborts with a message where anything is wrong: a valid node that is
 * refused, an error without a failure, a wrong number in Y, a byte written outside it, or an object
 * of the runtime that is not released. Returns whether every step succeeded. */
int run_case(const struct node_case*, int threads);

/* case_oracle.c: the largest error of a Y of a run without special numbers, as a share of the
 * magnitudes added. */
double compare_with_oracle(const struct node_case*, const OrtValue* x, const OrtValue* residual,
                           const OrtValue* y);

/* Of a node whose attributes have the right types. */
int64_t case_rows(const OrtKernelInfo*);
int64_t case_stride(const OrtKernelInfo*, size_t axis);
int64_t case_int(const OrtKernelInfo*, const char* name, int64_t otherwise);

#endif
