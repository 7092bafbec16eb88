/* What one core can do. */
#ifndef ORT_SPARSE_SIMD_FMA_PEAK_H
#define ORT_SPARSE_SIMD_FMA_PEAK_H

#include "base/isa.h"

/* Measures GFLOP/s of multiply-adds from registers alone, with an instruction set that this CPU can
 * run. Takes some milliseconds. */
double fma_peak(const struct isa*);

#endif
