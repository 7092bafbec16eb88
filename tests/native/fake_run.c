/* Calls on one execution of a kernel. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/tensor.h"
#include "fake_calls.h"

static OrtStatus* run_input(const OrtKernelContext* run, size_t index, const OrtValue** out) {
    MAY_FAIL;
    if (index >= run->input_count) return fake_fail("no such input");
    *out = run->inputs[index];
    return NULL;
}

static OrtStatus* run_output(OrtKernelContext* run, size_t index, const int64_t* dims, size_t count,
                             OrtValue** out) {
    MAY_FAIL;
    if (index != 0 || count > FAKE_MAX_RANK) return fake_fail("no such output");
    run->y = (OrtValue){.element_type = TENSOR_FLOAT, .rank = count};
    memcpy(run->y.dims, dims, count * sizeof *dims);
    if (fake_element_count(&run->y) > 0) {
        run->y.data = run->take_output(run, fake_bytes(&run->y));
        if (run->y.data == NULL) return fake_fail("no memory for an output");
    }
    *out = &run->y;
    return NULL;
}

struct share {
    void (*task)(void*, size_t);
    void* data;
    size_t total;
    atomic_size_t next;
};

static void* run_share(void* argument) {
    struct share* share = argument;
    for (size_t i; (i = atomic_fetch_add(&share->next, 1)) < share->total;) {
        share->task(share->data, i);
    }
    return NULL;
}

static OrtStatus* parallel_for(const OrtKernelContext* run, void (*task)(void*, size_t),
                               size_t total, size_t batches, void* data) {
    MAY_FAIL;
    (void)batches;
    enum { MOST_THREADS = 8 };
    pthread_t threads[MOST_THREADS];
    int started = 0;
    struct share share = {.task = task, .data = data, .total = total};
    if (run->threads == 0) {
        while (total > 0) task(data, --total);
        return NULL;
    }
    while (started < run->threads - 1 && started < MOST_THREADS &&
           pthread_create(&threads[started], NULL, run_share, &share) == 0) {
        started++;
    }
    run_share(&share);
    while (started > 0) pthread_join(threads[--started], NULL);
    return NULL;
}

void fake_add_run_calls(OrtApi* api) {
    api->KernelContext_GetInput = run_input;
    api->KernelContext_GetOutput = run_output;
    api->KernelContext_ParallelFor = parallel_for;
}
