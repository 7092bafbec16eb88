#include "case_tensors.h"

#include <math.h>
#include <stdlib.h>

#include "base/tensor.h"

uint32_t draw(struct random* random) {
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

double float_at(const OrtValue* tensor, int64_t i) {
    if (tensor->element_type == TENSOR_FLOAT16) {
        return half_value(((const uint16_t*)tensor->data)[i]);
    }
    return ((const float*)tensor->data)[i];
}

int64_t int_at(const OrtValue* tensor, int64_t i) {
    if (tensor->element_type == TENSOR_UINT8) return ((const uint8_t*)tensor->data)[i];
    if (tensor->element_type == TENSOR_UINT16) return ((const uint16_t*)tensor->data)[i];
    return ((const int32_t*)tensor->data)[i];
}

void set_int(OrtValue* tensor, int64_t i, int64_t value) {
    if (tensor->element_type == TENSOR_UINT8) {
        ((uint8_t*)tensor->data)[i] = (uint8_t)value;
    } else if (tensor->element_type == TENSOR_UINT16) {
        ((uint16_t*)tensor->data)[i] = (uint16_t)value;
    } else if (tensor->element_type == TENSOR_INT32) {
        ((int32_t*)tensor->data)[i] = (int32_t)value;
    }
}

void allocate_data(OrtValue* tensor) {
    size_t bytes = fake_bytes(tensor);
    tensor->data = bytes > 0 ? calloc(1, bytes) : NULL;
    if (bytes > 0 && tensor->data == NULL) abort();
}

void fill_floats(OrtValue* tensor, struct random* random, int special) {
    allocate_data(tensor);
    int64_t count = fake_element_count(tensor);
    for (int64_t i = 0; i < count; i++) {
        if (tensor->element_type == TENSOR_FLOAT16) {
            ((uint16_t*)tensor->data)[i] = draw_half(random, special);
        } else {
            ((float*)tensor->data)[i] = draw_float(random, special);
        }
    }
}
