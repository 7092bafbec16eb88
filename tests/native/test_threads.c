/* Many threads: several run one kernel, each run again shared by threads, while others register,
 * create, run and destroy kernels of their own. ThreadSanitizer watches; run_case checks every Y.
 *
 * Usage: test_threads [rounds]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "node_case.h"
#include "op/sparse_conv.h"

enum { THREADS = 6, NODES = 4 };

static int rounds;
static struct node_case nodes[NODES];
static void* shared_kernel;
static const OrtCustomOp* op;

static void require(int holds, const char* rule) {
    if (holds) return;
    fprintf(stderr, "test_threads: %s\n", rule);
    exit(1);
}

static void* take_output(OrtKernelContext* run, size_t bytes) {
    (void)run;
    return malloc(bytes);
}

static void run_shared_kernel(void) {
    const struct node_case* c = &nodes[0];
    OrtValue x = c->x[0], residual = c->residual[0];
    OrtKernelContext run = {.inputs = {&x},
                            .input_count = SPARSE_CONV_INPUT_COUNT,
                            .threads = 3,
                            .take_output = take_output};
    if (c->has_residual) run.inputs[SPARSE_CONV_RESIDUAL] = &residual;
    require(op->KernelComputeV2(shared_kernel, &run) == NULL, "a run must succeed");
    require(compare_with_oracle(c, &x, run.inputs[SPARSE_CONV_RESIDUAL], &run.y) < 1e-5,
            "Y must be right");
    free(run.y.data);
}

static void* work(void* argument) {
    int number = *(int*)argument;
    for (int i = 0; i < rounds; i++) {
        if (number % 2 == 0) {
            run_shared_kernel();
        } else {
            require(run_case(&nodes[(number + i) % NODES], 2), "a case must succeed");
        }
    }
    return NULL;
}

/* Nodes with enough work for several tasks: 64 rows of 70 channels, 11 images of 63 pixels. */
static void make_nodes(void) {
    for (int i = 0; i < NODES; i++) {
        struct case_header header = {
            .block_count = 15,
            .block_rows = 3,
            .columns = 69,
            .density = 128,
            .parts = CASE_BIAS | CASE_RESIDUAL,
            .activation = (uint8_t)i,
            .rank = 1,
            .batch = 4,
            .sizes = {21, 3, 3},
            .seed = 128,
            .l1 = (uint8_t)(60 + 60 * i),
        };
        decode_case(&nodes[i], (const uint8_t*)&header, sizeof header);
    }
}

int main(int argc, char** argv) {
    rounds = argc > 1 ? atoi(argv[1]) : 30;
    pthread_t threads[THREADS];
    int numbers[THREADS];
    /* ThreadSanitizer does not see accesses of more than 16 bytes. */
    setenv("ORT_SPARSE_ISA", "portable", 1);
    make_nodes();
    OrtSessionOptions options = {0};
    require(RegisterCustomOps(&options, fake_ort("1.17.3")) == NULL, "registration must succeed");
    op = options.op;
    require(op->CreateKernelV2(op, fake_api(), &nodes[0].node, &shared_kernel) == NULL,
            "a kernel must be created");
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        require(pthread_create(&threads[i], NULL, work, &numbers[i]) == 0, "a thread must start");
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    op->KernelDestroy(shared_kernel);
    for (int i = 0; i < NODES; i++) release_case(&nodes[i]);
    printf("test_threads: %d threads, %d rounds each\n", THREADS, rounds);
    return 0;
}
