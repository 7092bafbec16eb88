#include "base/memory.h"

#include <stdlib.h>

void* memory_allocate(int64_t count, size_t size) {
    const size_t alignment = MEMORY_ALIGNMENT;
    if (count < 0 || (uint64_t)count > (SIZE_MAX - alignment) / size) return NULL;
    /* aligned_alloc wants a multiple of the alignment, and NULL shall mean failure. */
    size_t bytes = ((size_t)count * size + alignment) / alignment * alignment;
    return aligned_alloc(alignment, bytes);
}

void memory_release(void* memory) { free(memory); }
