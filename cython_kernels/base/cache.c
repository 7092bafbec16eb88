#include "base/cache.h"

#include <stdio.h>
#include <unistd.h>

/* Linux lists caches as .../cache/index<i>: the L1 data cache is 0, that of code 1, the L2 2. */
static int64_t bytes_from_sysfs(const char* path) {
    FILE* file = fopen(path, "r");
    if (file == NULL) return 0;
    long kilobytes = 0;
    if (fscanf(file, "%ldK", &kilobytes) != 1) kilobytes = 0;
    fclose(file);
    return (int64_t)kilobytes << 10;
}

int64_t cache_l1_bytes(void) {
    int64_t bytes = 0;
#ifdef _SC_LEVEL1_DCACHE_SIZE
    bytes = sysconf(_SC_LEVEL1_DCACHE_SIZE);
#endif
    if (bytes <= 0) bytes = bytes_from_sysfs("/sys/devices/system/cpu/cpu0/cache/index0/size");
    return bytes > 0 ? bytes : 32 << 10;
}

int64_t cache_l2_bytes(void) {
    int64_t bytes = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
    bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    if (bytes <= 0) bytes = bytes_from_sysfs("/sys/devices/system/cpu/cpu0/cache/index2/size");
    return bytes > 0 ? bytes : 256 << 10;
}
