/* What the files of the stand-in share. Who hosts the library uses fake_ort.h. */
#ifndef FAKE_CALLS_H
#define FAKE_CALLS_H

#include "fake_ort.h"

/* Each fills in the calls that its file has. */
void fake_add_tensor_calls(OrtApi*);
void fake_add_node_calls(OrtApi*);
void fake_add_run_calls(OrtApi*);
void fake_add_graph_calls(OrtApi*);

/* Whether it is the turn of this call to fail (fake_failures.c). */
int fake_call_is_due(void);

/* An object that the library owns until it releases it: zeroed, or NULL. */
void* fake_create_object(size_t size);
void fake_release_object(void*); /* NULL is allowed */

OrtStatus* fake_fail(const char* message);
OrtStatus* fake_fail_for_memory(void);

/* The first statement of every call that may fail. */
#define MAY_FAIL \
    if (fake_call_is_due()) return fake_fail("this call was made to fail")

/* ONNX Runtime's rule for texts: sets *size to what is needed, and fails if there is less. */
OrtStatus* fake_copy_text(const char* text, char* out, size_t* size);

/* A new description of a tensor. */
OrtStatus* fake_copy_info(const OrtValue*, OrtTensorTypeAndShapeInfo** out);

/* libFuzzer looks into every strcmp, which takes a tenth of the time. */
static inline int is_same(const char* a, const char* b) {
    while (*a != 0 && *a == *b) a++, b++;
    return *a == *b;
}

#endif
