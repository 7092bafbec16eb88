/* Work that threads share: `count` tasks, numbered from 0, each run once by any thread. */
#ifndef ORT_SPARSE_BASE_TASK_H
#define ORT_SPARSE_BASE_TASK_H

#include <stddef.h>

/* Signature of KernelContext_ParallelFor of ONNX Runtime. */
typedef void (*task_function)(void* data, size_t index);

#endif
