/* The instruction sets, and which of them this CPU can run. */
#ifndef ORT_SPARSE_BASE_ISA_H
#define ORT_SPARSE_BASE_ISA_H

#include "base/status.h"

/* X(name, architecture, CPU features as /proc/cpuinfo names them, whether this CPU has them): the
 * one list, best first. __builtin_cpu_supports reads CPUID and, through XGETBV, whether the
 * operating system saves the vector registers. */
#define ISA_LIST(X)                                                                              \
    X(avx512, X86_64, "avx512f", __builtin_cpu_supports("avx512f"))                              \
    X(avx2, X86_64, "avx2 fma", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) \
    X(sse2, X86_64, "sse2", 1)                                                                   \
    X(neon, AARCH64, "asimd", 1)                                                                 \
    X(portable, ANY, "", 1)

/* ISA_IF_<architecture>(text) is text where this architecture is compiled for, else nothing. */
#if defined(__x86_64__)
#define ISA_IF_X86_64(...) __VA_ARGS__
#else
#define ISA_IF_X86_64(...)
#endif
#if defined(__aarch64__)
#define ISA_IF_AARCH64(...) __VA_ARGS__
#else
#define ISA_IF_AARCH64(...)
#endif
#define ISA_IF_ANY(...) __VA_ARGS__

/* ISA_avx512 and so on, for every architecture. */
#define ISA_ENUMERATOR(name, architecture, features, supported) ISA_##name,
enum isa_id { ISA_LIST(ISA_ENUMERATOR) ISA_COUNT };
#undef ISA_ENUMERATOR

struct isa {
    enum isa_id id;
    const char* name;
    const char* features;
};

/* Every instruction set, those of other architectures too. */
const struct isa* isa_of(enum isa_id);

/* Names of those that this CPU can run, best first; NULL ends the list. */
const char* const* isa_supported_names(void);

/* The instruction set of this name if this CPU can run it. A NULL name stands for the environment
 * variable ORT_SPARSE_ISA; where that is unset too, or the name empty, it is the best one. Returns
 * NULL with the status filled in where there is no such one. */
const struct isa* isa_request(const char* name, struct status*);

#endif
