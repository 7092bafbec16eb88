/* Every allocation and every call of the runtime fails once, on nodes of many kinds: each failure
 * comes back as a status, leaks nothing (LeakSanitizer looks when the program ends), and the next
 * try succeeds.
 *
 * Usage: test_denied [nodes]
 */
#include <stdio.h>
#include <stdlib.h>

#include "node_case.h"

static void require(int holds, const char* rule, int number) {
    if (holds) return;
    fprintf(stderr, "test_denied: %s, but not in case %d\n", rule, number);
    exit(1);
}

/* Registering fails once in every way; the runtime is a new one each time, as far as the library
 * can tell, because it registers only once for each. */
static int deny_registration(void (*deny)(long)) {
    static int runtime;
    for (int n = 1;; n++) {
        OrtSessionOptions options = {0};
        long live = fake_live_objects();
        char version[16];
        snprintf(version, sizeof version, "1.31.%d", ++runtime);
        const OrtApiBase* base = fake_ort(version);
        deny(n);
        OrtStatus* status = RegisterCustomOps(&options, base);
        int failed = fake_has_failed();
        deny(0);
        require((status != NULL) == failed, "a failed registration must say so", n);
        fake_release(status);
        if (!failed) return n - 1;
        require(fake_live_objects() - live <= 1, "only the domain may stay", n);
        status = RegisterCustomOps(&options, base);
        require(status == NULL && options.op != NULL, "the next try must succeed", n);
    }
}

/* Steps whose failure a kernel survives, such as learning the node's name, leave a right result,
 * which run_case checks; so success after a failure is allowed. */
static int deny_kernel(const struct node_case* c, void (*deny)(long), int number) {
    for (int n = 1;; n++) {
        deny(n);
        run_case(c, 0);
        int failed = fake_has_failed();
        deny(0);
        if (!failed) return n - 1;
        require(run_case(c, 0), "the next try must succeed", number);
    }
}

int main(int argc, char** argv) {
    int count = argc > 1 ? atoi(argv[1]) : 40, failures = 0;
    uint8_t bytes[CASE_HEADER_BYTES] = {0};
    uint32_t state = 1;
    printf("test_denied: registration survived %d denied allocations and %d denied calls\n",
           deny_registration(fake_fail_allocation), deny_registration(fake_fail_call));
    for (int number = 0; number < count; number++) {
        struct node_case c;
        for (size_t i = 0; i < sizeof bytes; i++) {
            state = state * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(state >> 24);
        }
        bytes[0] = 0; /* the best instruction set */
        decode_case(&c, bytes, sizeof bytes);
        c.version = "1.31.0";
        c.threading = NULL;
        c.is_valid = 1;
        require(run_case(&c, 0), "a valid node must run", number);
        failures += deny_kernel(&c, fake_fail_allocation, number);
        failures += deny_kernel(&c, fake_fail_call, number);
        release_case(&c);
    }
    printf("test_denied: %d nodes survived %d failures\n", count, failures);
    return 0;
}
