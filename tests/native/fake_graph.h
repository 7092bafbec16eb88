/* Graphs as ONNX Runtime shows them to a provider, in arrays of the test. */
#ifndef FAKE_GRAPH_H
#define FAKE_GRAPH_H

#include "fake_ort.h"
#include "ort/onnxruntime_ep_abi.h"

enum { FAKE_MAX_NODES = 8 };

struct OrtValueInfo {
    const char* name;
    OrtTypeInfo type;         /* dims of -1 are unknown */
    const OrtValue* constant; /* NULL: it is none */
    bool leaves;
};

struct OrtNode {
    const char *name, *op_type, *owner;
    int since_version;
    size_t input_count, output_count, attribute_count;
    const OrtValueInfo* inputs[FAKE_MAX_INPUTS]; /* NULL where one is left out */
    const OrtValueInfo* outputs[FAKE_MAX_INPUTS];
    const OrtOpAttr* attributes[FAKE_MAX_ATTRIBUTES];
};

struct OrtGraph {
    size_t node_count;
    const OrtNode* nodes[FAKE_MAX_NODES];
};

/* What a provider claimed. */
struct OrtEpGraphSupportInfo {
    size_t region_count;
    size_t node_counts[FAKE_MAX_NODES];
    const OrtNode* nodes[FAKE_MAX_NODES]; /* of the first region */
};

/* Whether runtimes can have providers: none can until this is set. */
void fake_allow_providers(int);

OrtStatus* CreateEpFactories(const char* name, const OrtApiBase*, const OrtLogger*,
                             OrtEpFactory** out, size_t most, size_t* count);
OrtStatus* ReleaseEpFactory(OrtEpFactory*);

#endif
