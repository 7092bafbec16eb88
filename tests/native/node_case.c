#include "node_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { X, VALUES, INDICES, INDPTR, BIAS, RESIDUAL, SLOPE, INPUT_COUNT };

enum { HAS_BIAS = 1, HAS_RESIDUAL = 2, IN_PLACE = 4, HAS_STRIDES = 8, SPECIAL_NUMBERS = 16 };

enum { MOST_BYTES = 1 << 20 }; /* of one tensor */

static const char* const activations[] = {
    "none", "clip", "hard_swish", "silu", "sigmoid", "leaky_relu", "prelu",
};
enum { ACTIVATION_COUNT = 7, CLIP = 1, LEAKY_RELU = 5, PRELU = 6 };

/* --- Numbers. */

struct random {
    uint64_t state;
};

static uint32_t draw(struct random* random) {
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return (uint32_t)(random->state >> 24);
}

static float draw_float(struct random* random, int special) {
    static const float specials[] = {INFINITY, -INFINITY, NAN, 3e38f, -3e38f, 1e-40f, -0.0f, 0.0f};
    uint32_t bits = draw(random);
    if (special && bits % 8 == 0) return specials[bits / 8 % 8];
    return (float)(bits % 4001) / 1000 - 2;
}

/* A float16 of about the same size, given by its bits. */
static uint16_t draw_half(struct random* random, int special) {
    static const uint16_t specials[] = {0x7C00, 0xFC00, 0x7E00, 0x7BFF, 0x0001, 0x8000, 0, 0x03FF};
    uint32_t bits = draw(random);
    if (special && bits % 8 == 0) return specials[bits / 8 % 8];
    return (uint16_t)(bits % 0x4000 | (bits & 0x10000) >> 1);
}

static double half_value(uint16_t half) {
    int exponent = half >> 10 & 31, mantissa = half & 1023;
    double sign = half & 0x8000 ? -1 : 1;
    if (exponent == 31) return mantissa != 0 ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexp(mantissa, -24);
    return sign * ldexp(mantissa + 1024, exponent - 25);
}

static double float_at(const struct fake_tensor* tensor, int64_t i) {
    if (tensor->element_type == FAKE_FLOAT16) return half_value(((const uint16_t*)tensor->data)[i]);
    return ((const float*)tensor->data)[i];
}

static int64_t int_at(const struct fake_tensor* tensor, int64_t i) {
    if (tensor->element_type == FAKE_UINT8) return ((const uint8_t*)tensor->data)[i];
    if (tensor->element_type == FAKE_UINT16) return ((const uint16_t*)tensor->data)[i];
    return ((const int32_t*)tensor->data)[i];
}

static void set_int(struct fake_tensor* tensor, int64_t i, int64_t value) {
    if (tensor->element_type == FAKE_UINT8) {
        ((uint8_t*)tensor->data)[i] = (uint8_t)value;
    } else if (tensor->element_type == FAKE_UINT16) {
        ((uint16_t*)tensor->data)[i] = (uint16_t)value;
    } else if (tensor->element_type == FAKE_INT32) {
        ((int32_t*)tensor->data)[i] = (int32_t)value;
    }
}

/* --- Tensors. */

/* Exactly as many bytes as there are elements, so that any byte beyond is out of bounds. */
static void allocate_data(struct fake_tensor* tensor) {
    size_t bytes = (size_t)fake_element_count(tensor) * fake_element_size(tensor->element_type);
    tensor->data = bytes > 0 ? calloc(1, bytes) : NULL;
    if (bytes > 0 && tensor->data == NULL) abort();
}

static void fill_floats(struct fake_tensor* tensor, struct random* random, int special) {
    allocate_data(tensor);
    int64_t count = fake_element_count(tensor);
    for (int64_t i = 0; i < count; i++) {
        if (tensor->element_type == FAKE_FLOAT16) {
            ((uint16_t*)tensor->data)[i] = draw_half(random, special);
        } else {
            ((float*)tensor->data)[i] = draw_float(random, special);
        }
    }
}

static void give_constant(struct fake_node* node, int input, int element_type, size_t rank,
                          int64_t first, int64_t second) {
    node->inputs[input] = (struct fake_input){
        .given = 1,
        .constant = 1,
        .tensor = {.element_type = element_type, .rank = rank, .dims = {first, second}},
    };
}

static int index_type(int choice, int64_t largest) {
    if (choice == 0 || largest > UINT16_MAX) return FAKE_INT32;
    return choice == 1 || largest > UINT8_MAX ? FAKE_UINT16 : FAKE_UINT8;
}

static void make_weights(struct fake_node* node, const struct case_header* header, int64_t columns,
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
    give_constant(node, VALUES, header->types & 1 ? FAKE_FLOAT16 : FAKE_FLOAT, 2, blocks,
                  block_rows);
    give_constant(node, INDICES, index_type(header->types >> 1 & 3, columns), 1, blocks, 0);
    give_constant(node, INDPTR, index_type(header->types >> 3 & 3, blocks), 1, block_count + 1, 0);
    fill_floats(&node->inputs[VALUES].tensor, random, (header->parts & SPECIAL_NUMBERS) != 0);
    allocate_data(&node->inputs[INDICES].tensor);
    allocate_data(&node->inputs[INDPTR].tensor);
    for (int64_t i = 0; i < blocks; i++) set_int(&node->inputs[INDICES].tensor, i, indices[i]);
    for (int64_t i = 0; i <= block_count; i++) set_int(&node->inputs[INDPTR].tensor, i, indptr[i]);
    free(indices);
    free(indptr);
}

/* --- Attributes. */

static struct fake_attribute* add_attribute(struct fake_node* node, const char* name,
                                            enum fake_kind kind) {
    struct fake_attribute* added = &node->attributes[node->attribute_count++];
    *added = (struct fake_attribute){.name = name, .kind = kind, .text = "", .count = 1};
    return added;
}

static void add_attributes(struct fake_node* node, const struct case_header* header,
                           int64_t columns, int64_t block_rows, size_t spatial) {
    add_attribute(node, "in_channels", FAKE_ATTRIBUTE_INT)->ints[0] = columns;
    if (block_rows != 1)
        add_attribute(node, "block_rows", FAKE_ATTRIBUTE_INT)->ints[0] = block_rows;
    if (header->parts & HAS_STRIDES) {
        struct fake_attribute* strides = add_attribute(node, "strides", FAKE_ATTRIBUTE_INTS);
        strides->count = spatial;
        for (size_t i = 0; i < spatial; i++) strides->ints[i] = 1 + header->strides[i] % 4;
    }
    int activation = header->activation % ACTIVATION_COUNT;
    add_attribute(node, "activation", FAKE_ATTRIBUTE_STRING)->text = activations[activation];
    if (activation == CLIP) {
        add_attribute(node, "activation_min", FAKE_ATTRIBUTE_FLOAT)->number = -0.5f;
        add_attribute(node, "activation_max", FAKE_ATTRIBUTE_FLOAT)->number = 6.0f;
    } else if (activation == LEAKY_RELU) {
        add_attribute(node, "activation_alpha", FAKE_ATTRIBUTE_FLOAT)->number = 0.1f;
    }
}

static const struct fake_attribute* find_attribute(const struct fake_node* node, const char* name) {
    for (size_t i = 0; i < node->attribute_count; i++) {
        if (strcmp(node->attributes[i].name, name) == 0) return &node->attributes[i];
    }
    return NULL;
}

static int64_t int_attribute(const struct fake_node* node, const char* name, int64_t otherwise) {
    const struct fake_attribute* found = find_attribute(node, name);
    return found != NULL ? found->ints[0] : otherwise;
}

static double float_attribute(const struct fake_node* node, const char* name, double otherwise) {
    const struct fake_attribute* found = find_attribute(node, name);
    return found != NULL ? found->number : otherwise;
}

static int activation_of(const struct fake_node* node) {
    const struct fake_attribute* found = find_attribute(node, "activation");
    for (int i = 0; found != NULL && i < ACTIVATION_COUNT; i++) {
        if (strcmp(found->text, activations[i]) == 0) return i;
    }
    return 0;
}

static int64_t rows_of(const struct fake_node* node) {
    return (node->inputs[INDPTR].tensor.dims[0] - 1) * int_attribute(node, "block_rows", 1);
}

static int64_t stride_of(const struct fake_node* node, size_t axis) {
    const struct fake_attribute* strides = find_attribute(node, "strides");
    return strides != NULL && strides->count > 0 ? strides->ints[axis] : 1;
}

/* --- Changes that make a node invalid, or valid in another way. */

static int64_t value_of(const uint8_t* bytes) {
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--) value = value << 8 | bytes[i];
    return (int64_t)value;
}

/* ONNX Runtime has no tensor with a negative dimension, or whose data is not there. */
static int is_possible(const struct fake_tensor* tensor) {
    int64_t count = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        if (tensor->dims[i] < 0) return 0;
        if (tensor->dims[i] == 0) return 1;
        if (tensor->dims[i] > MOST_BYTES / count) return 0;
        count *= tensor->dims[i];
    }
    return 1;
}

/* Gives a tensor another type or shape and as much data as that needs, the old one repeated. */
static void reshape(struct fake_tensor* tensor, const struct fake_tensor* wanted) {
    if (!is_possible(wanted)) return;
    size_t old = (size_t)fake_element_count(tensor) * fake_element_size(tensor->element_type);
    struct fake_tensor changed = *wanted;
    allocate_data(&changed);
    size_t size = (size_t)fake_element_count(&changed) * fake_element_size(changed.element_type);
    for (size_t i = 0; i < size && old > 0; i++) {
        ((char*)changed.data)[i] = ((const char*)tensor->data)[i % old];
    }
    free(tensor->data);
    *tensor = changed;
}

/* Whether change_tensor gives another type, in which old bytes may be any number. */
static int changes_type(int where) { return where >> 6 > 1; }

static void change_tensor(struct fake_tensor* tensor, int how, int where, int64_t value) {
    struct fake_tensor wanted = *tensor;
    switch (how) {
        case 0:
            wanted.dims[where % FAKE_MAX_RANK] = value;
            break;
        case 1:
            wanted.rank = (uint64_t)value % (FAKE_MAX_RANK + 1);
            break;
        default:
            wanted.element_type = (int)((uint64_t)value % 17);
            break;
    }
    reshape(tensor, &wanted);
}

static void change_entry(struct fake_tensor* tensor, int where, int64_t value) {
    int64_t count = fake_element_count(tensor);
    if (count > 0) set_int(tensor, where * (count + 255) / 256 % count, value);
}

static void change_attribute(struct fake_attribute* attribute, int where, int64_t value) {
    static const char* const texts[] = {
        "",
        "none ",
        "relu",
        "prelu",
        "clip",
        "%s%n%p",
        "a name that needs more than the sixty-four bytes that are there for any of them",
    };
    uint64_t number = (uint64_t)value;
    switch (attribute->kind) {
        case FAKE_ATTRIBUTE_INT:
            attribute->ints[0] = value;
            break;
        case FAKE_ATTRIBUTE_INTS:
        case FAKE_ATTRIBUTE_FLOATS:
            if (where & 128) {
                attribute->count = number % (FAKE_MAX_INTS + 1);
            } else {
                attribute->ints[where % FAKE_MAX_INTS] = value;
            }
            break;
        case FAKE_ATTRIBUTE_FLOAT: /* huge ones magnify the errors that rounding makes */
            memcpy(&attribute->number, &number, sizeof attribute->number);
            break;
        case FAKE_ATTRIBUTE_STRING:
            attribute->text = texts[number % (sizeof texts / sizeof texts[0])];
            break;
    }
}

static void apply_change(struct node_case* c, const struct case_change* change) {
    int64_t value = value_of(change->value);
    struct fake_node* node = &c->node;
    struct fake_attribute* attribute = &node->attributes[change->where % node->attribute_count];
    struct fake_input* input = &node->inputs[1 + change->where % (INPUT_COUNT - 1)];
    int run = change->where % c->run_count;
    c->is_valid = 0;
    switch (change->what % 12) {
        case 0:
            change_attribute(attribute, change->where, value);
            c->has_special_numbers |= attribute->kind == FAKE_ATTRIBUTE_FLOAT;
            break;
        case 1:
            attribute->kind = (uint64_t)value % (FAKE_ATTRIBUTE_STRING + 1);
            break;
        case 2:
            attribute->name = "unknown";
            break;
        case 3:
            change_entry(&node->inputs[INDICES].tensor, change->where, value);
            break;
        case 4:
            change_entry(&node->inputs[INDPTR].tensor, change->where, value);
            break;
        case 5:
            c->has_special_numbers = 1; /* bytes read as another type */
            if (input->given && input->constant) {
                change_tensor(&input->tensor, change->where >> 6, change->where >> 3, value);
            }
            break;
        case 6:
            input->given = 0;
            break;
        case 7:
            input->constant = 0;
            break;
        case 8:
            node->input_count = (uint64_t)value % (INPUT_COUNT + 1);
            break;
        case 9: /* of X when the kernel is created */
            node->inputs[X].tensor.dims[change->where % FAKE_MAX_RANK] = value;
            if (change->where & 128) {
                node->inputs[X].tensor.rank = (uint64_t)value % (FAKE_MAX_RANK + 1);
            }
            break;
        case 10: /* of X when it runs */
            c->has_special_numbers |= changes_type(change->where);
            change_tensor(&c->x[run], change->where >> 6, change->where >> 1, value);
            break;
        case 11:
            c->has_special_numbers |= changes_type(change->where);
            change_tensor(&c->residual[run], change->where >> 6, change->where >> 1, value);
            break;
    }
}

/* --- Decoding. */

static void choose_environment(struct node_case* c, const struct case_header* header) {
    static const char* const isas[] = {NULL,       "avx512", "avx2", "sse2",
                                       "portable", "neon",   "",     "mmx"};
    static const char* const versions[] = {"1.17.3", "1.31.1", "1.18.0", "1.16.9", "2", ""};
    c->isa = isas[header->isa % 8];
    c->panel_bytes = header->panel_bytes * 256 < 12 << 10 ? 12 << 10 : header->panel_bytes * 256;
    c->l2_bytes = header->panel_bytes % 2 != 0 ? 1 << 10 : 1 << 20;
    c->version =
        header->runtime < 192 ? versions[header->runtime % 3] : versions[header->runtime % 6];
    static const char* const threadings[] = {NULL, "session", "openmp", "a threading that is not"};
    c->threading = header->runtime & 8 ? threadings[header->runtime / 16 % 4] : NULL;
    /* Not every CPU has every instruction set. */
    c->is_valid = (c->isa == NULL || c->isa[0] == 0 || strcmp(c->isa, "portable") == 0) &&
                  header->runtime < 192 && (c->threading == NULL || c->threading[0] != 'a');
    c->failing_allocation = header->failing_allocation;
    c->failing_call = header->failing_call;
}

static void make_run(struct node_case* c, int run, const struct case_header* header,
                     int64_t columns, int64_t batch, struct random* random) {
    size_t rank = 2 + header->rank % 4;
    int special = (header->parts & SPECIAL_NUMBERS) != 0;
    struct fake_tensor* x = &c->x[run];
    *x = (struct fake_tensor){.element_type = FAKE_FLOAT, .rank = rank, .dims = {batch, columns}};
    struct fake_tensor* residual = &c->residual[run];
    *residual = *x;
    residual->dims[1] = rows_of(&c->node);
    for (size_t i = 2; i < rank; i++) {
        int64_t size = header->sizes[i - 2] % (i == rank - 1 ? 64 : 12);
        if (columns > 100 && size > 20) size = 20;
        x->dims[i] = size;
        int64_t stride = stride_of(&c->node, i - 2);
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
        int64_t stride = stride_of(&c->node, i - 2);
        residual->dims[i] = (x->dims[i] + stride - 1) / stride;
    }
    fill_floats(x, random, special);
    fill_floats(residual, random, special);
}

static void describe_x(struct node_case* c, const struct case_header* header) {
    struct fake_input* x = &c->node.inputs[X];
    *x = (struct fake_input){.given = 1, .tensor = c->x[0]};
    x->tensor.data = NULL;
    for (size_t i = 0; i < x->tensor.rank; i++) {
        if (header->known_shape >> i & 1) x->tensor.dims[i] = -1;
    }
    if (header->known_shape & 128) x->tensor.rank = 0;
}

int decode_case(struct node_case* c, const uint8_t* bytes, size_t size) {
    struct case_header header;
    if (size < sizeof header) return 0;
    memcpy(&header, bytes, sizeof header);
    memset(c, 0, sizeof *c);
    choose_environment(c, &header);
    c->has_special_numbers = (header.parts & SPECIAL_NUMBERS) != 0;
    struct random random = {0x9E3779B97F4A7C15u * (header.seed + 1u)};
    static const int64_t heights[] = {1, 1, 2, 4, 3, 6, 8, 16};
    int64_t block_rows = heights[header.block_rows % 8];
    int64_t columns = 1 + header.columns % 70;
    if (header.many_columns > 240) columns = 1 + header.columns + 90 * (header.many_columns - 240);
    struct fake_node* node = &c->node;
    node->name = "node";
    node->input_count = INPUT_COUNT;
    add_attributes(node, &header, columns, block_rows, header.rank % 4);
    make_weights(node, &header, columns, block_rows, &random);
    int float_type = header.types & 32 ? FAKE_FLOAT16 : FAKE_FLOAT;
    for (int input = BIAS; input <= SLOPE; input++) {
        if (input == RESIDUAL || (input == BIAS && !(header.parts & HAS_BIAS)) ||
            (input == SLOPE && activation_of(node) != PRELU)) {
            continue;
        }
        give_constant(node, input, float_type, 1, rows_of(node), 0);
        fill_floats(&node->inputs[input].tensor, &random, c->has_special_numbers);
    }
    c->has_residual = (header.parts & HAS_RESIDUAL) != 0;
    c->in_place = c->has_residual && (header.parts & IN_PLACE);
    node->inputs[RESIDUAL].given = c->has_residual;
    c->run_count = header.second_batch != 0 ? 2 : 1;
    for (int run = 0; run < c->run_count; run++) {
        int64_t batch = run == 0 ? header.batch % 12 : header.second_batch % 12;
        make_run(c, run, &header, columns, batch, &random);
    }
    describe_x(c, &header);
    for (size_t at = sizeof header; at + CASE_CHANGE_BYTES <= size; at += CASE_CHANGE_BYTES) {
        struct case_change change;
        memcpy(&change, bytes + at, sizeof change);
        apply_change(c, &change);
    }
    return 1;
}

void release_case(struct node_case* c) {
    for (int i = VALUES; i < INPUT_COUNT; i++) free(c->node.inputs[i].tensor.data);
    for (int run = 0; run < CASE_MAX_RUNS; run++) {
        free(c->x[run].data);
        free(c->residual[run].data);
    }
}

/* --- The oracle. */

static double activate(const struct fake_node* node, int activation, int64_t row, double v) {
    switch (activation) {
        case CLIP: {
            double low = float_attribute(node, "activation_min", -INFINITY);
            double high = float_attribute(node, "activation_max", INFINITY);
            return v < low ? low : v > high ? high : v;
        }
        case 2: {
            double gate = v / 6 + 0.5;
            return v * (gate < 0 ? 0 : gate > 1 ? 1 : gate);
        }
        case 3:
            return v / (1 + exp(-v));
        case 4:
            return 1 / (1 + exp(-v));
        case LEAKY_RELU:
            return v < 0 ? v * float_attribute(node, "activation_alpha", 0.01f) : v;
        case PRELU:
            return v < 0 ? v * float_at(&node->inputs[SLOPE].tensor, row) : v;
        default:
            return v;
    }
}

/* Where output pixel p of an image lies in X's image. */
static int64_t source_pixel(const struct fake_node* node, const struct fake_tensor* x, int64_t p) {
    int64_t offset = 0, scale = 1;
    for (size_t axis = x->rank - 1; axis >= 2; axis--) {
        int64_t stride = stride_of(node, axis - 2), size = (x->dims[axis] + stride - 1) / stride;
        offset += p % size * stride * scale;
        p /= size;
        scale *= x->dims[axis];
    }
    return offset;
}

double compare_with_oracle(const struct node_case* c, const struct fake_tensor* x,
                           const struct fake_tensor* residual, const struct fake_tensor* y) {
    const struct fake_node* node = &c->node;
    const struct fake_tensor* values = &node->inputs[VALUES].tensor;
    const struct fake_tensor* bias = &node->inputs[BIAS].tensor;
    int64_t block_rows = int_attribute(node, "block_rows", 1), rows = rows_of(node);
    int64_t plane = fake_element_count(y) / y->dims[0] / rows;
    int64_t input_plane = fake_element_count(x) / x->dims[0] / x->dims[1];
    int has_bias = node->input_count > BIAS && node->inputs[BIAS].given;
    int activation = activation_of(node);
    double worst = 0;
    for (int64_t i = 0; i < fake_element_count(y); i++) {
        int64_t image = i / plane / rows, row = i / plane % rows;
        const float* pixel = (const float*)x->data + image * x->dims[1] * input_plane +
                             source_pixel(node, x, i % plane);
        double sum = has_bias ? float_at(bias, row) : 0;
        if (residual != NULL) sum += float_at(residual, i);
        double magnitude = fabs(sum) + 1e-3;
        int64_t block = row / block_rows;
        int64_t end = int_at(&node->inputs[INDPTR].tensor, block + 1);
        for (int64_t j = int_at(&node->inputs[INDPTR].tensor, block); j < end; j++) {
            double weight = float_at(values, j * block_rows + row % block_rows);
            int64_t channel = int_at(&node->inputs[INDICES].tensor, j);
            double term = weight * pixel[channel * input_plane];
            sum += term;
            magnitude += fabs(term);
        }
        double expected = activate(node, activation, row, sum);
        double error = fabs(((const float*)y->data)[i] - expected) / (magnitude + fabs(expected));
        if (!(error <= worst)) worst = error;
    }
    return worst;
}
