/* Sizes of this machine's data caches. */
#ifndef ORT_SPARSE_BASE_CACHE_H
#define ORT_SPARSE_BASE_CACHE_H

#include <stdint.h>

enum { CACHE_LINE_FLOATS = 16 /* of 64 bytes */ };

/* Bytes of a core's own caches; a usual size where the machine does not tell. */
int64_t cache_l1_bytes(void);
int64_t cache_l2_bytes(void);

#endif
