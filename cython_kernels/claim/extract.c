#include "claim/extract.h"

#include <stdlib.h>

int extract_init(struct extract* extract, const struct model* model) {
    const size_t values = (size_t)model->value_count + 1;
    *extract = (struct extract){.model = *model};
    extract->nodes = malloc((size_t)(model->node_count + 1) * sizeof *extract->nodes);
    extract->inputs = malloc(values * sizeof *extract->inputs);
    extract->outputs = malloc(values * sizeof *extract->outputs);
    extract->seen = calloc(2 * values, sizeof *extract->seen);
    return extract->nodes != NULL && extract->inputs != NULL && extract->outputs != NULL &&
           extract->seen != NULL;
}

void extract_release(struct extract* extract) {
    free(extract->nodes);
    free(extract->inputs);
    free(extract->outputs);
    free(extract->seen);
}

/* Inputs of a node that the region does not compute itself. */
static void add_inputs(struct extract* extract, int region, const int* region_of,
                       const struct model_node* node) {
    const struct model_value* values = extract->model.values;
    for (int i = 0; i < node->input_count; i++) {
        const int value = node->inputs[i];
        if (value == MODEL_NO_VALUE || values[value].constant.given) continue;
        const int producer = values[value].producer;
        if (producer != MODEL_NO_NODE && region_of[producer] == region) continue;
        if (extract->seen[2 * value] == region + 1) continue;
        extract->seen[2 * value] = region + 1;
        extract->inputs[extract->input_count++] = value;
    }
}

void extract_region(struct extract* extract, const struct survey* survey, int region,
                    const int* region_of, const int* members, int member_count) {
    const struct model* model = survey->model;
    int* read_inside = extract->seen; /* [2 * value + 1]: times, while this region is looked at */
    extract->input_count = extract->output_count = 0;
    for (int m = 0; m < member_count; m++) {
        const struct model_node* node = &model->nodes[members[m]];
        extract->nodes[m] = *node;
        add_inputs(extract, region, region_of, node);
        for (int i = 0; i < node->input_count; i++) {
            if (node->inputs[i] != MODEL_NO_VALUE) read_inside[2 * node->inputs[i] + 1]++;
        }
    }
    for (int m = 0; m < member_count; m++) {
        const struct model_node* node = &model->nodes[members[m]];
        for (int i = 0; i < node->output_count; i++) {
            const int value = node->outputs[i];
            if (value == MODEL_NO_VALUE) continue;
            if (survey->readers[value] > read_inside[2 * value + 1]) {
                extract->outputs[extract->output_count++] = value;
            }
        }
    }
    for (int m = 0; m < member_count; m++) {
        const struct model_node* node = &model->nodes[members[m]];
        for (int i = 0; i < node->input_count; i++) {
            if (node->inputs[i] != MODEL_NO_VALUE) read_inside[2 * node->inputs[i] + 1] = 0;
        }
    }
    extract->model.nodes = extract->nodes;
    extract->model.node_count = member_count;
}
