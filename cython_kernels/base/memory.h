/* Aligned memory. */
#ifndef ORT_SPARSE_BASE_MEMORY_H
#define ORT_SPARSE_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

enum { MEMORY_ALIGNMENT = 64 /* bytes: a cache line, and the widest vector */ };

/* Uninitialized memory for `count` elements of `size` bytes, aligned, or NULL; never NULL where
 * memory suffices, even for no element. */
void* memory_allocate(int64_t count, size_t size);
void memory_release(void*); /* NULL is allowed */

#endif
