/* What a plan does, in JSON, for reports. Each step is an object:
 *
 *   {"kind": "layer", "rows", "copy" or "chain", "tasks": count, "ring_bytes": int or null,
 *    "ops": [{"kind", "nodes": [name...], "input": [size...], "output": [size...],
 *             "kernel": [height, width] or null, "weights", "stored", "multiply_adds"}]}
 *
 * A chain has several operators, which are computed depth first, and rings of so many bytes for
 * each task that runs at the same time; any other step has one operator. Nodes are those of the
 * model whose work an operator does. Weights are counted zeros and all (and those between groups
 * too), multiply-adds without the zeros: with the weights that are stored. Nodes that only rename
 * numbers are in no step. */
#ifndef ORT_SPARSE_REGION_DESCRIBE_H
#define ORT_SPARSE_REGION_DESCRIBE_H

#include "base/json.h"
#include "region/region.h"

/* How many operators a plan has, and whether one has a step that computes anything. */
int region_plan_op_count(const struct region_plan*);
int region_plan_has_step(const struct region_plan*, int op);

/* Writes the members of a step's object; the caller opens and closes it. */
void region_describe_step(struct json*, const struct region_plan*, int op);

/* Writes the array of all steps. */
void region_describe_steps(struct json*, const struct region_plan*);

/* Writes the sizes of a shape. */
void region_describe_shape(struct json*, const struct region_shape*);

#endif
