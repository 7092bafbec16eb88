/* Calls on tensors and on descriptions of their types. */
#include <string.h>

#include "base/tensor.h"
#include "fake_calls.h"

int64_t fake_element_count(const OrtValue* tensor) {
    int64_t count = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        if (tensor->dims[i] == 0) return 0;
    }
    for (size_t i = 0; i < tensor->rank; i++) count *= tensor->dims[i];
    return count;
}

size_t fake_element_size(int element_type) {
    switch (element_type) {
        case TENSOR_UINT8:
            return 1;
        case TENSOR_UINT16:
        case TENSOR_FLOAT16:
            return 2;
        case TENSOR_FLOAT:
        case TENSOR_INT32:
            return 4;
        default:
            return 8;
    }
}

size_t fake_bytes(const OrtValue* tensor) {
    return (size_t)fake_element_count(tensor) * fake_element_size(tensor->element_type);
}

static OrtStatus* get_data(OrtValue* value, void** out) {
    MAY_FAIL;
    *out = value->data;
    return NULL;
}

OrtStatus* fake_copy_info(const OrtValue* from, OrtTensorTypeAndShapeInfo** out) {
    *out = fake_create_object(sizeof **out);
    if (*out == NULL) return fake_fail_for_memory();
    (*out)->tensor = *from;
    (*out)->tensor.data = NULL;
    return NULL;
}

static OrtStatus* get_type_and_shape(const OrtValue* value, OrtTensorTypeAndShapeInfo** out) {
    MAY_FAIL;
    return fake_copy_info(value, out);
}

static OrtStatus* cast_type_info(const OrtTypeInfo* info, const OrtTensorTypeAndShapeInfo** out) {
    MAY_FAIL;
    *out = &info->of_tensor;
    return NULL;
}

static OrtStatus* create_info(OrtTensorTypeAndShapeInfo** out) {
    MAY_FAIL;
    return fake_copy_info(&(OrtValue){0}, out);
}

static OrtStatus* set_element_type(OrtTensorTypeAndShapeInfo* info, int element_type) {
    MAY_FAIL;
    info->tensor.element_type = element_type;
    return NULL;
}

static OrtStatus* set_dims(OrtTensorTypeAndShapeInfo* info, const int64_t* dims, size_t count) {
    MAY_FAIL;
    if (count > FAKE_MAX_RANK) return fake_fail("too many dimensions");
    info->tensor.rank = count;
    memcpy(info->tensor.dims, dims, count * sizeof *dims);
    return NULL;
}

static OrtStatus* get_element_type(const OrtTensorTypeAndShapeInfo* info, int* out) {
    MAY_FAIL;
    *out = info->tensor.element_type;
    return NULL;
}

static OrtStatus* get_rank(const OrtTensorTypeAndShapeInfo* info, size_t* out) {
    MAY_FAIL;
    *out = info->tensor.rank;
    return NULL;
}

static OrtStatus* get_dims(const OrtTensorTypeAndShapeInfo* info, int64_t* out, size_t count) {
    MAY_FAIL;
    if (count > info->tensor.rank) count = info->tensor.rank;
    memcpy(out, info->tensor.dims, count * sizeof *out);
    return NULL;
}

static OrtStatus* get_symbolic_dims(const OrtTensorTypeAndShapeInfo* info, const char** out,
                                    size_t count) {
    MAY_FAIL;
    for (size_t i = 0; i < count && i < info->tensor.rank; i++) out[i] = "";
    return NULL;
}

static OrtStatus* set_symbolic_dims(OrtTensorTypeAndShapeInfo* info, const char** names,
                                    size_t count) {
    MAY_FAIL;
    if (count != info->tensor.rank) return fake_fail("another number of dimensions");
    for (size_t i = 0; i < count; i++) (void)strlen(names[i]);
    return NULL;
}

static void release_info(OrtTensorTypeAndShapeInfo* info) { fake_release_object(info); }

static void release_type_info(OrtTypeInfo* info) { fake_release_object(info); }

void fake_add_tensor_calls(OrtApi* api) {
    api->GetTensorMutableData = get_data;
    api->GetTensorTypeAndShape = get_type_and_shape;
    api->CastTypeInfoToTensorInfo = cast_type_info;
    api->CreateTensorTypeAndShapeInfo = create_info;
    api->SetTensorElementType = set_element_type;
    api->SetDimensions = set_dims;
    api->GetTensorElementType = get_element_type;
    api->GetDimensionsCount = get_rank;
    api->GetDimensions = get_dims;
    api->GetSymbolicDimensions = get_symbolic_dims;
    api->SetSymbolicDimensions = set_symbolic_dims;
    api->ReleaseTensorTypeAndShapeInfo = release_info;
    api->ReleaseTypeInfo = release_type_info;
}
