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

/* `name` is one of sysconf's, or -1 where it has none. */
static int64_t bytes_of(int name, const char* path, int64_t usual) {
    int64_t bytes = name >= 0 ? sysconf(name) : 0;
    if (bytes <= 0) bytes = bytes_from_sysfs(path);
    return bytes > 0 ? bytes : usual;
}

#ifndef _SC_LEVEL1_DCACHE_SIZE
#define _SC_LEVEL1_DCACHE_SIZE (-1)
#define _SC_LEVEL2_CACHE_SIZE (-1)
#endif

int64_t cache_l1_bytes(void) {
    return bytes_of(_SC_LEVEL1_DCACHE_SIZE, "/sys/devices/system/cpu/cpu0/cache/index0/size",
                    32 << 10);
}

int64_t cache_l2_bytes(void) {
    return bytes_of(_SC_LEVEL2_CACHE_SIZE, "/sys/devices/system/cpu/cpu0/cache/index2/size",
                    256 << 10);
}
