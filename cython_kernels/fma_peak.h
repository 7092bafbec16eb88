/* What a core's multiply-adds reach at best: the yardstick of the benchmarks. */
#ifndef ORT_SPARSE_FMA_PEAK_H
#define ORT_SPARSE_FMA_PEAK_H

/* GFLOP/s of one core that does nothing but multiply and add vectors in registers, measured in a
 * few milliseconds; 0 if this CPU cannot run the instruction set. One multiply-add of one lane is
 * two operations. */
double fma_peak(const char* isa);

#endif
