#include "claim/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sizes that stand for unknown ones. */
enum { GUESSED_BATCH = 1, GUESSED_SIZE = 56 };

/* Share of weights that a pointwise layer may keep to be worth a region. */
static const double sparse_enough = 0.7;

int survey_producer(const struct survey* survey, const struct model_node* node, int input) {
    const int value = node->inputs[input];
    return value == MODEL_NO_VALUE ? MODEL_NO_NODE : survey->model->values[value].producer;
}

int64_t survey_numbers(const struct survey* survey, int value) {
    const struct region_shape* shape = &survey->shapes[value];
    const int64_t numbers = shape->rank < 0 ? 0 : region_count(shape);
    return numbers < 0 ? 0 : numbers;
}

static struct region_shape guess_shape(const struct model_value* value) {
    struct region_shape shape = {.rank = value->rank};
    for (int i = 0; i < value->rank; i++) {
        shape.dims[i] = value->dims[i] >= 0 ? value->dims[i]
                        : i == 0            ? GUESSED_BATCH
                                            : GUESSED_SIZE;
    }
    return shape;
}

static void count_readers(struct survey* survey) {
    const struct model* model = survey->model;
    for (int i = 0; i < model->value_count; i++) survey->readers[i] = model->values[i].leaves != 0;
    for (int i = 0; i < model->node_count; i++) {
        const struct model_node* node = &model->nodes[i];
        for (int k = 0; k < node->input_count; k++) {
            if (node->inputs[k] != MODEL_NO_VALUE) survey->readers[node->inputs[k]]++;
        }
    }
}

/* Whether the only computed input comes from a layer that nobody else reads. */
static int follows_layer(const struct survey* survey, const struct model_node* node) {
    for (int i = 0; i < node->input_count; i++) {
        const int producer = survey_producer(survey, node, i);
        if (producer == MODEL_NO_NODE || survey->readers[node->inputs[i]] != 1) continue;
        const struct survey_node* before = &survey->nodes[producer];
        const int is_layer = before->work.kind == REGION_WORK_POINTWISE ||
                             before->work.kind == REGION_WORK_CONV || before->joins;
        if (before->known && is_layer) return 1;
    }
    return 0;
}

/* Fills in what the model does not say of a value's shape. */
static void learn_shape(struct model_value* value, const struct region_shape* sure) {
    if (value->rank < 0 && sure->rank >= 0) {
        value->rank = sure->rank;
        for (int i = 0; i < sure->rank; i++) value->dims[i] = sure->dims[i];
    }
    for (int i = 0; i < value->rank && value->rank == sure->rank; i++) {
        if (value->dims[i] < 0) value->dims[i] = sure->dims[i];
    }
}

/* Room for the shapes of one node's values. */
struct room {
    struct region_shape *inputs, *sure, *outputs;
};

static int ask(struct survey* survey, int number, const struct room* room,
               struct claim_node* result, struct status* status) {
    struct model known = *survey->model;
    known.values = survey->values;
    const struct model* model = &known;
    const struct model_node* node = &model->nodes[number];
    struct survey_node* asked = &survey->nodes[number];
    const struct region_guess guess = {room->inputs, room->sure, room->outputs, &asked->work};
    struct status why;
    for (int i = 0; i < node->input_count; i++) {
        if (node->inputs[i] != MODEL_NO_VALUE) room->inputs[i] = survey->shapes[node->inputs[i]];
    }
    asked->known = region_knows(model, number, &guess, &why);
    if (!asked->known) {
        if (why.code == STATUS_NO_MEMORY) {
            *status = why;
            return 0;
        }
        snprintf(result->reason, sizeof result->reason, "%.*s", CLAIM_REASON_BYTES - 1,
                 why.message);
        return 1;
    }
    for (int i = 0; i < node->output_count; i++) {
        if (node->outputs[i] == MODEL_NO_VALUE) continue;
        struct model_value* value = &survey->values[node->outputs[i]];
        learn_shape(value, &room->sure[i]);
        survey->shapes[node->outputs[i]] =
            room->outputs[i].rank == value->rank ? room->outputs[i] : guess_shape(value);
    }
    asked->is_sparse_op = strcmp(node->domain, "ort_sparse") == 0;
    asked->is_sparse = asked->is_sparse_op ||
                       (asked->work.kind == REGION_WORK_POINTWISE &&
                        (double)asked->work.stored < sparse_enough * (double)asked->work.weights);
    asked->joins = asked->work.kind == REGION_WORK_ELEMENTWISE && follows_layer(survey, node);
    return 1;
}

int survey_make(struct survey* survey, const struct model* model, struct claim_node* nodes,
                struct status* status) {
    size_t most = 1;
    *survey = (struct survey){.model = model};
    for (int i = 0; i < model->node_count; i++) {
        const struct model_node* node = &model->nodes[i];
        if ((size_t)node->input_count > most) most = (size_t)node->input_count;
        if ((size_t)node->output_count > most) most = (size_t)node->output_count;
    }
    survey->nodes = calloc((size_t)model->node_count + 1, sizeof *survey->nodes);
    survey->shapes = calloc((size_t)model->value_count + 1, sizeof *survey->shapes);
    survey->readers = calloc((size_t)model->value_count + 1, sizeof *survey->readers);
    survey->values = malloc((size_t)(model->value_count + 1) * sizeof *survey->values);
    struct region_shape* shapes = malloc(3 * most * sizeof *shapes);
    struct room room = {0};
    int made = survey->nodes != NULL && survey->values != NULL && survey->shapes != NULL &&
               survey->readers != NULL && shapes != NULL;
    if (made) {
        room = (struct room){shapes, shapes + most, shapes + 2 * most};
        count_readers(survey);
        for (int i = 0; i < model->value_count; i++) {
            survey->values[i] = model->values[i];
            survey->shapes[i] = guess_shape(&model->values[i]);
        }
    } else {
        status_fail(status, STATUS_NO_MEMORY, "not enough memory to look at a graph");
    }
    for (int i = 0; made && i < model->node_count; i++) {
        made = ask(survey, i, &room, &nodes[i], status);
    }
    free(shapes);
    return made;
}

void survey_release(struct survey* survey) {
    free(survey->values);
    free(survey->nodes);
    free(survey->shapes);
    free(survey->readers);
}
