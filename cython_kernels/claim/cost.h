/* What nodes cost, in a region and in ONNX Runtime. Private to this room. */
#ifndef ORT_SPARSE_CLAIM_COST_H
#define ORT_SPARSE_CLAIM_COST_H

#include "base/isa.h"
#include "claim/survey.h"

/* Where work is done. */
enum cost_side { COST_REGION, COST_RUNTIME, COST_SIDES };

/* Adds the work of a node, done there. */
void cost_add_node(struct claim_work*, const struct survey_node*, enum cost_side);

/* Adds a tensor of so many numbers between a region, or a custom op, and a layer of ONNX Runtime,
 * which has a layout of its own for planes. */
void cost_add_border(struct claim_work*, int64_t numbers);

/* Microseconds on one thread. */
double cost_of(const struct claim_work*, enum cost_side, const struct isa*);

#endif
