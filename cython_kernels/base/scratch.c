#include "base/scratch.h"

#include "base/memory.h"

float* scratch_of_thread(void) {
    static _Thread_local _Alignas(MEMORY_ALIGNMENT) float floats[SCRATCH_FLOATS];
    return floats;
}
