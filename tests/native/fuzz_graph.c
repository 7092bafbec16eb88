/* libFuzzer's target for regions: bytes to a graph, and its regions through their lives. */
#include "fake_ort.h"
#include "graph_case.h"

int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    static struct graph_case c; /* too large for the stack */
    if (!graph_decode(&c, bytes, size)) return 0;
    fake_fail_allocation(c.failing_allocation);
    /* Threads cost much. */
    graph_run(&c, bytes[0] >= 250 ? 3 : 0);
    fake_fail_allocation(0);
    graph_release(&c);
    return 0;
}
