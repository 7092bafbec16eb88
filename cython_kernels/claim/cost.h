/* What nodes cost, in a region and in ONNX Runtime. Private to this room. */
#ifndef ORT_SPARSE_CLAIM_COST_H
#define ORT_SPARSE_CLAIM_COST_H

#include "base/isa.h"
#include "claim/survey.h"

/* Microseconds on one thread. */
struct cost {
    double region, dense, custom_op;
};

struct cost cost_of_node(const struct survey_node*, const struct isa*);

/* Of a tensor between a region, or a custom op, and a layer of ONNX Runtime, which has a layout of
 * its own for planes. */
double cost_of_border(int64_t numbers, const struct isa*);

#endif
