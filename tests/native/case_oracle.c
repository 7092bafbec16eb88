/* A case as the oracle wants it: everything widened. */
#include <math.h>
#include <stdlib.h>

#include "base/tensor.h"
#include "case_tensors.h"
#include "node_case.h"
#include "op/sparse_conv.h"
#include "oracle.h"

static float* widen_floats(const struct fake_input* input) {
    if (!input->given) return NULL;
    int64_t count = fake_element_count(&input->tensor);
    float* floats = fake_allocate((size_t)count, sizeof *floats);
    for (int64_t i = 0; i < count; i++) floats[i] = (float)float_at(&input->tensor, i);
    return floats;
}

static int32_t* widen_ints(const struct fake_input* input) {
    int64_t count = fake_element_count(&input->tensor);
    int32_t* ints = fake_allocate((size_t)count, sizeof *ints);
    for (int64_t i = 0; i < count; i++) ints[i] = (int32_t)int_at(&input->tensor, i);
    return ints;
}

static float float_attribute(const OrtKernelInfo* node, const char* name, float otherwise) {
    const OrtOpAttr* found = fake_attribute(node, name);
    return found != NULL ? found->number : otherwise;
}

static enum activation activation_of(const OrtKernelInfo* node) {
    struct status unused;
    enum activation found = ACTIVATION_NONE;
    const OrtOpAttr* attribute = fake_attribute(node, "activation");
    if (attribute != NULL) activation_from_name(attribute->text, &found, &unused);
    return found;
}

static struct spmm_shape shape_of(const OrtKernelInfo* node, const OrtValue* x) {
    struct spmm_shape shape = {.batch = x->dims[0], .input_size = {1, 1, 1}, .stride = {1, 1, 1}};
    const size_t missing = SPMM_AXES + 2 - x->rank;
    for (size_t axis = 2; axis < x->rank; axis++) {
        shape.input_size[missing + axis - 2] = x->dims[axis];
        shape.stride[missing + axis - 2] = case_stride(node, axis - 2);
    }
    return shape;
}

static struct view view_of_tensor(const OrtValue* tensor) {
    const int64_t planes = tensor->dims[0] * tensor->dims[1];
    return view_of(tensor->data, tensor->dims[1], fake_element_count(tensor) / planes);
}

double compare_with_oracle(const struct node_case* c, const OrtValue* x, const OrtValue* residual,
                           const OrtValue* y) {
    const OrtKernelInfo* node = &c->node;
    const struct fake_input* inputs = node->inputs;
    const struct fake_input absent = {.given = 0};
    const int has_bias = node->input_count > SPARSE_CONV_BIAS;
    const int has_slope = node->input_count > SPARSE_CONV_SLOPE;
    float* values = widen_floats(&inputs[SPARSE_CONV_VALUES]);
    float* bias = widen_floats(has_bias ? &inputs[SPARSE_CONV_BIAS] : &absent);
    float* slope = widen_floats(has_slope ? &inputs[SPARSE_CONV_SLOPE] : &absent);
    int32_t* indices = widen_ints(&inputs[SPARSE_CONV_INDICES]);
    int32_t* indptr = widen_ints(&inputs[SPARSE_CONV_INDPTR]);
    const struct block_csr matrix = {
        .rows = case_rows(node),
        .columns = x->dims[1],
        .block_rows = case_int(node, "block_rows", 1),
        .values = values,
        .indices = indices,
        .indptr = indptr,
    };
    const struct epilogue epilogue = {
        .activation = activation_of(node),
        .minimum = float_attribute(node, "activation_min", -INFINITY),
        .maximum = float_attribute(node, "activation_max", INFINITY),
        .alpha = float_attribute(node, "activation_alpha", 0.01f),
        .bias = bias,
        .slope = slope,
    };
    const struct spmm_shape shape = shape_of(node, x);
    struct spmm_operands operands = {.x = view_of_tensor(x), .y = view_of_tensor(y)};
    if (residual != NULL) operands.residual = view_of_tensor(residual);
    const double worst = oracle_worst_error(&matrix, &epilogue, &shape, &operands);
    free(values);
    free(bias);
    free(slope);
    free(indices);
    free(indptr);
    return worst;
}
