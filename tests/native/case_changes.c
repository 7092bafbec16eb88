/* Changes that make a node invalid, or valid in another way. */
#include <stdlib.h>
#include <string.h>

#include "case_tensors.h"
#include "node_case.h"
#include "op/sparse_conv.h"

enum { MOST_BYTES = 1 << 20 }; /* of one tensor */

static int64_t value_of(const uint8_t* bytes) {
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--) value = value << 8 | bytes[i];
    return (int64_t)value;
}

/* ONNX Runtime has no tensor with a negative dimension, or whose data is not there. */
static int is_possible(const OrtValue* tensor) {
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
static void reshape(OrtValue* tensor, const OrtValue* wanted) {
    if (!is_possible(wanted)) return;
    size_t old = fake_bytes(tensor);
    OrtValue changed = *wanted;
    allocate_data(&changed);
    size_t size = fake_bytes(&changed);
    for (size_t i = 0; i < size && old > 0; i++) {
        ((char*)changed.data)[i] = ((const char*)tensor->data)[i % old];
    }
    free(tensor->data);
    *tensor = changed;
}

enum property { A_SIZE, THE_RANK, THE_TYPE };

/* What a place of a change means where a tensor is to change: two bits. */
static enum property property_at(int where) {
    const int bits = where >> 6;
    return bits == 0 ? A_SIZE : bits == 1 ? THE_RANK : THE_TYPE;
}

static void change_tensor(OrtValue* tensor, enum property property, int axis, int64_t value) {
    OrtValue wanted = *tensor;
    switch (property) {
        case A_SIZE:
            wanted.dims[axis % FAKE_MAX_RANK] = value;
            break;
        case THE_RANK:
            wanted.rank = (uint64_t)value % (FAKE_MAX_RANK + 1);
            break;
        case THE_TYPE:
            wanted.element_type = (int)((uint64_t)value % 17);
            break;
    }
    reshape(tensor, &wanted);
}

static void change_entry(OrtValue* tensor, int where, int64_t value) {
    int64_t count = fake_element_count(tensor);
    if (count > 0) set_int(tensor, where * (count + 255) / 256 % count, value);
}

static void change_attribute(OrtOpAttr* attribute, int where, int64_t value) {
    static const char* const texts[] = {
        "",
        "none ",
        "relu",
        "prelu",
        "clip",
        "%s%n%p",
        "a name that needs more than the sixty-four bytes that are there for any of them",
    };
    enum { CHANGES_COUNT = 128 };
    uint64_t number = (uint64_t)value;
    switch (attribute->kind) {
        case FAKE_ATTRIBUTE_INT:
            attribute->ints[0] = value;
            break;
        case FAKE_ATTRIBUTE_INTS:
        case FAKE_ATTRIBUTE_FLOATS:
            if (where & CHANGES_COUNT) {
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
        case FAKE_ATTRIBUTE_KINDS:
            break;
    }
}

static void change_expected_x(OrtValue* x, int where, int64_t value) {
    enum { CHANGES_RANK = 128 };
    x->dims[where % FAKE_MAX_RANK] = value;
    if (where & CHANGES_RANK) x->rank = (uint64_t)value % (FAKE_MAX_RANK + 1);
}

void change_case(struct node_case* c, const struct case_change* change) {
    const int where = change->where;
    int64_t value = value_of(change->value);
    OrtKernelInfo* node = &c->node;
    OrtOpAttr* attribute = &node->attributes[where % (int)node->attribute_count];
    struct fake_input* input = &node->inputs[1 + where % (SPARSE_CONV_INPUT_COUNT - 1)];
    int run = where % c->run_count;
    c->is_valid = 0;
    switch ((enum case_what)(change->what % CASE_CHANGES)) {
        case CHANGE_ATTRIBUTE:
            change_attribute(attribute, where, value);
            c->has_special_numbers |= attribute->kind == FAKE_ATTRIBUTE_FLOAT;
            break;
        case CHANGE_ATTRIBUTE_TYPE:
            attribute->kind = (uint64_t)value % FAKE_ATTRIBUTE_KINDS;
            break;
        case CHANGE_ATTRIBUTE_NAME:
            attribute->name = "unknown";
            break;
        case CHANGE_INDICES:
            change_entry(&node->inputs[SPARSE_CONV_INDICES].tensor, where, value);
            break;
        case CHANGE_INDPTR:
            change_entry(&node->inputs[SPARSE_CONV_INDPTR].tensor, where, value);
            break;
        case CHANGE_CONSTANT:
            c->has_special_numbers = 1; /* bytes read as another type */
            if (input->given && input->constant) {
                change_tensor(&input->tensor, property_at(where), where >> 3, value);
            }
            break;
        case DROP_INPUT:
            input->given = 0;
            break;
        case COMPUTE_INPUT:
            input->constant = 0;
            break;
        case CHANGE_INPUT_COUNT:
            node->input_count = (uint64_t)value % (SPARSE_CONV_INPUT_COUNT + 1);
            break;
        case CHANGE_EXPECTED_X:
            change_expected_x(&node->inputs[SPARSE_CONV_X].tensor, where, value);
            break;
        case CHANGE_X:
        case CHANGE_RESIDUAL: {
            OrtValue* tensors = change->what % CASE_CHANGES == CHANGE_X ? c->x : c->residual;
            /* Old bytes may be any number of another type. */
            c->has_special_numbers |= property_at(where) == THE_TYPE;
            change_tensor(&tensors[run], property_at(where), where >> 1, value);
            break;
        }
        case CASE_CHANGES:
            break;
    }
}
