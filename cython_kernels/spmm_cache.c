/* The size of the first-level data cache, read from the machine. */
#include <stdio.h>
#include <unistd.h>

#include "spmm_internal.h"

/* Linux lists caches as .../cache/index<i>; the first one is the L1 data cache. */
static int64_t l1_from_sysfs(void) {
    FILE* file = fopen("/sys/devices/system/cpu/cpu0/cache/index0/size", "r");
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
    if (bytes <= 0) bytes = l1_from_sysfs();
    return bytes > 0 ? bytes : 32 << 10;
}

int64_t spmm_panel_budget(void) {
    const int64_t least = 12 << 10, most = SPMM_PANEL_FLOATS * (int64_t)sizeof(float);
    int64_t budget = l1_bytes();
    return budget < least ? least : budget > most ? most : budget;
}
