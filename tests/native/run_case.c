/* One kernel's life, step by step as ONNX Runtime does it. */
#include <sanitizer/asan_interface.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tensor.h"
#include "drivers/drivers.h"
#include "node_case.h"
#include "op/sparse_conv.h"

enum { GUARD_FLOATS = 32 };

static const float guard = 12345.0f;

static void require(int holds, const char* rule, const char* found) {
    if (holds) return;
    fprintf(stderr, "run_case: %s, but found: %s\n", rule, found);
    abort();
}

/* The linker puts these in the place of base/cache.c: the case says how large the caches are. */
int64_t __wrap_cache_l1_bytes(void);
int64_t __wrap_cache_l2_bytes(void);
static _Atomic int64_t l1_bytes = 48 << 10, l2_bytes = 1 << 20;
int64_t __wrap_cache_l1_bytes(void) { return atomic_load(&l1_bytes); }
int64_t __wrap_cache_l2_bytes(void) { return atomic_load(&l2_bytes); }

/* These stand for drivers/openmp.c. */
int openmp_load(struct status* status) {
    (void)status;
    return 1;
}

void openmp_run(task_function task, void* data, size_t count) {
    for (size_t i = 0; i < count; i++) task(data, i);
}

/* --- Y, between guards. */

struct output {
    OrtKernelContext run; /* first, so that a run can be cast to its output */
    float* memory;
    size_t count;
    float* in_place; /* memory to take instead of new one, or NULL */
};

static void* take_output(OrtKernelContext* run, size_t bytes) {
    struct output* output = (struct output*)run;
    if (output->in_place != NULL) return output->in_place;
    output->count = bytes / sizeof(float);
    output->memory = malloc(bytes + 2 * GUARD_FLOATS * sizeof(float));
    if (output->memory == NULL) return NULL;
    for (int i = 0; i < GUARD_FLOATS; i++) {
        output->memory[i] = output->memory[GUARD_FLOATS + output->count + i] = guard;
    }
    size_t guard_bytes = GUARD_FLOATS * sizeof(float);
    ASAN_POISON_MEMORY_REGION(output->memory, guard_bytes);
    ASAN_POISON_MEMORY_REGION(output->memory + GUARD_FLOATS + output->count, guard_bytes);
    return output->memory + GUARD_FLOATS;
}

/* Masked stores of AVX2 are not seen by the sanitizer. */
static void check_guards(struct output* output) {
    if (output->memory == NULL) return;
    size_t bytes = (output->count + 2 * GUARD_FLOATS) * sizeof(float);
    ASAN_UNPOISON_MEMORY_REGION(output->memory, bytes);
    for (int i = 0; i < GUARD_FLOATS; i++) {
        require(
            output->memory[i] == guard && output->memory[GUARD_FLOATS + output->count + i] == guard,
            "nothing outside Y may be written", "another number");
    }
}

/* --- Steps. Each returns whether it succeeded, and checks that it may fail if it did. */

static int has_succeeded(const struct node_case* c, OrtStatus* status, int must_succeed) {
    if (status == NULL) return 1;
    require(status->message[0] != 0, "an error must have a message", "none");
    require(!must_succeed || !c->is_valid || fake_has_failed(), "a valid node must run",
            status->message);
    require(status->code == ORT_FAIL || strstr(status->message, "not enough memory") == NULL,
            "nobody may be blamed for what memory does not hold", status->message);
    if (c->error != NULL) *c->error = *status;
    fake_release(status);
    return 0;
}

static void check_y(const struct node_case* c, const OrtValue* x, const OrtValue* residual,
                    const OrtValue* y) {
    if (c->has_special_numbers || fake_element_count(y) == 0) return;
    /* An attribute of a wrong type looks absent where the call fails that would have told. */
    if (!c->is_valid && fake_has_failed()) return;
    double error = compare_with_oracle(c, x, residual, y);
    char text[64];
    snprintf(text, sizeof text, "a relative error of %g", error);
    require(error < 1e-5, "Y must be right", text);
}

/* A residual may have no element where X has none. */
static float* copy_floats(const OrtValue* tensor) {
    size_t bytes = fake_bytes(tensor);
    float* copy = malloc(bytes + 1);
    if (copy != NULL && bytes > 0) memcpy(copy, tensor->data, bytes);
    return copy;
}

/* Of a valid node, whose X is as shape inference was told. */
static void check_inferred(const OrtValue* inferred, const OrtValue* y) {
    if (inferred->rank == 0) return;
    require(inferred->rank == y->rank, "the inferred rank must be Y's", "another");
    for (size_t i = 0; i < y->rank; i++) {
        require(inferred->dims[i] == -1 || inferred->dims[i] == y->dims[i],
                "an inferred size must be Y's", "another");
    }
}

static int run_once(const struct node_case* c, const OrtCustomOp* op, void* kernel,
                    const OrtValue* inferred, int number, int threads) {
    OrtValue x = c->x[number], residual = c->residual[number];
    int has_residual =
        c->node.input_count > SPARSE_CONV_RESIDUAL && c->node.inputs[SPARSE_CONV_RESIDUAL].given;
    struct output output = {.run = {.threads = threads, .take_output = take_output}};
    output.run.input_count = c->node.input_count;
    output.run.inputs[0] = &x;
    output.run.inputs[SPARSE_CONV_RESIDUAL] = has_residual ? &residual : NULL;
    float* copy = NULL;
    if (has_residual && c->in_place && residual.element_type == TENSOR_FLOAT) {
        copy = copy_floats(&residual);
        if (copy == NULL) return 0;
        residual.data = copy;
        /* ONNX Runtime reuses the memory if Y has the same shape, which then the kernel checks. */
        output.in_place = copy;
    }
    OrtStatus* status = op->KernelComputeV2(kernel, &output.run);
    check_guards(&output);
    int succeeded = has_succeeded(c, status, 1);
    if (succeeded) {
        check_y(c, &x, has_residual ? &c->residual[number] : NULL, &output.run.y);
        /* A call that fails looks like an absent attribute: all strides are 1. */
        if (inferred != NULL && c->is_valid && !fake_has_failed()) {
            check_inferred(inferred, &output.run.y);
        }
    }
    free(output.memory);
    free(copy);
    return succeeded;
}

static void ask_inplace(const OrtCustomOp* op) {
    int *inputs = NULL, *outputs = NULL;
    size_t count = op->GetMayInplace(&inputs, &outputs);
    require(count == 0 || (inputs[0] == SPARSE_CONV_RESIDUAL && outputs[0] == 0),
            "Y may take the memory of the residual only", "another input");
    op->ReleaseMayInplace(inputs, outputs);
}

static int create_and_run(const struct node_case* c, const OrtCustomOp* op, int threads) {
    OrtShapeInferContext inference = {.node = &c->node};
    void* kernel = NULL;
    /* ONNX Runtime goes on without the shape. */
    if (op->InferOutputShapeFn != NULL) {
        has_succeeded(c, op->InferOutputShapeFn(op, &inference), 0);
    }
    ask_inplace(op);
    if (!has_succeeded(c, op->CreateKernelV2(op, fake_api(), &c->node, &kernel), 1)) {
        require(kernel == NULL, "there is no kernel where its creation failed", "one");
        return 0;
    }
    require(kernel != NULL, "there must be a kernel or an error", "neither");
    int succeeded = 1;
    for (int i = 0; i < c->run_count; i++) {
        succeeded &= run_once(c, op, kernel, i == 0 ? &inference.y.tensor : NULL, i, threads);
    }
    op->KernelDestroy(kernel);
    return succeeded;
}

int run_case(const struct node_case* c, int threads) {
    OrtSessionOptions options = {0};
    if (c->threading != NULL) fake_configure(&options, "ort_sparse.threading", c->threading);
    atomic_store(&l1_bytes, c->l1_bytes);
    atomic_store(&l2_bytes, c->l2_bytes);
    if (!has_succeeded(c, RegisterCustomOps(&options, fake_ort(c->version)), 1)) return 0;
    long live = fake_live_objects();
    int succeeded = create_and_run(c, options.op, threads);
    require(threads > 0 || fake_live_objects() == live,
            "every object of the runtime must be released", "one that is not");
    return succeeded;
}
