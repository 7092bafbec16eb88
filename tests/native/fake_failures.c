/* Calls and allocations that fail on demand. */
#include <stdatomic.h>
#include <stdlib.h>

#include "fake_calls.h"

static atomic_long calls_left, allocations_left;
static atomic_int has_failed;

void fake_fail_call(long n) {
    atomic_store(&calls_left, n);
    atomic_store(&has_failed, 0);
}

void fake_fail_allocation(long n) {
    atomic_store(&allocations_left, n);
    atomic_store(&has_failed, 0);
}

int fake_has_failed(void) { return atomic_load(&has_failed); }

static int is_due(atomic_long* left) {
    if (atomic_load(left) == 0 || atomic_fetch_sub(left, 1) != 1) return 0;
    atomic_store(&has_failed, 1);
    return 1;
}

int fake_call_is_due(void) { return is_due(&calls_left); }

void* __real_malloc(size_t);
void* __real_calloc(size_t, size_t);
void* __real_realloc(void*, size_t);
void* __real_aligned_alloc(size_t, size_t);
void* __wrap_malloc(size_t);
void* __wrap_calloc(size_t, size_t);
void* __wrap_realloc(void*, size_t);
void* __wrap_aligned_alloc(size_t, size_t);

void* __wrap_malloc(size_t size) { return is_due(&allocations_left) ? NULL : __real_malloc(size); }

void* __wrap_calloc(size_t count, size_t size) {
    return is_due(&allocations_left) ? NULL : __real_calloc(count, size);
}

void* __wrap_realloc(void* memory, size_t size) {
    return is_due(&allocations_left) ? NULL : __real_realloc(memory, size);
}

void* __wrap_aligned_alloc(size_t alignment, size_t size) {
    return is_due(&allocations_left) ? NULL : __real_aligned_alloc(alignment, size);
}

void* fake_allocate(size_t count, size_t size) {
    void* memory = __real_calloc(count > 0 ? count : 1, size);
    if (memory == NULL) abort();
    return memory;
}
