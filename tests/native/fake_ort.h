/* A stand-in for ONNX Runtime: the slice of its C API that the custom op uses, so that the whole
 * native library runs under sanitizers and fuzzers, on nodes and tensors that the real runtime
 * would never let through, and with any call or allocation failing.
 *
 * The real opaque types are these structs here: OrtKernelInfo and OrtShapeInferContext are a
 * fake_node, OrtKernelContext is a fake_run, OrtValue is a fake_tensor. Slots of the API's table
 * are filled by number, so the offsets that cython_kernels/ort_api.pxd declares are tested too.
 */
#ifndef FAKE_ORT_H
#define FAKE_ORT_H

#include <stddef.h>
#include <stdint.h>

enum {
    FAKE_MAX_RANK = 8,
    FAKE_MAX_ATTRIBUTES = 8,
    FAKE_MAX_INPUTS = 8,
    FAKE_MAX_INTS = 8,
    FAKE_MAX_CONFIG = 4,
    FAKE_MESSAGE_BYTES = 600
};

/* The numbers of ONNX's TensorProto.DataType. */
enum { FAKE_FLOAT = 1, FAKE_UINT8 = 2, FAKE_UINT16 = 4, FAKE_INT32 = 6, FAKE_FLOAT16 = 10 };

enum fake_kind {
    FAKE_ATTRIBUTE_INT,
    FAKE_ATTRIBUTE_INTS,
    FAKE_ATTRIBUTE_FLOAT,
    FAKE_ATTRIBUTE_FLOATS,
    FAKE_ATTRIBUTE_STRING,
};

struct fake_attribute {
    const char* name;
    enum fake_kind kind;
    int64_t ints[FAKE_MAX_INTS]; /* an int is the first one; floats have a count only */
    size_t count;
    float number;
    const char* text;
};

struct fake_tensor {
    int element_type;
    size_t rank;
    int64_t dims[FAKE_MAX_RANK];
    void* data; /* NULL without elements, as in ONNX Runtime */
};

struct fake_input {
    int given;
    int constant;              /* otherwise it has a shape but no data when a kernel is created */
    struct fake_tensor tensor; /* dims of -1 are unknown */
};

struct fake_node {
    const char* name;
    size_t attribute_count, input_count;
    struct fake_attribute attributes[FAKE_MAX_ATTRIBUTES];
    struct fake_input inputs[FAKE_MAX_INPUTS];
    struct fake_tensor inferred; /* rank 0 until shape inference sets it */
};

/* One execution of a kernel. */
struct fake_run {
    struct fake_tensor* inputs[FAKE_MAX_INPUTS]; /* NULL where an optional one is absent */
    size_t input_count;
    void* (*take_output)(struct fake_run*, size_t bytes); /* memory for Y, or NULL */
    struct fake_tensor y;
    int threads; /* that share the tasks; 0: all tasks in this thread, the last one first */
};

struct fake_config {
    char key[32], value[32];
};

struct fake_session_options {
    size_t config_count;
    struct fake_config config[FAKE_MAX_CONFIG];
    const struct fake_custom_op* op; /* what was registered */
};

typedef struct fake_status fake_status;

/* OrtCustomOp of API 17 and later. */
struct fake_custom_op {
    uint32_t version;
    void* create_kernel_v1;
    const char* (*name)(const struct fake_custom_op*);
    const char* (*provider)(const struct fake_custom_op*);
    int (*input_type)(const struct fake_custom_op*, size_t);
    size_t (*input_count)(const struct fake_custom_op*);
    int (*output_type)(const struct fake_custom_op*, size_t);
    size_t (*output_count)(const struct fake_custom_op*);
    void* compute_v1;
    void (*destroy)(void* kernel);
    int (*input_characteristic)(const struct fake_custom_op*, size_t);
    int (*output_characteristic)(const struct fake_custom_op*, size_t);
    int (*input_memory_type)(const struct fake_custom_op*, size_t);
    int (*variadic[4])(const struct fake_custom_op*);
    fake_status* (*create)(const struct fake_custom_op*, const void* api, const struct fake_node*,
                           void** kernel);
    fake_status* (*compute)(void* kernel, struct fake_run*);
    fake_status* (*infer_shape)(const struct fake_custom_op*, struct fake_node*);
    int (*start_version)(const struct fake_custom_op*);
    int (*end_version)(const struct fake_custom_op*);
    size_t (*may_inplace)(int** inputs, int** outputs);
    void (*release_inplace)(int* inputs, int* outputs);
};

struct fake_api_base {
    const void* (*get_api)(uint32_t version);
    const char* (*version_string)(void);
};

/* The library under test. */
fake_status* RegisterCustomOps(struct fake_session_options*, const struct fake_api_base*);

/* The runtime of this version, valid until this thread's next call. Each has an API table of its
 * own, by which the library tells runtimes in one process from each other; there may be 64 of them.
 * The first call for a version must not be made by two threads at once. */
const struct fake_api_base* fake_ort(const char* version);
const void* fake_api(void);

const char* fake_message(const fake_status*);
void fake_release(fake_status*); /* NULL is allowed */

/* Objects that the library was given and has not released. */
long fake_live_objects(void);

/* From now on the n-th of the calls that return a status fails (0: none does). */
void fake_fail_call(long n);
/* From now on the n-th allocation fails, of the library's and of this host's (0: none does). The
 * program must be linked with FAKE_WRAPS of native_build.py. */
void fake_fail_allocation(long n);
/* Whether what was asked for has failed; then nothing fails any more. */
int fake_has_failed(void);

void fake_configure(struct fake_session_options*, const char* key, const char* value);

int64_t fake_element_count(const struct fake_tensor*);
size_t fake_element_size(int element_type);

#endif
