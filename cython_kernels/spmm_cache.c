/* Sizes of the data caches, read from the machine. */
#include <stdio.h>
#include <unistd.h>

#include "spmm_internal.h"

/* Linux lists caches as .../cache/index<i>: the L1 data cache is 0, that of code 1, the L2 2. */
static int64_t bytes_from_sysfs(const char* path) {
    FILE* file = fopen(path, "r");
    if (file == NULL) return 0;
    long kilobytes = 0;
    if (fscanf(file, "%ldK", &kilobytes) != 1) kilobytes = 0;
    fclose(file);
    return (int64_t)kilobytes << 10;
}

static int64_t l1_bytes(void) {
    int64_t bytes = 0;
#ifdef _SC_LEVEL1_DCACHE_SIZE
    bytes = sysconf(_SC_LEVEL1_DCACHE_SIZE);
#endif
    if (bytes <= 0) bytes = bytes_from_sysfs("/sys/devices/system/cpu/cpu0/cache/index0/size");
    return bytes > 0 ? bytes : 32 << 10;
}

int64_t spmm_l2_bytes(void) {
    int64_t bytes = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
    bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    if (bytes <= 0) bytes = bytes_from_sysfs("/sys/devices/system/cpu/cpu0/cache/index2/size");
    return bytes > 0 ? bytes : 256 << 10;
}

int64_t spmm_panel_budget(void) {
    const int64_t least = 12 << 10, most = SPMM_PANEL_FLOATS * (int64_t)sizeof(float);
    int64_t budget = l1_bytes();
    return budget < least ? least : budget > most ? most : budget;
}

int64_t spmm_staging_budget(void) {
    const int64_t least = 4 << 10, most = SPMM_STAGING_FLOATS * (int64_t)sizeof(float);
    int64_t budget = spmm_l2_bytes() / 2 - spmm_panel_budget();
    return budget < least ? least : budget > most ? most : budget;
}
