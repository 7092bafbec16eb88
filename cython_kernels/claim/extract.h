/* A region as a model of its own. Private to this room. */
#ifndef ORT_SPARSE_CLAIM_EXTRACT_H
#define ORT_SPARSE_CLAIM_EXTRACT_H

#include "claim/survey.h"

/* Room for regions of one model after the other. */
struct extract {
    struct model model; /* the nodes of the region, all values of the whole model */
    struct model_node* nodes;
    int *inputs, *outputs;
    int input_count, output_count;
    int* seen; /* of each value: the last region that reads it, + 1; how often this one does */
};

/* Returns whether memory sufficed; extract_release in either case. */
int extract_init(struct extract*, const struct model*);
void extract_release(struct extract*);

/* Extracts a region. `members` are its nodes, in order. */
void extract_region(struct extract*, const struct survey*, int region, const int* region_of,
                    const int* members, int member_count);

#endif
