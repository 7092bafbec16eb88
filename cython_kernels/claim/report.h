/* What was claimed and why, in a JSON file for people and programs:
 *
 *   {"format": 1, "mode", "runtime", "isa", "l2_bytes", "graphs": [{"name",
 *     "nodes": [{"name", "op", "domain", "region": int or null, "reason", "inputs", "outputs"}],
 *     "regions": [{"id", "claimed", "reason", "nodes": count, "inputs", "outputs",
 *                  "cost": {"regions", "dense": or null, "custom_ops"},
 *                  "work": {"region", "runtime"}, "steps": [...] or null}]}]}
 *
 * Graphs are those that ONNX Runtime asked about, in that order. Inputs and outputs are names of
 * values, "" for an optional one that is left out; those of a region are what crosses its border,
 * constants left out. Costs are microseconds. Work is what they were predicted from. Steps are what
 * a run of a claimed region does, as region/describe.h says, if its inputs' shapes are known; a
 * chain's rings shall stay in a core's L2 cache. */
#ifndef ORT_SPARSE_CLAIM_REPORT_H
#define ORT_SPARSE_CLAIM_REPORT_H

#include "base/status.h"
#include "claim/claim.h"
#include "model/model.h"

enum { CLAIM_REPORT_FORMAT = 1 };

struct claim_report_facts {
    const char *graph_name, *mode, *runtime, *isa;
};

/* Writes what was claimed of a graph, after the graphs that are in the file if `append` is set,
 * else in their place. The file is replaced as a whole: it never holds half of a report. Returns 0
 * with the status filled in where it cannot be written, or memory is short. */
int claim_report_write(const char* path, int append, const struct model*, const struct claim*,
                       const struct claim_report_facts*, struct status*);

#endif
