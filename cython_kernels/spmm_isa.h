/* Choice of an instruction set and its microkernels. */
#ifndef ORT_SPARSE_SPMM_ISA_H
#define ORT_SPARSE_SPMM_ISA_H

#include "microkernels/spmm_kernels.h"

/* The instruction set of this name, or the best one for NULL; NULL if this CPU cannot run it. */
const struct spmm_isa* spmm_find_isa(const char* name);

/* The microkernels for blocks of `block_rows` rows, by vectors - 1; their number in `count`. */
const spmm_kernel* spmm_find_kernels(const struct spmm_isa*, int64_t block_rows, int* count);

#endif
