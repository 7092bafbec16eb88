/* How long the steps of a session's regions take, in a JSON file for people and programs:
 *
 *   {"format": 1, "runtime", "isa",
 *    "regions": [{"name", "left_out": count,
 *                 "plans": [{"inputs": [[size...]...], "runs": count, "microseconds": TIMES,
 *                            "steps": [{..., "microseconds": TIMES}]}]}]}
 *
 * Regions have the names that ONNX Runtime's own profile gives them. A plan is of inputs of these
 * shapes; those that were left out are not in the file, since there were too many. Steps are as
 * region/describe.h says. TIMES are {"median", "minimum", "total"}, medians of the last runs.
 * Images of a batch that run one by one are runs each. */
#ifndef ORT_SPARSE_REGION_PROFILE_H
#define ORT_SPARSE_REGION_PROFILE_H

#include "base/status.h"
#include "region/region.h"

enum { REGION_PROFILE_FORMAT = 1 };

struct region_profile;

struct region_profile* region_profile_create(void);  /* NULL where memory is short */
void region_profile_destroy(struct region_profile*); /* NULL is allowed */

/* From now on each run of a region is timed, which nobody runs yet. Returns whether memory
 * sufficed. */
int region_profile_add(struct region_profile*, struct region*, const char* name);

struct region_profile_facts {
    const char *runtime, *isa;
};

/* Writes what was measured, while all regions are there and none runs. The file is replaced as a
 * whole. Returns 0 with the status filled in where it cannot be written, or memory is short. */
int region_profile_write(const struct region_profile*, const char* path,
                         const struct region_profile_facts*, struct status*);

#endif
