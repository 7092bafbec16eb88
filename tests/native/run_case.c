/* One kernel's life, step by step as ONNX Runtime does it. */
#include <sanitizer/asan_interface.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_case.h"
#include "parallel_openmp.h"

enum { RESIDUAL = 5, GUARD_FLOATS = 32 };

static const float guard = 12345.0f;

static void require(int holds, const char* rule, const char* found) {
    if (holds) return;
    fprintf(stderr, "run_case: %s, but found: %s\n", rule, found);
    abort();
}

/* Tells the kernels the sizes of the caches of the case. */
int64_t __wrap_spmm_panel_budget(void);
int64_t __wrap_spmm_l2_bytes(void);
static _Atomic int64_t panel_bytes = 48 << 10, l2_bytes = 1 << 20;
int64_t __wrap_spmm_panel_budget(void) { return atomic_load(&panel_bytes); }
int64_t __wrap_spmm_l2_bytes(void) { return atomic_load(&l2_bytes); }

/* Stands for the OpenMP driver. */
void parallel_openmp(void (*task)(void*, size_t), void* data, size_t count) {
    for (size_t i = 0; i < count; i++) task(data, i);
}

/* --- Y, between guards. */

struct output {
    struct fake_run run; /* first, so that a run can be cast to its output */
    float* memory;
    size_t count;
    float* in_place; /* memory to take instead of new one, or NULL */
};

static void* take_output(struct fake_run* run, size_t bytes) {
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

static int has_succeeded(const struct node_case* c, fake_status* status, int must_succeed) {
    if (status == NULL) return 1;
    require(fake_message(status)[0] != 0, "an error must have a message", "none");
    require(!must_succeed || !c->is_valid || fake_has_failed(), "a valid node must run",
            fake_message(status));
    if (c->message != NULL) strcpy(c->message, fake_message(status));
    fake_release(status);
    return 0;
}

static void check_y(const struct node_case* c, const struct fake_tensor* x,
                    const struct fake_tensor* residual, const struct fake_tensor* y) {
    if (c->has_special_numbers || fake_element_count(y) == 0) return;
    /* An attribute of a wrong type looks absent where the call fails that would have told. */
    if (!c->is_valid && fake_has_failed()) return;
    double error = compare_with_oracle(c, x, residual, y);
    char text[64];
    snprintf(text, sizeof text, "a relative error of %g", error);
    require(error < 1e-5, "Y must be right", text);
}

/* A residual may have no element where X has none. */
static float* copy_floats(const struct fake_tensor* tensor) {
    size_t bytes = (size_t)fake_element_count(tensor) * fake_element_size(tensor->element_type);
    float* copy = malloc(bytes + 1);
    if (copy != NULL && bytes > 0) memcpy(copy, tensor->data, bytes);
    return copy;
}

static int run_once(const struct node_case* c, const struct fake_custom_op* op, void* kernel,
                    int number, int threads) {
    struct fake_tensor x = c->x[number], residual = c->residual[number];
    int has_residual = c->node.input_count > RESIDUAL && c->node.inputs[RESIDUAL].given;
    struct output output = {.run = {.threads = threads, .take_output = take_output}};
    output.run.input_count = c->node.input_count;
    output.run.inputs[0] = &x;
    output.run.inputs[RESIDUAL] = has_residual ? &residual : NULL;
    float* copy = NULL;
    if (has_residual && c->in_place && residual.element_type == FAKE_FLOAT) {
        copy = copy_floats(&residual);
        if (copy == NULL) return 0;
        residual.data = copy;
        /* ONNX Runtime reuses the memory if Y has the same shape, which then the kernel checks. */
        output.in_place = copy;
    }
    fake_status* status = op->compute(kernel, &output.run);
    check_guards(&output);
    int succeeded = has_succeeded(c, status, 1);
    if (succeeded) check_y(c, &x, has_residual ? &c->residual[number] : NULL, &output.run.y);
    free(output.memory);
    free(copy);
    return succeeded;
}

static void ask_inplace(const struct fake_custom_op* op) {
    int *inputs = NULL, *outputs = NULL;
    size_t count = op->may_inplace(&inputs, &outputs);
    require(count == 0 || (inputs[0] == RESIDUAL && outputs[0] == 0),
            "Y may take the memory of the residual only", "another input");
    op->release_inplace(inputs, outputs);
}

static int create_and_run(const struct node_case* c, const struct fake_custom_op* op, int threads) {
    struct fake_node node = c->node;
    void* kernel = NULL;
    /* ONNX Runtime goes on without the shape. */
    if (op->infer_shape != NULL) has_succeeded(c, op->infer_shape(op, &node), 0);
    ask_inplace(op);
    if (!has_succeeded(c, op->create(op, fake_api(), &node, &kernel), 1)) {
        require(kernel == NULL, "there is no kernel where its creation failed", "one");
        return 0;
    }
    require(kernel != NULL, "there must be a kernel or an error", "neither");
    int succeeded = 1;
    for (int i = 0; i < c->run_count; i++) succeeded &= run_once(c, op, kernel, i, threads);
    op->destroy(kernel);
    return succeeded;
}

int run_case(const struct node_case* c, int threads) {
    struct fake_session_options options = {0};
    if (c->threading != NULL) fake_configure(&options, "ort_sparse.threading", c->threading);
    atomic_store(&panel_bytes, c->panel_bytes);
    atomic_store(&l2_bytes, c->l2_bytes);
    if (!has_succeeded(c, RegisterCustomOps(&options, fake_ort(c->version)), 1)) return 0;
    long live = fake_live_objects();
    int succeeded = create_and_run(c, options.op, threads);
    require(threads > 0 || fake_live_objects() == live,
            "every object of the runtime must be released", "one that is not");
    return succeeded;
}
