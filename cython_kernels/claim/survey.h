/* What is known of each node before regions are chosen. Private to this room. */
#ifndef ORT_SPARSE_CLAIM_SURVEY_H
#define ORT_SPARSE_CLAIM_SURVEY_H

#include "claim/claim.h"
#include "region/region.h"

struct survey_node {
    int known;        /* whether a region can have it */
    int is_sparse_op; /* SparseConv1x1 */
    int is_sparse; /* whether it is worth a region for its own sake: a pointwise layer with zeros */
    int joins;     /* whether a layer before it takes it in, here and in ONNX Runtime */
    struct region_work work;
};

struct survey {
    const struct model* model;
    struct model_value* values; /* the model's, with sizes that follow from those before */
    struct survey_node* nodes;
    struct region_shape* shapes; /* of the model's values, where need be guessed */
    int* readers;                /* how many nodes read each value, and one more if it leaves */
};

/* Asks about every node, and puts the reasons of those that are not known into the claim's. Returns
 * 0 with the status filled in where memory is short; survey_release in either case. */
int survey_make(struct survey*, const struct model*, struct claim_node* nodes, struct status*);
void survey_release(struct survey*);

/* The node that computes an input of a node, or MODEL_NO_NODE. */
int survey_producer(const struct survey*, const struct model_node*, int input);

/* How many numbers a value has, by the guessed shapes; 0 where nothing is known. */
int64_t survey_numbers(const struct survey*, int value);

#endif
