/* The level of a node counts how often a path to it enters a region. Nodes of one level that are
 * connected make a region: a path that leaves it through another node comes back on a higher level
 * only, so that no path leaves and returns. */
#include "claim/partition.h"

#include <stdlib.h>

#include "base/arithmetic.h"

/* Entering a region from outside goes a level up. */
static int level_of(const struct survey* survey, const char* taken, const int* levels, int number) {
    const struct model_node* node = &survey->model->nodes[number];
    int level = 0;
    for (int i = 0; i < node->input_count; i++) {
        const int producer = survey_producer(survey, node, i);
        if (producer == MODEL_NO_NODE) continue;
        const int enters = taken[number] && !taken[producer];
        level = (int)larger(level, levels[producer] + enters);
    }
    return level;
}

/* The node that stands for all that are connected to this one. */
static int find(int* parents, int node) {
    while (parents[node] != node) {
        parents[node] = parents[parents[node]];
        node = parents[node];
    }
    return node;
}

static void connect(const struct survey* survey, const char* taken, const int* levels, int* parents,
                    int number) {
    const struct model_node* node = &survey->model->nodes[number];
    for (int i = 0; i < node->input_count; i++) {
        const int producer = survey_producer(survey, node, i);
        if (producer == MODEL_NO_NODE || !taken[producer] || levels[producer] != levels[number]) {
            continue;
        }
        const int a = find(parents, producer), b = find(parents, number);
        parents[larger(a, b)] = (int)smaller(a, b);
    }
}

int partition_make(const struct survey* survey, const char* taken, int* region_of) {
    const int count = survey->model->node_count;
    int* levels = malloc(2 * (size_t)(count + 1) * sizeof *levels);
    if (levels == NULL) return -1;
    int *parents = levels + count, regions = 0;
    for (int i = 0; i < count; i++) {
        levels[i] = level_of(survey, taken, levels, i);
        parents[i] = i;
    }
    for (int i = 0; i < count; i++) {
        if (taken[i]) connect(survey, taken, levels, parents, i);
    }
    for (int i = 0; i < count; i++) {
        region_of[i] = CLAIM_NO_REGION;
        if (!taken[i]) continue;
        const int root = find(parents, i);
        region_of[i] = root == i ? regions++ : region_of[root];
    }
    free(levels);
    return regions;
}
