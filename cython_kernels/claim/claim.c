#include "claim/claim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "claim/cost.h"
#include "claim/extract.h"
#include "claim/partition.h"

static const char* const mode_names[] = {"auto", "all", "off"};

/* What a region may cost of what ONNX Runtime's own way does, to be claimed: predictions err. */
static const double cheap_enough = 0.88;

enum { TRIMS = 4 };

int claim_mode_from_name(const char* name, enum claim_mode* mode, struct status* status) {
    for (int i = 0; i < (int)(sizeof mode_names / sizeof mode_names[0]); i++) {
        if (strcmp(mode_names[i], name) != 0) continue;
        *mode = (enum claim_mode)i;
        return 1;
    }
    return status_fail(status, STATUS_INVALID, "must be one of auto, all, off, but is '%.64s'",
                       name);
}

const char* claim_mode_name(enum claim_mode mode) { return mode_names[mode]; }

static void say(char reason[CLAIM_REASON_BYTES], const char* words) {
    snprintf(reason, CLAIM_REASON_BYTES, "%.*s", CLAIM_REASON_BYTES - 1, words);
}

/* --- The costs of regions. */

struct costing {
    const struct survey* survey;
    const struct isa* isa;
    const int* region_of;
    struct claim_region* regions;
    struct claim_work *custom_sparse, *custom_dense; /* of each region, with custom ops */
};

static int is_layer(const struct survey_node* node) {
    return node->known &&
           (node->work.kind == REGION_WORK_POINTWISE || node->work.kind == REGION_WORK_CONV);
}

/* Adds the changes of layout on the way into a node. */
static void add_borders(const struct costing* costing, int number) {
    const struct survey* survey = costing->survey;
    const struct model_node* node = &survey->model->nodes[number];
    const int region = costing->region_of[number];
    for (int i = 0; i < node->input_count; i++) {
        const int producer = survey_producer(survey, node, i);
        if (producer == MODEL_NO_NODE) continue;
        const int other = costing->region_of[producer];
        const struct survey_node *to = &survey->nodes[number], *from = &survey->nodes[producer];
        const int64_t numbers = survey_numbers(survey, node->inputs[i]);
        if (region != other) {
            if (region != CLAIM_NO_REGION) {
                cost_add_border(&costing->regions[region].region_work, numbers);
            }
            if (other != CLAIM_NO_REGION) {
                cost_add_border(&costing->regions[other].region_work, numbers);
            }
        } else if (region != CLAIM_NO_REGION && to->is_sparse_op != from->is_sparse_op &&
                   is_layer(to) && is_layer(from)) {
            cost_add_border(&costing->custom_dense[region], numbers); /* custom ops change it too */
        }
    }
}

static void add_costs(const struct costing* costing, int region_count) {
    const struct survey* survey = costing->survey;
    for (int i = 0; i < survey->model->node_count; i++) {
        const int region = costing->region_of[i];
        add_borders(costing, i);
        if (region == CLAIM_NO_REGION) continue;
        const struct survey_node* node = &survey->nodes[i];
        struct claim_region* to = &costing->regions[region];
        to->node_count++;
        cost_add_node(&to->region_work, node, COST_REGION);
        cost_add_node(&to->runtime_work, node, COST_RUNTIME);
        if (node->is_sparse_op) {
            cost_add_node(&costing->custom_sparse[region], node, COST_REGION);
        } else {
            cost_add_node(&costing->custom_dense[region], node, COST_RUNTIME);
        }
    }
    for (int r = 0; r < region_count; r++) {
        struct claim_region* region = &costing->regions[r];
        struct claim_cost* cost = &region->cost;
        cost->region = cost_of(&region->region_work, COST_REGION, costing->isa);
        cost->custom_ops = cost_of(&costing->custom_sparse[r], COST_REGION, costing->isa) +
                           cost_of(&costing->custom_dense[r], COST_RUNTIME, costing->isa);
        const int has_sparse_op = costing->custom_sparse[r].amount[CLAIM_NODES] > 0;
        cost->dense =
            has_sparse_op ? -1 : cost_of(&region->runtime_work, COST_RUNTIME, costing->isa);
    }
}

/* --- Which nodes shall be in regions. */

/* Whether no neighbour on one side is in the same region. */
static int is_at_border(const struct survey* survey, const char* taken, const char* is_read,
                        int number) {
    const struct model_node* node = &survey->model->nodes[number];
    int has_producer = 0;
    for (int i = 0; i < node->input_count; i++) {
        const int producer = survey_producer(survey, node, i);
        has_producer |= producer != MODEL_NO_NODE && taken[producer];
    }
    return !has_producer || !is_read[number];
}

/* Gives back nodes at borders that ONNX Runtime runs faster; returns whether there were any. */
static int trim(const struct survey* survey, const struct isa* isa, char* taken, char* is_read,
                struct claim_node* nodes) {
    const struct model* model = survey->model;
    int trimmed = 0;
    memset(is_read, 0, (size_t)model->node_count);
    for (int i = model->node_count - 1; i >= 0; i--) {
        if (!taken[i]) continue;
        for (int k = 0; k < model->nodes[i].input_count; k++) {
            const int producer = survey_producer(survey, &model->nodes[i], k);
            if (producer != MODEL_NO_NODE) is_read[producer] = 1;
        }
    }
    for (int i = 0; i < model->node_count; i++) {
        const struct survey_node* node = &survey->nodes[i];
        if (!taken[i] || node->is_sparse || !is_at_border(survey, taken, is_read, i)) continue;
        struct claim_work here = {{0}}, there = {{0}};
        cost_add_node(&here, node, COST_REGION);
        cost_add_node(&there, node, COST_RUNTIME);
        if (cost_of(&here, COST_REGION, isa) <= cost_of(&there, COST_RUNTIME, isa)) continue;
        taken[i] = 0;
        trimmed = 1;
        say(nodes[i].reason, "it is at a border, and ONNX Runtime is predicted to run it faster");
    }
    return trimmed;
}

/* --- Decisions. */

/* What a region has, beside nodes that only move numbers. */
struct content {
    int sparse, works;
};

static void find_content(const struct survey* survey, const int* region_of,
                         struct content* contents) {
    for (int i = 0; i < survey->model->node_count; i++) {
        if (region_of[i] == CLAIM_NO_REGION) continue;
        contents[region_of[i]].sparse |= survey->nodes[i].is_sparse;
        contents[region_of[i]].works |= survey->nodes[i].work.kind != REGION_WORK_MOVE;
    }
}

static void decide(struct claim_region* region, const struct content* content,
                   enum claim_mode mode) {
    const struct claim_cost* cost = &region->cost;
    const double other = cost->dense >= 0 ? cost->dense : cost->custom_ops;
    if (!content->works) {
        say(region->reason, "its nodes compute nothing");
    } else if (mode == CLAIM_AUTO && !content->sparse) {
        say(region->reason, "it has no sparse layer");
    } else if (mode == CLAIM_AUTO && cost->region > cheap_enough * other) {
        say(region->reason, "it is not predicted to be faster than ONNX Runtime's own way");
    } else {
        region->claimed = 1;
    }
}

/* Plans the region that was extracted for the shapes that the model says. It stays without a plan
 * where these are unknown, do not fit, or memory is short. */
static void plan_region(struct claim_region* region, const struct extract* extract,
                        const struct survey* survey, const struct isa* isa) {
    struct status ignored;
    struct region_shape* shapes = malloc((size_t)(extract->input_count + 1) * sizeof *shapes);
    int known = shapes != NULL;
    for (int i = 0; known && i < extract->input_count; i++) {
        const struct model_value* value = &survey->values[extract->inputs[i]];
        shapes[i].rank = value->rank;
        memcpy(shapes[i].dims, value->dims, sizeof shapes[i].dims);
        for (int axis = 0; axis < value->rank; axis++) known &= value->dims[axis] >= 0;
    }
    if (known) {
        region->made = region_create(&extract->model, extract->inputs, extract->input_count,
                                     extract->outputs, extract->output_count, isa, &ignored);
    }
    if (region->made != NULL) region->plan = region_plan_hold(region->made, shapes, &ignored);
    free(shapes);
}

/* Makes each claimed region as Compile will, so that it cannot fail there. */
static int check_regions(struct claim* claim, const struct survey* survey, const int* region_of,
                         const struct isa* isa, int with_plans) {
    const int count = survey->model->node_count;
    struct extract extract;
    int* first = calloc((size_t)claim->region_count + 2, sizeof *first);
    int* members = malloc((size_t)(count + 1) * sizeof *members);
    const int enough = extract_init(&extract, survey->model) && first != NULL && members != NULL;
    for (int i = 0; enough && i < count; i++) {
        if (region_of[i] != CLAIM_NO_REGION) first[region_of[i] + 2]++;
    }
    for (int i = 2; enough && i < claim->region_count + 2; i++) first[i] += first[i - 1];
    for (int i = 0; enough && i < count; i++) { /* then first[r + 1] ends region r */
        if (region_of[i] != CLAIM_NO_REGION) members[first[region_of[i] + 1]++] = i;
    }
    for (int r = 0; enough && r < claim->region_count; r++) {
        struct status why;
        if (!claim->regions[r].claimed) continue;
        extract_region(&extract, survey, r, region_of, members + first[r], first[r + 1] - first[r]);
        if (region_check(&extract.model, extract.inputs, extract.input_count, extract.outputs,
                         extract.output_count, &why)) {
            if (with_plans) plan_region(&claim->regions[r], &extract, survey, isa);
            continue;
        }
        claim->regions[r].claimed = 0;
        say(claim->regions[r].reason, why.message);
    }
    extract_release(&extract);
    free(first);
    free(members);
    return enough;
}

static int make_regions(struct claim* claim, const struct survey* survey, const char* taken,
                        enum claim_mode mode, const struct isa* isa, int with_plans) {
    const struct model* model = survey->model;
    int* region_of = malloc((size_t)(model->node_count + 1) * sizeof *region_of);
    if (region_of == NULL) return 0;
    const int count = partition_make(survey, taken, region_of);
    struct content* contents = calloc((size_t)(count > 0 ? count : 0) + 1, sizeof *contents);
    claim->regions = calloc((size_t)(count > 0 ? count : 0) + 1, sizeof *claim->regions);
    struct claim_work* custom = calloc(2 * ((size_t)(count > 0 ? count : 0) + 1), sizeof *custom);
    int made = count >= 0 && contents != NULL && claim->regions != NULL && custom != NULL;
    if (made) {
        const struct costing costing = {survey,         isa,    region_of,
                                        claim->regions, custom, custom + count};
        claim->region_count = count;
        find_content(survey, region_of, contents);
        add_costs(&costing, count);
        for (int i = 0; i < count; i++) decide(&claim->regions[i], &contents[i], mode);
        for (int i = 0; i < model->node_count; i++) claim->nodes[i].region = region_of[i];
        made = check_regions(claim, survey, region_of, isa, with_plans);
    }
    free(custom);
    free(contents);
    free(region_of);
    return made;
}

int claim_make(struct claim* claim, const struct model* model, enum claim_mode mode,
               const struct isa* isa, int with_plans, struct status* status) {
    struct survey survey = {.model = model};
    const size_t count = (size_t)model->node_count + 1;
    *claim = (struct claim){.nodes = calloc(count, sizeof *claim->nodes)};
    char* marks = calloc(2 * count, 1);
    int made = claim->nodes != NULL && marks != NULL;
    for (int i = 0; made && i < model->node_count; i++) {
        claim->nodes[i].region = CLAIM_NO_REGION;
        if (mode == CLAIM_OFF) say(claim->nodes[i].reason, "regions are off");
    }
    if (!made) {
        status_fail(status, STATUS_NO_MEMORY, "not enough memory to claim nodes");
    } else if (mode != CLAIM_OFF) {
        made = survey_make(&survey, model, claim->nodes, status);
        for (int i = 0; made && i < model->node_count; i++) marks[i] = (char)survey.nodes[i].known;
        for (int i = 0; made && mode == CLAIM_AUTO && i < TRIMS; i++) {
            if (!trim(&survey, isa, marks, marks + count, claim->nodes)) break;
        }
        if (made && !make_regions(claim, &survey, marks, mode, isa, with_plans)) {
            made = status_fail(status, STATUS_NO_MEMORY, "not enough memory to claim nodes");
        }
        survey_release(&survey);
    }
    free(marks);
    return made;
}

void claim_release(struct claim* claim) {
    for (int i = 0; i < claim->region_count; i++) {
        struct claim_region* region = &claim->regions[i];
        if (region->plan != NULL) region_plan_release(region->made, region->plan);
        region_destroy(region->made);
    }
    free(claim->regions);
    free(claim->nodes);
}
