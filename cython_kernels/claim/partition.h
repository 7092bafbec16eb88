/* Regions that are convex by construction. Private to this room. */
#ifndef ORT_SPARSE_CLAIM_PARTITION_H
#define ORT_SPARSE_CLAIM_PARTITION_H

#include "claim/survey.h"

/* Gives each node its region, or CLAIM_NO_REGION; numbers count from 0. `taken` says which nodes
 * shall be in one. Returns their number, or -1 where memory is short. */
int partition_make(const struct survey*, const char* taken, int* region_of);

#endif
