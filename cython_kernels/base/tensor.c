#include "base/tensor.h"

#include <string.h>

#include "base/memory.h"

/* Widens an IEEE 754 binary16; exact. */
static float half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 31, mantissa = half & 1023, bits;
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24 */
        float magnitude = (float)mantissa * 5.9604644775390625e-8f;
        return sign != 0 ? -magnitude : magnitude;
    }
    if (exponent == 31) {
        bits = sign | 0x7F800000 | mantissa << 13;
    } else {
        bits = sign | (exponent + 112) << 23 | mantissa << 13;
    }
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

float tensor_float_at(const struct tensor* tensor, int64_t index) {
    if (tensor->element_type == TENSOR_FLOAT16) {
        return half_to_float(((const uint16_t*)tensor->data)[index]);
    }
    return ((const float*)tensor->data)[index];
}

int64_t tensor_index_at(const struct tensor* tensor, int64_t index) {
    switch (tensor->element_type) {
        case TENSOR_UINT8:
            return ((const uint8_t*)tensor->data)[index];
        case TENSOR_UINT16:
            return ((const uint16_t*)tensor->data)[index];
        case TENSOR_INT64:
            return ((const int64_t*)tensor->data)[index];
        default:
            return ((const int32_t*)tensor->data)[index];
    }
}

float* tensor_widen_floats(const struct tensor* tensor, int64_t count) {
    float* floats = memory_allocate(count, sizeof *floats);
    if (floats == NULL) return NULL;
    for (int64_t i = 0; i < count; i++) floats[i] = tensor_float_at(tensor, i);
    return floats;
}

int32_t* tensor_widen_indices(const struct tensor* tensor, int64_t count) {
    int32_t* indices = memory_allocate(count, sizeof *indices);
    if (indices == NULL) return NULL;
    for (int64_t i = 0; i < count; i++) indices[i] = (int32_t)tensor_index_at(tensor, i);
    return indices;
}
