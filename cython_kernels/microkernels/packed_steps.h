/* How a group and a step are stored. */
#ifndef ORT_SPARSE_MICROKERNELS_PACKED_STEPS_H
#define ORT_SPARSE_MICROKERNELS_PACKED_STEPS_H

#include <string.h>

#include "microkernels/microkernel.h"
#include "simd/compiler.h"

/* Row r of a group, counted from the chunk's first one. */
SIMD_INLINE int64_t packed_row(const uint16_t* group_rows, int r, int nr) {
    return (int64_t)group_rows[r / nr] * nr + r % nr;
}

/* The channels of a step at once, the first one lowest: a load each would cost too many loads. */
SIMD_INLINE uint64_t packed_channels(const uint16_t* channels, const int nr) {
    if (nr == SPMM_GROUP_ROWS) return *channels;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t all = 0;
    memcpy(&all, channels, (size_t)(SPMM_GROUP_ROWS / nr) * sizeof *channels);
    return all;
#else
    uint64_t all = channels[0] | (uint64_t)channels[1] << 16;
    return nr == 2 ? all : all | (uint64_t)channels[2] << 32 | (uint64_t)channels[3] << 48;
#endif
}

#endif
