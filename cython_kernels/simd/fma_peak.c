/* The peak of each instruction set, from one generic loop of independent multiply-adds. */
#include "simd/fma_peak.h"

#include <time.h>

/* Fourteen chains cover latency times throughput of today's cores, and leave room for the two other
 * operands in 16 registers. */
enum { CHAINS = 14, STEPS = 50000, ROUNDS = 20 };

/* Read and written where the compiler must not see that all chains compute the same. */
static volatile float seed = 1.0f;

/* Every chain tends to 2, far from overflow and denormal numbers. */
#define DEFINE_CHAINS(isa, attributes, lanes)                                            \
    attributes static void chains_##isa(void) {                                          \
        typedef float vec __attribute__((vector_size(4 * (lanes))));                     \
        vec factor = (vec){0} + 0.5f * seed, term = (vec){0} + seed, sums[CHAINS];       \
        _Pragma("GCC unroll 14") for (int c = 0; c < CHAINS; c++) sums[c] = term * seed; \
        for (int step = 0; step < STEPS; step++) {                                       \
            _Pragma("GCC unroll 14") for (int c = 0; c < CHAINS; c++) {                  \
                sums[c] = sums[c] * factor + term;                                       \
            }                                                                            \
        }                                                                                \
        _Pragma("GCC unroll 14") for (int c = 1; c < CHAINS; c++) sums[0] += sums[c];    \
        volatile float sink = sums[0][0];                                                \
        (void)sink;                                                                      \
    }

#if defined(__x86_64__)
DEFINE_CHAINS(avx512, __attribute__((target("avx512f"))), 16)
DEFINE_CHAINS(avx2, __attribute__((target("avx2,fma"))), 8)
#endif
/* What every CPU of the architecture has: SSE2, NEON. */
DEFINE_CHAINS(baseline, , 4)

typedef void (*chains_function)(void);

static chains_function find_chains(enum isa_id isa, int* lanes) {
#if defined(__x86_64__)
    *lanes = 16;
    if (isa == ISA_avx512) return chains_avx512;
    *lanes = 8;
    if (isa == ISA_avx2) return chains_avx2;
#endif
    (void)isa;
    *lanes = 4;
    return chains_baseline;
}

static double seconds_of(chains_function chains) {
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    chains();
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
}

double fma_peak(const struct isa* isa) {
    int lanes;
    chains_function chains = find_chains(isa->id, &lanes);
    double best = seconds_of(chains);
    for (int round = 1; round < ROUNDS; round++) {
        double seconds = seconds_of(chains);
        if (seconds < best) best = seconds;
    }
    return 2e-9 * CHAINS * STEPS * lanes / best;
}
