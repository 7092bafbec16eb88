/* Calls on a node: when its kernel is created, and when its shape is inferred. */
#include <string.h>

#include "fake_calls.h"

/* --- Attributes. */

const OrtOpAttr* fake_attribute(const OrtKernelInfo* node, const char* name) {
    for (size_t i = 0; i < node->attribute_count; i++) {
        if (is_same(node->attributes[i].name, name)) return &node->attributes[i];
    }
    return NULL;
}

static const OrtOpAttr* find_kind(const OrtKernelInfo* node, const char* name,
                                  enum fake_kind kind) {
    const OrtOpAttr* found = fake_attribute(node, name);
    return found != NULL && found->kind == kind ? found : NULL;
}

static OrtStatus* no_such_attribute(void) { return fake_fail("no such attribute"); }

static OrtStatus* attribute_float(const OrtKernelInfo* node, const char* name, float* out) {
    MAY_FAIL;
    const OrtOpAttr* found = find_kind(node, name, FAKE_ATTRIBUTE_FLOAT);
    if (found == NULL) return no_such_attribute();
    *out = found->number;
    return NULL;
}

static OrtStatus* attribute_int(const OrtKernelInfo* node, const char* name, int64_t* out) {
    MAY_FAIL;
    const OrtOpAttr* found = find_kind(node, name, FAKE_ATTRIBUTE_INT);
    if (found == NULL) return no_such_attribute();
    *out = found->ints[0];
    return NULL;
}

static OrtStatus* attribute_text(const OrtKernelInfo* node, const char* name, char* out,
                                 size_t* size) {
    MAY_FAIL;
    const OrtOpAttr* found = find_kind(node, name, FAKE_ATTRIBUTE_STRING);
    return found == NULL ? no_such_attribute() : fake_copy_text(found->text, out, size);
}

/* As in ONNX Runtime, an attribute of another type looks like an empty list. */
static OrtStatus* list_attribute(const OrtKernelInfo* node, const char* name, enum fake_kind kind,
                                 const OrtOpAttr** found, size_t* count, size_t room) {
    *found = fake_attribute(node, name);
    if (*found == NULL) return no_such_attribute();
    *count = (*found)->kind == kind ? (*found)->count : 0;
    return room < *count ? fake_fail("the buffer is too small") : NULL;
}

static OrtStatus* attribute_ints(const OrtKernelInfo* node, const char* name, int64_t* out,
                                 size_t* count) {
    MAY_FAIL;
    const OrtOpAttr* found;
    size_t room = out == NULL ? SIZE_MAX : *count;
    OrtStatus* status = list_attribute(node, name, FAKE_ATTRIBUTE_INTS, &found, count, room);
    if (status == NULL && out != NULL) memcpy(out, found->ints, *count * sizeof *out);
    return status;
}

static OrtStatus* attribute_floats(const OrtKernelInfo* node, const char* name, float* out,
                                   size_t* count) {
    MAY_FAIL;
    const OrtOpAttr* found;
    size_t room = out == NULL ? SIZE_MAX : *count;
    OrtStatus* status = list_attribute(node, name, FAKE_ATTRIBUTE_FLOATS, &found, count, room);
    if (status == NULL && out != NULL) memset(out, 0, *count * sizeof *out);
    return status;
}

/* --- Inputs. */

static OrtStatus* no_such_input(void) { return fake_fail("no such input"); }

static OrtStatus* node_input_count(const OrtKernelInfo* node, size_t* out) {
    MAY_FAIL;
    *out = node->input_count;
    return NULL;
}

static OrtStatus* node_input_name(const OrtKernelInfo* node, size_t index, char* out,
                                  size_t* size) {
    MAY_FAIL;
    if (index >= node->input_count) return no_such_input();
    return fake_copy_text(node->inputs[index].given ? "input" : "", out, size);
}

static OrtStatus* node_input_type(const OrtKernelInfo* node, size_t index, OrtTypeInfo** out) {
    MAY_FAIL;
    if (index >= node->input_count) return no_such_input();
    *out = fake_create_object(sizeof **out);
    if (*out == NULL) return fake_fail_for_memory();
    (*out)->of_tensor.tensor = node->inputs[index].tensor;
    (*out)->of_tensor.tensor.data = NULL;
    return NULL;
}

static OrtStatus* node_name(const OrtKernelInfo* node, char* out, size_t* size) {
    MAY_FAIL;
    return fake_copy_text(node->name, out, size);
}

static OrtStatus* constant_input(const OrtKernelInfo* node, size_t index, int* is_constant,
                                 const OrtValue** out) {
    MAY_FAIL;
    if (index >= node->input_count) return no_such_input();
    *is_constant = node->inputs[index].constant;
    *out = *is_constant ? &node->inputs[index].tensor : NULL;
    return NULL;
}

/* --- Shape inference, in a context that the API declares constant throughout. */

static OrtStatus* infer_input(const OrtShapeInferContext* context, size_t index,
                              OrtTensorTypeAndShapeInfo** out) {
    MAY_FAIL;
    const OrtKernelInfo* node = context->node;
    if (index >= node->input_count || !node->inputs[index].given) return no_such_input();
    /* It stays the context's. */
    *out = &((OrtShapeInferContext*)context)->inputs[index];
    (*out)->tensor = node->inputs[index].tensor;
    (*out)->tensor.data = NULL;
    return NULL;
}

static OrtStatus* infer_attribute(const OrtShapeInferContext* context, const char* name,
                                  const OrtOpAttr** out) {
    MAY_FAIL;
    *out = fake_attribute(context->node, name);
    return *out == NULL ? no_such_attribute() : NULL;
}

static OrtStatus* read_attribute(const OrtOpAttr* attribute, int type, void* data, size_t size,
                                 size_t* out) {
    MAY_FAIL;
    size_t count = attribute->count;
    if (type == ORT_OP_ATTR_INT && attribute->kind == FAKE_ATTRIBUTE_INT) {
        count = 1;
    } else if (type != ORT_OP_ATTR_INTS || attribute->kind != FAKE_ATTRIBUTE_INTS) {
        return fake_fail("the attribute has another type");
    }
    *out = count * sizeof(int64_t);
    if (size < *out) return fake_fail("the buffer is too small");
    memcpy(data, attribute->ints, *out);
    return NULL;
}

static OrtStatus* set_inferred(const OrtShapeInferContext* context, size_t index,
                               const OrtTensorTypeAndShapeInfo* info) {
    MAY_FAIL;
    if (index != 0) return fake_fail("no such output");
    ((OrtShapeInferContext*)context)->y = *info;
    return NULL;
}

void fake_add_node_calls(OrtApi* api) {
    api->KernelInfoGetAttribute_float = attribute_float;
    api->KernelInfoGetAttribute_int64 = attribute_int;
    api->KernelInfoGetAttribute_string = attribute_text;
    api->KernelInfoGetAttributeArray_float = attribute_floats;
    api->KernelInfoGetAttributeArray_int64 = attribute_ints;
    api->KernelInfo_GetInputCount = node_input_count;
    api->KernelInfo_GetInputName = node_input_name;
    api->KernelInfo_GetInputTypeInfo = node_input_type;
    api->KernelInfo_GetNodeName = node_name;
    api->KernelInfoGetConstantInput_tensor = constant_input;
    api->ShapeInferContext_GetInputTypeShape = infer_input;
    api->ShapeInferContext_GetAttribute = infer_attribute;
    api->ShapeInferContext_SetOutputTypeShape = set_inferred;
    api->ReadOpAttr = read_attribute;
}
