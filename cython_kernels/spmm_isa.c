/* Which microkernels there are, and which of them this CPU can run.
 *
 * __builtin_cpu_supports of gcc and clang reads CPUID and, through XGETBV, whether the operating
 * system saves the vector registers; so no detection of our own is needed. */
#include "spmm_isa.h"

#include <string.h>

#define ISA(isa, supported, table) &spmm_isa_##isa,
static const struct spmm_isa* const isas[] = {SPMM_ISAS(ISA)};
#undef ISA

enum { ISA_COUNT = sizeof isas / sizeof isas[0] };

#define KERNEL(isa, nr, mr) spmm_kernel_##isa##_##nr##x##mr,
#define KERNELS(isa, supported, table) table(KERNEL)
static const spmm_kernel kernels[] = {SPMM_ISAS(KERNELS)};
#undef KERNELS
#undef KERNEL

enum { KERNEL_COUNT = sizeof kernels / sizeof kernels[0] };

#define INFO(isa, nr, mr) {#isa, SPMM_FEATURES_##isa, nr, mr, SPMM_LANES_##isa},
#define INFOS(isa, supported, table) table(INFO)
static const struct spmm_kernel_info kernel_infos[] = {SPMM_ISAS(INFOS)};
#undef INFOS
#undef INFO

static int is_supported(int index) {
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
#define SUPPORTED(isa, supported, table) supported,
    const int flags[] = {SPMM_ISAS(SUPPORTED)};
#undef SUPPORTED
    return flags[index] != 0;
}

static int index_of(const char* name) {
    for (int i = 0; i < ISA_COUNT; i++) {
        if (strcmp(isas[i]->name, name) == 0) return i;
    }
    return -1;
}

static const char* supported_names[ISA_COUNT + 1];

/* When the library is loaded, so that no two threads do it at once. */
__attribute__((constructor)) static void list_supported(void) {
    int count = 0;
    for (int i = 0; i < ISA_COUNT; i++) {
        if (is_supported(i)) supported_names[count++] = isas[i]->name;
    }
}

const char* const* spmm_supported_isas(void) { return supported_names; }

int spmm_is_known_isa(const char* isa) {
    static const char* const names[] = {"avx512", "avx2", "sse2", "neon", "portable"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], isa) == 0) return 1;
    }
    return 0;
}

const struct spmm_kernel_info* spmm_kernel_table(int* count) {
    *count = KERNEL_COUNT;
    return kernel_infos;
}

const struct spmm_isa* spmm_find_isa(const char* name) {
    int i = index_of(name != NULL ? name : spmm_supported_isas()[0]);
    return i >= 0 && is_supported(i) ? isas[i] : NULL;
}

const spmm_kernel* spmm_find_kernels(const struct spmm_isa* isa, int64_t block_rows, int* count) {
    const spmm_kernel* found = NULL;
    *count = 0;
    for (int i = 0; i < KERNEL_COUNT; i++) {
        const struct spmm_kernel_info* info = &kernel_infos[i];
        if (info->block_rows != block_rows || strcmp(info->isa, isa->name) != 0) continue;
        if (found == NULL) found = &kernels[i];
        *count = info->vectors;
    }
    return found;
}
