#include "node_case.h"

#include <stdlib.h>
#include <string.h>

#include "case_tensors.h"
#include "op/sparse_conv.h"

_Static_assert(sizeof(struct case_header) == 24 && CASE_CHANGES == 12,
               "fuzz/native_seeds.py writes as many");

/* --- Weights. */

static void give_constant(OrtKernelInfo* node, int input, int element_type, size_t rank,
                          int64_t first, int64_t second) {
    node->inputs[input] = (struct fake_input){
        .given = 1,
        .constant = 1,
        .tensor = {.element_type = element_type, .rank = rank, .dims = {first, second}},
    };
}

static int index_type(int choice, int64_t largest) {
    if (choice == 0 || largest > UINT16_MAX) return TENSOR_INT32;
    return choice == 1 || largest > UINT8_MAX ? TENSOR_UINT16 : TENSOR_UINT8;
}

static void make_weights(OrtKernelInfo* node, const struct case_header* header, int64_t columns,
                         int64_t block_rows, struct random* random) {
    int64_t block_count = 1 + header->block_count % 24, blocks = 0;
    if (columns > 100) block_count = 1 + header->block_count % 8;
    int32_t* indices = calloc((size_t)(block_count * columns), sizeof *indices);
    int32_t* indptr = calloc((size_t)block_count + 1, sizeof *indptr);
    if (indices == NULL || indptr == NULL) abort();
    for (int64_t b = 0; b < block_count; b++) {
        uint32_t density = draw(random) % 8 == 0 ? 0 : header->density;
        for (int64_t k = 0; k < columns; k++) {
            if (draw(random) % 256 < density) indices[blocks++] = (int32_t)k;
        }
        indptr[b + 1] = (int32_t)blocks;
    }
    give_constant(node, SPARSE_CONV_VALUES,
                  header->types & CASE_FLOAT16_VALUES ? TENSOR_FLOAT16 : TENSOR_FLOAT, 2, blocks,
                  block_rows);
    give_constant(node, SPARSE_CONV_INDICES,
                  index_type(header->types / CASE_INDEX_TYPE % 4, columns), 1, blocks, 0);
    give_constant(node, SPARSE_CONV_INDPTR,
                  index_type(header->types / CASE_INDPTR_TYPE % 4, blocks), 1, block_count + 1, 0);
    fill_floats(&node->inputs[SPARSE_CONV_VALUES].tensor, random,
                (header->parts & CASE_SPECIAL_NUMBERS) != 0);
    allocate_data(&node->inputs[SPARSE_CONV_INDICES].tensor);
    allocate_data(&node->inputs[SPARSE_CONV_INDPTR].tensor);
    for (int64_t i = 0; i < blocks; i++)
        set_int(&node->inputs[SPARSE_CONV_INDICES].tensor, i, indices[i]);
    for (int64_t i = 0; i <= block_count; i++)
        set_int(&node->inputs[SPARSE_CONV_INDPTR].tensor, i, indptr[i]);
    free(indices);
    free(indptr);
}

/* --- Attributes. */

static OrtOpAttr* add_attribute(OrtKernelInfo* node, const char* name, enum fake_kind kind) {
    OrtOpAttr* added = &node->attributes[node->attribute_count++];
    *added = (OrtOpAttr){.name = name, .kind = kind, .text = "", .count = 1};
    return added;
}

static void add_attributes(OrtKernelInfo* node, const struct case_header* header, int64_t columns,
                           int64_t block_rows, size_t spatial) {
    add_attribute(node, "in_channels", FAKE_ATTRIBUTE_INT)->ints[0] = columns;
    if (block_rows != 1)
        add_attribute(node, "block_rows", FAKE_ATTRIBUTE_INT)->ints[0] = block_rows;
    if (header->parts & CASE_STRIDES) {
        OrtOpAttr* strides = add_attribute(node, "strides", FAKE_ATTRIBUTE_INTS);
        strides->count = spatial;
        for (size_t i = 0; i < spatial; i++) strides->ints[i] = 1 + header->strides[i] % 4;
    }
    enum activation activation = header->activation % ACTIVATION_COUNT;
    add_attribute(node, "activation", FAKE_ATTRIBUTE_STRING)->text = activation_name(activation);
    if (activation == ACTIVATION_CLIP) {
        add_attribute(node, "activation_min", FAKE_ATTRIBUTE_FLOAT)->number = -0.5f;
        add_attribute(node, "activation_max", FAKE_ATTRIBUTE_FLOAT)->number = 6.0f;
    } else if (activation == ACTIVATION_LEAKY_RELU) {
        add_attribute(node, "activation_alpha", FAKE_ATTRIBUTE_FLOAT)->number = 0.1f;
    }
}

int64_t case_int(const OrtKernelInfo* node, const char* name, int64_t otherwise) {
    const OrtOpAttr* found = fake_attribute(node, name);
    return found != NULL ? found->ints[0] : otherwise;
}

int64_t case_rows(const OrtKernelInfo* node) {
    return (node->inputs[SPARSE_CONV_INDPTR].tensor.dims[0] - 1) * case_int(node, "block_rows", 1);
}

int64_t case_stride(const OrtKernelInfo* node, size_t axis) {
    const OrtOpAttr* strides = fake_attribute(node, "strides");
    return strides != NULL && strides->count > 0 ? strides->ints[axis] : 1;
}

/* --- Decoding. */

static void choose_environment(struct node_case* c, const struct case_header* header) {
    static const char* const isas[] = {NULL,       "avx512", "avx2", "sse2",
                                       "portable", "neon",   "",     "mmx"};
    static const char* const versions[] = {"1.17.3", "1.31.1", "1.18.0", "1.16.9", "2", ""};
    c->isa = isas[header->isa % 8];
    c->l1_bytes = (1 + header->l1) * 256;
    c->l2_bytes = header->l1 % 2 != 0 ? 1 << 10 : 1 << 20;
    const int new_enough = header->runtime < CASE_OLD_RUNTIMES;
    c->version = versions[header->runtime % (new_enough ? 3 : 6)];
    static const char* const threadings[] = {NULL, "session", "openmp", "a threading that is not"};
    c->threading =
        header->runtime & CASE_CONFIGURED ? threadings[header->runtime / CASE_THREADING % 4] : NULL;
    /* Not every CPU has every instruction set. */
    c->is_valid = (c->isa == NULL || c->isa[0] == 0 || strcmp(c->isa, "portable") == 0) &&
                  new_enough && (c->threading == NULL || c->threading[0] != 'a');
    c->failing_allocation = header->failing_allocation;
    c->failing_call = header->failing_call;
}

static void make_run(struct node_case* c, int run, const struct case_header* header,
                     int64_t columns, int64_t batch, struct random* random) {
    size_t rank = 2 + header->rank % 4;
    int special = (header->parts & CASE_SPECIAL_NUMBERS) != 0;
    OrtValue* x = &c->x[run];
    *x = (OrtValue){.element_type = TENSOR_FLOAT, .rank = rank, .dims = {batch, columns}};
    OrtValue* residual = &c->residual[run];
    *residual = *x;
    residual->dims[1] = case_rows(&c->node);
    for (size_t i = 2; i < rank; i++) {
        int64_t size = header->sizes[i - 2] % (i == rank - 1 ? 64 : 12);
        if (columns > 100 && size > 20) size = 20;
        x->dims[i] = size;
        int64_t stride = case_stride(&c->node, i - 2);
        residual->dims[i] = (size + stride - 1) / stride;
    }
    /* Most are small, so that a fuzzer gets many done. */
    int64_t most = header->seed % 128 == 0 ? 8192 : 512;
    while (fake_element_count(x) > most || fake_element_count(residual) > most) {
        x->dims[0] = residual->dims[0] /= 2;
        if (x->dims[0] > 0) continue;
        x->dims[0] = residual->dims[0] = 1;
        for (size_t i = 2; i < rank; i++) x->dims[i] = residual->dims[i] = i == rank - 1 ? 8 : 1;
        break;
    }
    for (size_t i = 2; i < rank; i++) {
        int64_t stride = case_stride(&c->node, i - 2);
        residual->dims[i] = (x->dims[i] + stride - 1) / stride;
    }
    fill_floats(x, random, special);
    fill_floats(residual, random, special);
}

static void describe_x(struct node_case* c, const struct case_header* header) {
    struct fake_input* x = &c->node.inputs[SPARSE_CONV_X];
    *x = (struct fake_input){.given = 1, .tensor = c->x[0]};
    x->tensor.data = NULL;
    for (size_t i = 0; i < x->tensor.rank; i++) {
        if (header->unknown & CASE_UNKNOWN_SIZE << i) x->tensor.dims[i] = -1;
    }
    if (header->unknown & CASE_UNKNOWN_RANK) x->tensor.rank = 0;
}

int decode_case(struct node_case* c, const uint8_t* bytes, size_t size) {
    struct case_header header;
    if (size < sizeof header) return 0;
    memcpy(&header, bytes, sizeof header);
    memset(c, 0, sizeof *c);
    choose_environment(c, &header);
    c->has_special_numbers = (header.parts & CASE_SPECIAL_NUMBERS) != 0;
    struct random random = {0x9E3779B97F4A7C15u * (header.seed + 1u)};
    static const int64_t heights[] = {1, 1, 2, 4, 3, 6, 8, 16};
    int64_t block_rows = heights[header.block_rows % 8];
    int64_t columns = 1 + header.columns % 70;
    if (header.many_columns > 240) columns = 1 + header.columns + 90 * (header.many_columns - 240);
    OrtKernelInfo* node = &c->node;
    node->name = "node";
    node->input_count = SPARSE_CONV_INPUT_COUNT;
    add_attributes(node, &header, columns, block_rows, header.rank % 4);
    make_weights(node, &header, columns, block_rows, &random);
    int float_type = header.types & CASE_FLOAT16_ROWS ? TENSOR_FLOAT16 : TENSOR_FLOAT;
    for (int input = SPARSE_CONV_BIAS; input <= SPARSE_CONV_SLOPE; input++) {
        if (input == SPARSE_CONV_RESIDUAL ||
            (input == SPARSE_CONV_BIAS && !(header.parts & CASE_BIAS)) ||
            (input == SPARSE_CONV_SLOPE &&
             header.activation % ACTIVATION_COUNT != ACTIVATION_PRELU)) {
            continue;
        }
        give_constant(node, input, float_type, 1, case_rows(node), 0);
        fill_floats(&node->inputs[input].tensor, &random, c->has_special_numbers);
    }
    c->has_residual = (header.parts & CASE_RESIDUAL) != 0;
    c->in_place = c->has_residual && (header.parts & CASE_IN_PLACE);
    node->inputs[SPARSE_CONV_RESIDUAL].given = c->has_residual;
    c->run_count = header.second_batch != 0 ? 2 : 1;
    for (int run = 0; run < c->run_count; run++) {
        int64_t batch = run == 0 ? header.batch % 12 : header.second_batch % 12;
        make_run(c, run, &header, columns, batch, &random);
    }
    describe_x(c, &header);
    for (size_t at = sizeof header; at + CASE_CHANGE_BYTES <= size; at += CASE_CHANGE_BYTES) {
        struct case_change change;
        memcpy(&change, bytes + at, sizeof change);
        change_case(c, &change);
    }
    return 1;
}

void release_case(struct node_case* c) {
    for (int i = SPARSE_CONV_VALUES; i < SPARSE_CONV_INPUT_COUNT; i++)
        free(c->node.inputs[i].tensor.data);
    for (int run = 0; run < CASE_MAX_RUNS; run++) {
        free(c->x[run].data);
        free(c->residual[run].data);
    }
}
