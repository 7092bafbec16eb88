/* Orders of axes. Private to this room. */
#ifndef ORT_SPARSE_REGION_LAYOUT_H
#define ORT_SPARSE_REGION_LAYOUT_H

#include "region/graph.h"

/* Whether a transpose turns planes into NHWC (or NWC), and the other way. */
int region_is_to_nhwc(const int* order, int rank);
int region_is_to_planes(const int* order, int rank);

/* Does to planes what the graph does to NHWC between two such turns. Returns whether memory
 * sufficed. */
int region_use_planes(struct region_graph*);

#endif
