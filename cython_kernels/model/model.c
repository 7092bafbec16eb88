#include "model/model.h"

#include <string.h>

const struct model_attribute* model_attribute(const struct model_node* node, const char* name) {
    for (int i = 0; i < node->attribute_count; i++) {
        if (strcmp(node->attributes[i].name, name) == 0) return &node->attributes[i];
    }
    return NULL;
}

int model_is(const struct model_node* node, const char* op_type) {
    return node->domain[0] == '\0' && strcmp(node->op_type, op_type) == 0;
}

int model_input(const struct model_node* node, int index) {
    return index < node->input_count ? node->inputs[index] : MODEL_NO_VALUE;
}

int model_output(const struct model_node* node, int index) {
    return index < node->output_count ? node->outputs[index] : MODEL_NO_VALUE;
}

int64_t model_int(const struct model_node* node, const char* name, int64_t otherwise) {
    const struct model_attribute* found = model_attribute(node, name);
    return found != NULL && found->type == MODEL_ATTRIBUTE_INTS && found->count == 1
               ? found->ints[0]
               : otherwise;
}

float model_float(const struct model_node* node, const char* name, float otherwise) {
    const struct model_attribute* found = model_attribute(node, name);
    return found != NULL && found->type == MODEL_ATTRIBUTE_FLOATS && found->count == 1
               ? found->floats[0]
               : otherwise;
}

const char* model_string(const struct model_node* node, const char* name, const char* otherwise) {
    const struct model_attribute* found = model_attribute(node, name);
    return found != NULL && found->type == MODEL_ATTRIBUTE_STRING ? found->string : otherwise;
}
