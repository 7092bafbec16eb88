/* Element-by-element microkernels of every instruction set of this CPU, against double precision:
 * over all floats, with specials, in place, and at arrays of every length and address.
 *
 * Usage: test_elementwise [rounds]. Exits with 1 and a message at the first mismatch.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "microkernels/microkernel.h"
#include "problem.h"

enum { LONGEST = 70, GUARD = 16 };

static const float guard = 12345.0f;

#define NAME(enumerator, name) #name,
static const char* const unary_names[] = {UNARY_LIST(NAME)};
static const char* const binary_names[] = {BINARY_LIST(NAME)};
#undef NAME

/* --- Functions of one float. */

/* How exact each of them must be: within relative |y| + absolute. */
struct bound {
    double relative, absolute;
};

static const struct bound bounds[UNARY_COUNT] = {
    [UNARY_SIGMOID] = {1e-6, 1.2e-38},    [UNARY_SILU] = {1e-6, 1.2e-38},
    [UNARY_HARD_SIGMOID] = {0, 5e-7},     [UNARY_HARD_SWISH] = {2e-7, 3e-7},
    [UNARY_GELU] = {5e-7, 1.5e-6},        [UNARY_GELU_TANH] = {1e-6, 1e-6},
    [UNARY_ELU] = {1e-6, 1.2e-38},        [UNARY_TANH] = {1e-6, 1.2e-38},
    [UNARY_MISH] = {2e-6, 200 * FLT_MIN}, [UNARY_SOFTPLUS] = {1e-6, 2 * FLT_MIN},
    [UNARY_AFFINE] = {2e-7, 0},           [UNARY_EXP] = {5e-7, 2 * FLT_MIN},
    [UNARY_ERF] = {5e-7, FLT_MIN},        [UNARY_LOG] = {5e-7, 0},
    [UNARY_LEAKY_RELU] = {1e-7, FLT_MIN}, /* the others are exact */
};

static double unary_of(enum unary function, double x, double a, double b) {
    switch (function) {
        case UNARY_CLIP:
            return isnan(x) ? x : fmin(b, fmax(a, x));
        case UNARY_LEAKY_RELU:
            return x < 0 ? a * x : x;
        case UNARY_SIGMOID:
            return 1 / (1 + exp(-x));
        case UNARY_HARD_SIGMOID:
            return isnan(x) ? x : fmax(0, fmin(1, a * x + b));
        case UNARY_HARD_SWISH:
            return isnan(x) ? x : x * fmax(0, fmin(1, x / 6 + 0.5));
        case UNARY_SILU:
            return x / (1 + exp(-x));
        case UNARY_GELU:
            return x * erfc(-x / sqrt(2)) / 2;
        case UNARY_GELU_TANH:
            return x / (1 + exp(-2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
        case UNARY_ELU:
            return x < 0 ? a * expm1(x) : x;
        case UNARY_TANH:
            return tanh(x);
        case UNARY_MISH:
            return x * tanh(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)));
        case UNARY_SOFTPLUS:
            return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
        case UNARY_AFFINE:
            return a * x + b;
        case UNARY_ABS:
            return fabs(x);
        case UNARY_NEG:
            return -x;
        case UNARY_SQRT:
            return sqrt(x);
        case UNARY_EXP:
            return exp(x);
        case UNARY_ERF:
            return erf(x);
        case UNARY_RECIPROCAL:
            return 1 / x;
        case UNARY_LOG:
            return log(x);
        case UNARY_COUNT:
            break;
    }
    return NAN;
}

static void require_close(const struct microkernel_set* set, enum unary function, float x, float a,
                          float b, float y) {
    const double expected = unary_of(function, x, a, b);
    const struct bound* bound = &bounds[function];
    double scale = fabs(expected);
    if (function == UNARY_AFFINE) scale = fabs((double)a * x) + fabs(b); /* it may cancel */
    int holds;
    if (isnan(expected)) {
        holds = isnan(y);
    } else if (scale > FLT_MAX) {
        holds = y == (float)expected || fabs(y) >= 0.99999 * FLT_MAX;
    } else if (bound->relative == 0 && bound->absolute == 0) {
        holds = y == (float)expected;
    } else {
        /* A result next to infinity may become infinite. */
        double found = isinf(y) ? copysign(FLT_MAX, y) : y;
        holds = fabs(found - expected) <= bound->relative * scale + bound->absolute;
    }
    if (holds) return;
    fprintf(stderr, "test_elementwise: %s of %s: f(%.9g) must be %.9g, but is %.9g; a %g, b %g\n",
            unary_names[function], isa_of(set->isa)->name, x, expected, y, a, b);
    exit(1);
}

/* Numbers a and b as the function is used with. */
static void choose_parameters(enum unary function, float* a, float* b) {
    *a = 2 * random_float();
    *b = random_float();
    if (function == UNARY_CLIP) {
        *b = *a + 3 * fabsf(*b);
        if (random_below(3) == 0) *a = 0, *b = INFINITY;
    }
}

static float float_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Numbers of every size and sign, more of them between -20 and 20, and specials. */
static void check_all_floats(const struct microkernel_set* set, const struct microkernel* row) {
    enum { SIZES = 20000, NEAR = 40001, SPECIALS = 11, COUNT = SIZES + NEAR + SPECIALS };
    static float x[COUNT], y[COUNT];
    static const float specials[SPECIALS] = {0.0f,      -0.0f,   1.0f,        -1.0f,
                                             FLT_MIN,   FLT_MAX, -FLT_MAX,    INFINITY,
                                             -INFINITY, NAN,     FLT_TRUE_MIN};
    for (uint32_t i = 0; i < SIZES; i++) {
        x[i] = float_of_bits(i * (uint32_t)(((uint64_t)1 << 32) / SIZES) + random_below(200000));
    }
    for (int i = 0; i < NEAR; i++) {
        x[SIZES + i] = (float)(i - NEAR / 2) * 1e-3f + 1e-3f * random_float();
    }
    memcpy(x + SIZES + NEAR, specials, sizeof specials);
    const enum unary function = (enum unary)row->block_rows;
    float a, b;
    choose_parameters(function, &a, &b);
    row->run.unary(y, x, COUNT, a, b);
    for (int i = 0; i < COUNT; i++) require_close(set, function, x[i], a, b, y[i]);
}

/* --- Arrays of every length. */

/* Room for floats with exact ends, so that a sanitizer sees any access beyond, and those of y with
 * guards. */
struct room {
    float *memory, *floats;
};

static struct room make_room(int64_t count, int64_t shift) {
    struct room room = {malloc((size_t)(shift + count + 1) * sizeof(float)), NULL};
    if (room.memory == NULL) exit(2);
    room.floats = room.memory + shift + 1;
    for (int64_t i = 0; i < count; i++) room.floats[i] = 4 * random_float();
    return room;
}

static float* make_guarded(int64_t count, int64_t shift) {
    float* memory = allocate(count + shift + 2 * GUARD, sizeof *memory);
    for (int64_t i = 0; i < count + shift + 2 * GUARD; i++) memory[i] = guard;
    return memory;
}

static void require_guards(const struct microkernel_set* set, const char* name, const float* memory,
                           int64_t first, int64_t count, int64_t all) {
    for (int64_t i = 0; i < all; i++) {
        if ((i < first || i >= first + count) && memory[i] != guard) {
            fprintf(stderr,
                    "test_elementwise: %s of %s: nothing beyond %lld floats may be written\n", name,
                    isa_of(set->isa)->name, (long long)count);
            exit(1);
        }
    }
}

static void check_unary_arrays(const struct microkernel_set* set, const struct microkernel* row) {
    const enum unary function = (enum unary)row->block_rows;
    for (int64_t count = 0; count <= LONGEST; count++) {
        float a, b;
        choose_parameters(function, &a, &b);
        struct room x = make_room(count, random_below(16));
        const int64_t first = GUARD + random_below(16), all = count + 16 + 2 * GUARD;
        float* memory = make_guarded(count, 16);
        float* y = memory + first;
        row->run.unary(y, x.floats, count, a, b);
        for (int64_t i = 0; i < count; i++) {
            require_close(set, function, x.floats[i], a, b, y[i]);
        }
        require_guards(set, unary_names[function], memory, first, count, all);
        row->run.unary(x.floats, x.floats, count, a, b);
        if (count > 0 && memcmp(x.floats, y, (size_t)count * sizeof *y) != 0 &&
            function != UNARY_LOG && function != UNARY_SQRT) { /* whose NaN may differ in sign */
            fprintf(stderr, "test_elementwise: %s of %s: must be the same in place\n",
                    unary_names[function], isa_of(set->isa)->name);
            exit(1);
        }
        free(memory);
        free(x.memory);
    }
}

/* --- Functions of two floats. */

static double binary_of(enum binary function, double a, double b) {
    switch (function) {
        case BINARY_ADD:
            return a + b;
        case BINARY_SUB:
            return a - b;
        case BINARY_MUL:
            return a * b;
        case BINARY_DIV:
            return a / b;
        case BINARY_MAXIMUM:
            return isnan(a) || isnan(b) ? NAN : fmax(a, b);
        case BINARY_MINIMUM:
            return isnan(a) || isnan(b) ? NAN : fmin(a, b);
        case BINARY_COUNT:
            break;
    }
    return NAN;
}

static void add_specials(struct room* room, int64_t count) {
    static const float specials[] = {0.0f, INFINITY, -INFINITY, NAN, FLT_MAX, FLT_TRUE_MIN};
    for (int64_t i = 0; i < count; i++) {
        if (random_below(4) == 0) room->floats[i] = specials[random_below(6)];
    }
}

/* Into an array of its own, or over the first or the second. */
static void check_binary(const struct microkernel_set* set, const struct microkernel* row,
                         int64_t count, int place) {
    const int64_t firsts = row->vectors == BINARY_FIRST_IS_NUMBER ? 1 : count;
    const int64_t seconds = row->vectors == BINARY_SECOND_IS_NUMBER ? 1 : count;
    if ((place == 1 && firsts != count) || (place == 2 && seconds != count)) return;
    struct room first = make_room(firsts, random_below(16));
    struct room second = make_room(seconds, random_below(16));
    add_specials(&first, firsts);
    add_specials(&second, seconds);
    double* expected = allocate(count, sizeof *expected);
    for (int64_t i = 0; i < count; i++) {
        expected[i] = binary_of((enum binary)row->block_rows, first.floats[firsts == 1 ? 0 : i],
                                second.floats[seconds == 1 ? 0 : i]);
    }
    const char* name = binary_names[row->block_rows];
    const int64_t from = GUARD + random_below(16);
    float* memory = make_guarded(count, 16);
    float* y = place == 1 ? first.floats : place == 2 ? second.floats : memory + from;
    row->run.binary(y, first.floats, second.floats, count);
    for (int64_t i = 0; i < count; i++) {
        if (isnan(expected[i]) ? isnan(y[i]) : y[i] == (float)expected[i]) continue;
        fprintf(stderr, "test_elementwise: %s of %s, shape %d: must be %.9g, but is %.9g\n", name,
                isa_of(set->isa)->name, row->vectors, expected[i], y[i]);
        exit(1);
    }
    if (place == 0) require_guards(set, name, memory, from, count, count + 16 + 2 * GUARD);
    free(memory);
    free(expected);
    free(first.memory);
    free(second.memory);
}

static int check_row(const struct microkernel_set* set, const struct microkernel* row, int rounds) {
    if (row->family == MICROKERNEL_UNARY) {
        check_unary_arrays(set, row);
        for (int i = 0; i < rounds; i++) check_all_floats(set, row);
    } else if (row->family == MICROKERNEL_BINARY) {
        for (int64_t count = 0; count <= LONGEST; count++) {
            for (int place = 0; place < 3; place++) check_binary(set, row, count, place);
        }
    } else {
        return 0;
    }
    return 1;
}

/* Every function must be in the table, or nothing would test it. */
static void require_rows(const struct microkernel_set* set) {
    for (int function = 0; function < UNARY_COUNT; function++) {
        if (microkernel_find(set, MICROKERNEL_UNARY, function, 0) == NULL) exit(1);
    }
    for (int i = 0; i < BINARY_COUNT * 3; i++) {
        if (microkernel_find(set, MICROKERNEL_BINARY, i / 3, i % 3) == NULL) exit(1);
    }
}

int main(int argc, char** argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 3, rows = 0;
    for (const char* const* name = isa_supported_names(); *name != NULL; name++) {
        struct status status;
        const struct microkernel_set* set = microkernel_set_of(isa_request(*name, &status));
        require_rows(set);
        for (int i = 0; i < set->count; i++) rows += check_row(set, &set->entries[i], rounds);
        printf("test_elementwise: %s is right\n", *name);
    }
    printf("test_elementwise: %d microkernels\n", rows);
    return 0;
}
