/* Microkernels that make one number of many, and the layers that use them, global pools and
 * softmax, on every instruction set of this CPU against double precision.
 *
 * Usage: test_reduce [rounds]. Exits with 1 and a message at the first mismatch.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dense/global_pool.h"
#include "dense/softmax.h"
#include "problem.h"

static const float guard = 12345.0f;

static _Noreturn void refuse(const struct isa* isa, const char* what, int64_t count,
                             double expected, double found) {
    fprintf(stderr, "test_reduce: %s of %s, %lld floats: must be %.9g, but is %.9g\n", what,
            isa->name, (long long)count, expected, found);
    exit(1);
}

/* Random floats with an exact end, so that a sanitizer sees a load beyond it. */
static float* random_floats(int64_t count, float offset, float scale) {
    float* floats = malloc((size_t)(count > 0 ? count : 1) * sizeof *floats);
    if (floats == NULL) exit(2);
    for (int64_t i = 0; i < count; i++) floats[i] = scale * random_float() + offset;
    return floats;
}

static int64_t random_count(void) {
    return random_below(random_below(8) == 0 ? 60000 : random_below(3) == 0 ? 3000 : 200);
}

/* --- The microkernels. */

static double maximum_of(const float* x, int64_t count) {
    double maximum = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        if (isnan(x[i])) return NAN;
        if (x[i] > maximum) maximum = x[i];
    }
    return maximum;
}

static double sum_of(const float* x, int64_t count, double* magnitude) {
    double sum = 0;
    *magnitude = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += x[i];
        *magnitude += fabs(x[i]);
    }
    return sum;
}

static int is_same(double expected, double found) {
    return isnan(expected) ? isnan(found) : found == expected;
}

static void check_reduce(const struct isa* isa, const struct microkernel* row, int64_t count) {
    float* x = random_floats(count, random_below(2) ? 1.0f : 0.0f, 1.0f);
    double magnitude, sum = sum_of(x, count, &magnitude), maximum = maximum_of(x, count);
    float found = row->run.reduce(x, count);
    if (row->block_rows == REDUCE_SUM && !(fabs(found - sum) <= 1e-6 * magnitude)) {
        refuse(isa, "sum", count, sum, found);
    }
    if (row->block_rows == REDUCE_MAXIMUM && found != maximum) {
        refuse(isa, "maximum", count, maximum, found);
    }
    static const float specials[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3 && count > 0; i++) {
        x[random_below((uint32_t)count)] = specials[2 - i]; /* NaN last, since it stays */
        found = row->run.reduce(x, count);
        double expected =
            row->block_rows == REDUCE_SUM ? sum_of(x, count, &magnitude) : maximum_of(x, count);
        if (!isfinite(expected) && !is_same(expected, found)) {
            refuse(isa, "one of specials", count, expected, found);
        }
    }
    free(x);
}

/* Equal floats, whose rounding errors add up where one sum takes many of them. */
static void check_long_sum(const struct isa* isa, reduce_kernel kernel) {
    enum { COUNT = 1 << 20 };
    float* x = random_floats(COUNT, 0.7f, 0.0f);
    const double expected = COUNT * (double)x[0];
    const float found = kernel(x, COUNT);
    if (!(fabs(found - expected) <= 3e-7 * expected)) {
        refuse(isa, "a long sum", COUNT, expected, found);
    }
    free(x);
}

static void check_exp_sum(const struct isa* isa, exp_sum_kernel kernel, int64_t count) {
    float* x = random_floats(count, 0.0f, random_below(2) ? 1.0f : 40.0f);
    float* y = random_floats(count, 0.0f, 1.0f);
    const float shift = 5.0f * random_float();
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += exp((double)x[i] - shift);
    const float found = kernel(y, x, count, shift), found_alone = kernel(NULL, x, count, shift);
    if (!(fabs(found - sum) <= 5e-6 * sum)) refuse(isa, "sum of exponentials", count, sum, found);
    if (found != found_alone) refuse(isa, "sum alone", count, found, found_alone);
    for (int64_t i = 0; i < count; i++) {
        double expected = exp((double)(x[i] - shift));
        if (!(fabs(y[i] - expected) <= 5e-7 * expected + 2 * FLT_MIN)) {
            refuse(isa, "exponential", count, expected, y[i]);
        }
    }
    kernel(x, x, count, shift);
    if (count > 0 && memcmp(x, y, (size_t)count * sizeof *x) != 0) {
        refuse(isa, "exponentials in place", count, y[0], x[0]);
    }
    free(x);
    free(y);
}

/* --- Global pools. */

static void check_pool(const struct isa* isa, enum global_pool_kind kind) {
    const int64_t images = random_below(4), channels = 1 + random_below(40);
    const int64_t pixels = 1 + random_below(random_below(4) == 0 ? 20000 : 150);
    const int64_t x_stride = pixels + random_below(3), y_stride = 1 + random_below(3);
    float* x = random_floats(images * channels * x_stride, 0.5f, 1.0f);
    float* y = random_floats(images * channels * y_stride, 0.0f, 1.0f);
    for (int64_t i = 0; i < images * channels * y_stride; i++) y[i] = guard;
    struct global_pool_plan plan;
    global_pool_plan_make(&plan, kind, images, channels, pixels, isa);
    const struct global_pool_operands operands = {{x, channels * x_stride, x_stride},
                                                  {y, channels * y_stride, y_stride}};
    for (int64_t t = plan.task_count - 1; t >= 0; t--) global_pool_run_task(&plan, &operands, t);
    for (int64_t plane = 0; plane < images * channels; plane++) {
        const float* from = x + plane * x_stride;
        double magnitude, expected = sum_of(from, pixels, &magnitude);
        if (kind == GLOBAL_POOL_AVERAGE) expected /= (double)pixels, magnitude /= (double)pixels;
        if (kind == GLOBAL_POOL_MAXIMUM) expected = maximum_of(from, pixels), magnitude = 0;
        const float* found = y + plane * y_stride;
        if (!(fabs(*found - expected) <= 1.1e-6 * magnitude)) {
            refuse(isa, "a global pool", pixels, expected, *found);
        }
        for (int64_t i = 1; i < y_stride; i++) {
            if (found[i] != guard) refuse(isa, "a float beside Y", i, guard, found[i]);
        }
    }
    free(x);
    free(y);
}

static void check_empty_pools(const struct isa* isa) {
    const struct {
        enum global_pool_kind kind;
        double expected;
    } cases[] = {
        {GLOBAL_POOL_AVERAGE, NAN}, {GLOBAL_POOL_MAXIMUM, -INFINITY}, {GLOBAL_POOL_SUM, 0}};
    for (int i = 0; i < 3; i++) {
        float x = 1.0f, y[2] = {guard, guard};
        struct global_pool_plan plan;
        global_pool_plan_make(&plan, cases[i].kind, 1, 2, 0, isa);
        const struct global_pool_operands operands = {{&x, 0, 0}, {y, 2, 1}};
        for (int64_t t = 0; t < plan.task_count; t++) global_pool_run_task(&plan, &operands, t);
        if (!is_same(cases[i].expected, y[1])) refuse(isa, "no pixel", 0, cases[i].expected, y[1]);
    }
}

/* --- Softmax. */

static void compare_row(const struct isa* isa, enum softmax_kind kind, const float* x,
                        const float* y, int64_t count) {
    const double maximum = maximum_of(x, count);
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += exp(x[i] - maximum);
    for (int64_t i = 0; i < count; i++) {
        double expected = kind == SOFTMAX ? exp(x[i] - maximum) / sum : x[i] - maximum - log(sum);
        double error = fabs(y[i] - expected);
        if (isinf(expected) ? y[i] == expected : error <= 2e-6 * fmax(1, fabs(expected))) continue;
        if (isnan(expected) && isnan(y[i])) continue;
        refuse(isa, kind == SOFTMAX ? "softmax" : "log_softmax", count, expected, y[i]);
    }
}

static void check_softmax(const struct isa* isa, enum softmax_kind kind, int in_place) {
    const int64_t rows = random_below(random_below(4) == 0 ? 300 : 4);
    const int64_t count = random_below(random_below(4) == 0 ? 5000 : 100);
    const float offset = random_below(3) == 0 ? 1000.0f : 0.0f;
    float* x = random_floats(rows * count, offset, random_below(2) ? 1.0f : 60.0f);
    float* y = random_floats(rows * count, 0.0f, 1.0f);
    static const float specials[] = {-INFINITY, NAN, INFINITY};
    if (rows * count > 0 && random_below(3) == 0) {
        x[random_below((uint32_t)(rows * count))] = specials[random_below(3)];
    }
    if (in_place && rows * count > 0) memcpy(y, x, (size_t)(rows * count) * sizeof *y);
    struct softmax_plan plan;
    softmax_plan_make(&plan, kind, rows, count, isa);
    const struct softmax_operands operands = {in_place ? y : x, y};
    for (int64_t t = plan.task_count - 1; t >= 0; t--) softmax_run_task(&plan, &operands, t);
    for (int64_t r = 0; r < rows; r++) {
        compare_row(isa, kind, x + r * count, y + r * count, count);
    }
    free(x);
    free(y);
}

static int check_row(const struct isa* isa, const struct microkernel* row, int rounds) {
    if (row->family != MICROKERNEL_REDUCE && row->family != MICROKERNEL_EXP_SUM) return 0;
    for (int64_t i = 0; i < 200 + 30 * rounds; i++) {
        const int64_t count = i < 200 ? i : random_count();
        if (row->family == MICROKERNEL_REDUCE) {
            check_reduce(isa, row, count);
        } else {
            check_exp_sum(isa, row->run.exp_sum, count);
        }
    }
    if (row->family == MICROKERNEL_REDUCE && row->block_rows == REDUCE_SUM) {
        check_long_sum(isa, row->run.reduce);
    }
    return 1;
}

int main(int argc, char** argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 3, rows = 0;
    for (const char* const* name = isa_supported_names(); *name != NULL; name++) {
        struct status status;
        const struct isa* isa = isa_request(*name, &status);
        const struct microkernel_set* set = microkernel_set_of(isa);
        for (int i = 0; i < set->count; i++) rows += check_row(isa, &set->entries[i], rounds);
        check_empty_pools(isa);
        for (int i = 0; i < 20 * rounds; i++) {
            check_pool(isa, (enum global_pool_kind)(i % 3));
            check_softmax(isa, (enum softmax_kind)(i % 2), i / 2 % 2);
        }
        printf("test_reduce: %s is right\n", *name);
    }
    printf("test_reduce: %d microkernels\n", rows);
    return 0;
}
