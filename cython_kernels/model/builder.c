#define _GNU_SOURCE /* tdestroy */
#include "model/builder.h"

#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct block {
    struct block* next;
    max_align_t bytes[];
};

struct name {
    const char* text;
    int value;
};

struct model_builder {
    struct model model;
    struct model_node* nodes;
    int value_room, node_room;
    void* names; /* a tree of struct name, by tsearch */
    struct block* blocks;
};

void* model_builder_allocate(struct model_builder* builder, int64_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct block), &bytes)) {
        return NULL;
    }
    struct block* block = calloc(1, bytes);
    if (block == NULL) return NULL;
    block->next = builder->blocks;
    builder->blocks = block;
    return block->bytes;
}

struct model_builder* model_builder_create(int64_t node_count) {
    if (node_count > INT_MAX) return NULL;
    struct model_builder* builder = calloc(1, sizeof *builder);
    if (builder == NULL) return NULL;
    builder->node_room = (int)node_count;
    builder->nodes = model_builder_allocate(builder, node_count, sizeof *builder->nodes);
    if (builder->nodes == NULL) {
        model_builder_destroy(builder);
        return NULL;
    }
    builder->model.nodes = builder->nodes;
    return builder;
}

static void keep(void* name) { (void)name; } /* names lie in blocks */

void model_builder_destroy(struct model_builder* builder) {
    if (builder == NULL) return;
    tdestroy(builder->names, keep);
    free(builder->model.values);
    for (struct block* next; builder->blocks != NULL; builder->blocks = next) {
        next = builder->blocks->next;
        free(builder->blocks);
    }
    free(builder);
}

struct model* model_builder_model(struct model_builder* builder) { return &builder->model; }

static int compare(const void* a, const void* b) {
    return strcmp(((const struct name*)a)->text, ((const struct name*)b)->text);
}

int model_builder_find(const struct model_builder* builder, const char* text) {
    struct name wanted = {.text = text};
    struct name* const* found = tfind(&wanted, &builder->names, compare);
    return found != NULL ? (*found)->value : MODEL_NO_VALUE;
}

static int make_room(struct model_builder* builder) {
    if (builder->model.value_count < builder->value_room) return 1;
    if (builder->value_room > INT_MAX / 2) return 0;
    int room = builder->value_room > 0 ? 2 * builder->value_room : 64;
    struct model_value* values = malloc((size_t)room * sizeof *values);
    if (values == NULL) return 0;
    if (builder->model.value_count > 0) {
        memcpy(values, builder->model.values, (size_t)builder->model.value_count * sizeof *values);
    }
    free(builder->model.values);
    builder->model.values = values;
    builder->value_room = room;
    return 1;
}

int model_builder_add(struct model_builder* builder, const char* text) {
    struct name* name = model_builder_allocate(builder, 1, sizeof *name);
    if (name == NULL || !make_room(builder)) return MODEL_NO_VALUE;
    *name = (struct name){.text = text, .value = builder->model.value_count};
    if (tsearch(name, &builder->names, compare) == NULL) return MODEL_NO_VALUE;
    builder->model.values[name->value] =
        (struct model_value){.name = text, .rank = MODEL_UNKNOWN_RANK, .producer = MODEL_NO_NODE};
    return builder->model.value_count++;
}

static int* no_values(struct model_builder* builder, int64_t count) {
    int* values = model_builder_allocate(builder, count, sizeof *values);
    for (int64_t i = 0; values != NULL && i < count; i++) values[i] = MODEL_NO_VALUE;
    return values;
}

int model_builder_add_node(struct model_builder* builder, int64_t inputs, int64_t outputs,
                           int64_t attributes, struct model_node_parts* parts) {
    if (builder->model.node_count == builder->node_room || inputs > INT_MAX || outputs > INT_MAX ||
        attributes > INT_MAX) {
        return 0;
    }
    parts->inputs = no_values(builder, inputs);
    parts->outputs = no_values(builder, outputs);
    parts->attributes = model_builder_allocate(builder, attributes, sizeof *parts->attributes);
    if (parts->inputs == NULL || parts->outputs == NULL || parts->attributes == NULL) return 0;
    parts->node = &builder->nodes[builder->model.node_count++];
    *parts->node = (struct model_node){
        .name = "",
        .domain = "",
        .op_type = "",
        .input_count = (int)inputs,
        .output_count = (int)outputs,
        .attribute_count = (int)attributes,
        .inputs = parts->inputs,
        .outputs = parts->outputs,
        .attributes = parts->attributes,
    };
    return 1;
}
