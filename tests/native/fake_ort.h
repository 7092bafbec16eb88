/* A stand-in for ONNX Runtime: the slice of its C API that the custom op uses, so that the whole
 * native library runs under sanitizers and fuzzers, on nodes and tensors that the real runtime
 * would never let through, and with any call or allocation failing.
 *
 * cython_kernels/ort/onnxruntime_abi.h declares that API, for the library and for us alike
 * (test_abi.c checks it against the numbers of the real one). Here its opaque types get members.
 */
#ifndef FAKE_ORT_H
#define FAKE_ORT_H

#include "ort/onnxruntime_abi.h"

enum {
    FAKE_MAX_RANK = 8,
    FAKE_MAX_ATTRIBUTES = 8,
    FAKE_MAX_INPUTS = 8,
    FAKE_MAX_INTS = 8,
    FAKE_MAX_CONFIG = 4,
    FAKE_MESSAGE_BYTES = 600
};

/* --- What the runtime's objects hold. */

struct OrtStatus {
    int code;
    char message[FAKE_MESSAGE_BYTES];
};

struct OrtValue {
    int element_type; /* enum tensor_type of base/tensor.h */
    size_t rank;
    int64_t dims[FAKE_MAX_RANK];
    void* data; /* NULL without elements, as in ONNX Runtime */
};

struct OrtTensorTypeAndShapeInfo {
    OrtValue tensor; /* without data; dims of -1 are unknown */
};

struct OrtTypeInfo {
    OrtTensorTypeAndShapeInfo of_tensor;
};

enum fake_kind {
    FAKE_ATTRIBUTE_INT,
    FAKE_ATTRIBUTE_INTS,
    FAKE_ATTRIBUTE_FLOAT,
    FAKE_ATTRIBUTE_FLOATS,
    FAKE_ATTRIBUTE_STRING,
    FAKE_ATTRIBUTE_KINDS,
};

struct OrtOpAttr {
    const char* name;
    enum fake_kind kind;
    int64_t ints[FAKE_MAX_INTS]; /* an int is the first one; floats have a count only */
    size_t count;
    float number;
    const char* text;
};

struct fake_input {
    int given;
    int constant;    /* otherwise it has a shape but no data when a kernel is created */
    OrtValue tensor; /* dims of -1 are unknown */
};

/* A node. */
struct OrtKernelInfo {
    const char* name;
    size_t attribute_count, input_count;
    OrtOpAttr attributes[FAKE_MAX_ATTRIBUTES];
    struct fake_input inputs[FAKE_MAX_INPUTS];
};

/* Shape inference of a node. */
struct OrtShapeInferContext {
    const OrtKernelInfo* node;
    OrtTensorTypeAndShapeInfo inputs[FAKE_MAX_INPUTS]; /* that were asked for */
    OrtTensorTypeAndShapeInfo y;                       /* of rank 0 until it is inferred */
};

/* One execution of a kernel. */
struct OrtKernelContext {
    const OrtValue* inputs[FAKE_MAX_INPUTS]; /* NULL where an optional one is absent */
    size_t input_count;
    void* (*take_output)(OrtKernelContext*, size_t bytes); /* memory for Y, or NULL */
    OrtValue y;
    int threads; /* that share the tasks; 0: all tasks in this thread, the last one first */
};

struct fake_config {
    char key[32], value[512];
};

struct OrtSessionOptions {
    size_t config_count;
    struct fake_config config[FAKE_MAX_CONFIG];
    const OrtCustomOp* op; /* what was registered */
};

/* --- The library under test. */

OrtStatus* RegisterCustomOps(OrtSessionOptions*, const OrtApiBase*);

/* --- The runtime. */

/* The runtime of this version, valid until this thread's next call. Each has an API table of its
 * own, by which the library tells runtimes in one process from each other; there may be 64 of them.
 * The first call for a version must not be made by two threads at once. */
const OrtApiBase* fake_ort(const char* version);
const OrtApi* fake_api(void);

void fake_release(OrtStatus*); /* NULL is allowed */

/* Objects that the library was given and has not released. */
long fake_live_objects(void);

void fake_configure(OrtSessionOptions*, const char* key, const char* value);

/* The attribute of this name, or NULL. */
const OrtOpAttr* fake_attribute(const OrtKernelInfo*, const char* name);

int64_t fake_element_count(const OrtValue*);
size_t fake_element_size(int element_type);
/* Of all elements. */
size_t fake_bytes(const OrtValue*);

/* --- Failures on demand (fake_failures.c). */

/* From now on the n-th of the calls that return a status fails (0: none does). */
void fake_fail_call(long n);
/* From now on the n-th allocation fails, of the library's and of this host's (0: none does); the
 * linker wraps malloc and its like for it (Makefile). */
void fake_fail_allocation(long n);
/* Whether what was asked for has failed; then nothing fails any more. */
int fake_has_failed(void);

/* Zeroed memory that is never denied, for what judges the library; `free` releases it. */
void* fake_allocate(size_t count, size_t size);

#endif
