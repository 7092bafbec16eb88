/* The transposing microkernels of every instruction set of this CPU, and the layer that uses them,
 * between arrays with exact ends and guards round what is written.
 *
 * Usage: test_transpose [rounds]. Exits with 1 and a message at the first mismatch.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/arithmetic.h"
#include "dense/transpose.h"
#include "problem.h"

enum { GUARD = 16 };

static const float guard = 12345.0f;

static void require(int holds, const struct isa* isa, const char* rule, int64_t rows,
                    int64_t columns) {
    if (holds) return;
    fprintf(stderr, "test_transpose: %s of %s, %lld x %lld\n", rule, isa->name, (long long)rows,
            (long long)columns);
    exit(1);
}

/* Different floats with an exact end, so that a sanitizer sees a load beyond it. */
static float* make_source(int64_t count) {
    float* floats = malloc((size_t)(count > 0 ? count : 1) * sizeof *floats);
    if (floats == NULL) exit(2);
    for (int64_t i = 0; i < count; i++) floats[i] = (float)i;
    return floats;
}

static float* make_target(int64_t count) {
    float* floats = allocate(count + 2 * GUARD, sizeof *floats);
    for (int64_t i = 0; i < count + 2 * GUARD; i++) floats[i] = guard;
    return floats;
}

static void check_kernel(const struct isa* isa, transpose_kernel kernel, int64_t rows,
                         int64_t columns) {
    const int64_t from_stride = columns + (random_below(2) ? random_below(6) : 0);
    const int64_t to_stride = larger(1, rows + (random_below(2) ? random_below(6) : 0));
    const int64_t shift = random_below(16);
    const int64_t read = rows == 0 || columns == 0 ? 0 : (rows - 1) * from_stride + columns;
    const int64_t written = (columns + 1) * (to_stride + 1) + shift;
    float *from = make_source(shift + read), *to = make_target(written);
    kernel(to + GUARD + shift, to_stride, from + shift, from_stride, rows, columns);
    for (int64_t i = 0; i < written + 2 * GUARD; i++) {
        const int64_t at = i - GUARD - shift, c = at / to_stride, r = at % to_stride;
        const int inside = at >= 0 && c < columns && r < rows;
        const float expected = inside ? from[shift + r * from_stride + c] : guard;
        require(to[i] == expected, isa, "a wrong float", rows, columns);
    }
    free(from);
    free(to);
}

static void check_layer(const struct isa* isa, int64_t images, int64_t channels, int64_t pixels) {
    const int64_t plane = pixels + 1 + random_below(20), image = channels * plane + 1;
    const int64_t count = images * channels * pixels, room = images * image + GUARD;
    float *nhwc = make_source(count), *planes = make_target(room), *again = make_target(count);
    struct transpose_operands operands = {{planes + GUARD, image, plane}, nhwc};
    struct transpose_plan plan;
    transpose_plan_make(&plan, TRANSPOSE_TO_PLANES, images, channels, pixels, isa);
    for (int64_t t = plan.task_count - 1; t >= 0; t--) transpose_run_task(&plan, &operands, t);
    for (int64_t i = 0; i < room; i++) {
        const int64_t n = i / image, c = i % image / plane, p = i % image % plane;
        const int inside = n < images && c < channels && p < pixels;
        const float expected = inside ? nhwc[(n * pixels + p) * channels + c] : guard;
        require(planes[GUARD + i] == expected, isa, "a wrong float in planes", channels, pixels);
    }
    operands.nhwc = again + GUARD;
    transpose_plan_make(&plan, TRANSPOSE_TO_NHWC, images, channels, pixels, isa);
    for (int64_t t = plan.task_count - 1; t >= 0; t--) transpose_run_task(&plan, &operands, t);
    for (int64_t i = 0; i < count + GUARD; i++) {
        const float expected = i < count ? nhwc[i] : guard;
        require(again[GUARD + i] == expected, isa, "a wrong float in NHWC", channels, pixels);
    }
    free(nhwc);
    free(planes);
    free(again);
}

static int check_row(const struct isa* isa, const struct microkernel* row, int rounds) {
    if (row->family != MICROKERNEL_TRANSPOSE) return 0;
    for (int64_t rows = 0; rows <= 36; rows++) {
        for (int64_t columns = 0; columns <= 20; columns++) {
            check_kernel(isa, row->run.transpose, rows, columns);
        }
    }
    for (int i = 0; i < 10 * rounds; i++) {
        check_kernel(isa, row->run.transpose, random_below(300), random_below(300));
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
        check_layer(isa, 2, 3, 50 * 63);
        check_layer(isa, 2, 1, 20000);
        check_layer(isa, 0, 3, 10);
        check_layer(isa, 2, 0, 10);
        check_layer(isa, 2, 5, 0);
        for (int i = 0; i < 5 * rounds; i++) {
            check_layer(isa, 1 + random_below(3), 1 + random_below(70), 1 + random_below(3000));
        }
        printf("test_transpose: %s is right\n", *name);
    }
    printf("test_transpose: %d microkernels\n", rows);
    return 0;
}
