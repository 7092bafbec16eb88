/* libFuzzer's target for the native library: bytes to a node, and the node through its life. */
#include <stdlib.h>

#include "node_case.h"

int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    struct node_case c;
    if (!decode_case(&c, bytes, size)) return 0;
    if (c.isa != NULL) {
        setenv("ORT_SPARSE_ISA", c.isa, 1);
    } else {
        unsetenv("ORT_SPARSE_ISA");
    }
    fake_fail_allocation(c.failing_allocation);
    fake_fail_call(c.failing_call);
    run_case(&c, 0);
    fake_fail_allocation(0);
    fake_fail_call(0);
    release_case(&c);
    return 0;
}
