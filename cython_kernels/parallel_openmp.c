#include "parallel_openmp.h"

void parallel_openmp(void (*task)(void*, size_t), void* data, size_t count) {
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < count; ++i) task(data, i);
}
