/* The OpenMP driver: runs independent tasks on an OpenMP team.
 *
 * In C rather than Cython's prange, because prange calls into Python's thread state even from
 * nogil code, and this code must also run in processes without Python. */
#ifndef ORT_SPARSE_PARALLEL_OPENMP_H
#define ORT_SPARSE_PARALLEL_OPENMP_H

#include <stddef.h>

void parallel_openmp(void (*task)(void*, size_t), void* data, size_t count);

#endif
