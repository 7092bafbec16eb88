/* What the files that simplify a graph share. Private to this room. */
#ifndef ORT_SPARSE_REGION_FUSE_H
#define ORT_SPARSE_REGION_FUSE_H

#include "region/graph.h"

/* The operator that computes a value for its only reader, or NULL. */
struct region_op* region_sole_producer(struct region_graph*, int value);

/* The same for a value that is read so often. */
struct region_op* region_only_producer(struct region_graph*, int value, int uses);

/* Puts a layer in the place of an operator after it. */
void region_take_place(struct region_graph*, struct region_op* layer, struct region_op* next);

/* Removes an operator whose output nobody reads any more, as `other` does its work; or NULL. */
void region_drop(struct region_graph*, struct region_op*, const struct region_op* other);

void region_remove_gone(struct region_graph*); /* those that were dropped */

/* shuffle.c: lets the layer before a channel shuffle do its work; `join` is its last operator.
 * Returns whether memory sufficed. */
int region_take_shuffle(struct region_graph*, struct region_op* join);

#endif
