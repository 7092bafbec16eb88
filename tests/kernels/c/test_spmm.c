/* Runs every microkernel table row of this CPU against a double-precision oracle.
 *
 * Usage: test_spmm [rounds]. Exits with 1 and a message at the first mismatch. Build:
 *   cc -std=c11 -O2 -I cython_kernels tests/kernels/c/test_spmm.c cython_kernels/spmm*.c \
 *      cython_kernels/microkernels/spmm*.c -lm
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spmm.h"

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t bound) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 20) % bound);
}

static float random_float(void) { return (float)random_below(2000001) / 1e6f - 1.0f; }

static void* allocate(int64_t count, size_t size) {
    void* memory = calloc((size_t)count + 1, size);
    if (memory == NULL) {
        fprintf(stderr, "test_spmm: out of memory\n");
        exit(2);
    }
    return memory;
}

static float* random_floats(int64_t count, float scale) {
    float* values = allocate(count, sizeof *values);
    for (int64_t i = 0; i < count; i++) values[i] = scale * random_float();
    return values;
}

/* Like an aligned allocation by 64 bytes, so that kernels may read it directly. */
static float* random_aligned(int64_t count, float scale, float** memory) {
    *memory = random_floats(count + 16, scale);
    return *memory + (64 - (uintptr_t)*memory % 64) % 64 / sizeof(float);
}

struct problem {
    const char* isa;
    int vectors; /* forced pixel tile, or 0 */
    struct spmm_matrix matrix;
    struct spmm_epilogue epilogue;
    struct spmm_run run;
    int64_t plane, input_plane, pixels_hint;
    float *x, *x_memory;
    float* residual;
    int in_place;
    double density;
};

static void describe(const struct problem* p) {
    const struct spmm_run* r = &p->run;
    fprintf(stderr,
            "isa %s, vectors %d, %lld x %lld, block rows %lld, density %.2f, activation %d, bias "
            "%d, residual "
            "%d, in place %d, batch %lld, input %lld %lld %lld, stride %lld %lld %lld, hint %lld\n",
            p->isa, p->vectors, (long long)p->matrix.rows, (long long)p->matrix.columns,
            (long long)p->matrix.block_rows, p->density, (int)p->epilogue.activation,
            p->epilogue.bias != NULL, p->residual != NULL, p->in_place, (long long)r->batch,
            (long long)r->input_size[0], (long long)r->input_size[1], (long long)r->input_size[2],
            (long long)r->stride[0], (long long)r->stride[1], (long long)r->stride[2],
            (long long)p->pixels_hint);
}

static void make_matrix(struct problem* p, int64_t rows, int64_t columns, int64_t block_rows) {
    int64_t block_count = rows / block_rows;
    float* values = allocate(rows * columns, sizeof *values);
    int32_t* indices = allocate(block_count * columns, sizeof *indices);
    int32_t* indptr = allocate(block_count + 1, sizeof *indptr);
    int32_t blocks = 0;
    for (int64_t b = 0; b < block_count; b++) {
        int empty = p->density < 1.0 && random_below(8) == 0;
        for (int64_t k = 0; k < columns && !empty; k++) {
            if (random_below(1000) >= (uint32_t)(1000 * p->density)) continue;
            indices[blocks] = (int32_t)k;
            for (int64_t i = 0; i < block_rows; i++) {
                values[blocks * block_rows + i] = random_float();
            }
            blocks++;
        }
        indptr[b + 1] = blocks;
    }
    p->matrix = (struct spmm_matrix){rows, columns, block_rows, values, indices, indptr};
}

static double activate(const struct spmm_epilogue* e, int64_t row, double x) {
    switch (e->activation) {
        case SPMM_NONE:
            return x;
        case SPMM_CLIP:
            return x < e->minimum ? e->minimum : x > e->maximum ? e->maximum : x;
        case SPMM_HARD_SWISH: {
            double gate = x / 6 + 0.5;
            return x * (gate < 0 ? 0 : gate > 1 ? 1 : gate);
        }
        case SPMM_SILU:
            return x * (1 / (1 + exp(-x)));
        case SPMM_SIGMOID:
            return 1 / (1 + exp(-x));
        case SPMM_LEAKY_RELU:
            return x < 0 ? e->alpha * x : x;
        case SPMM_PRELU:
            return x < 0 ? e->slope[row] * x : x;
    }
    abort();
}

/* Input offset of output pixel p. */
static int64_t source_pixel(const struct spmm_run* r, int64_t p) {
    int64_t w = p % r->output_size[2], h = p / r->output_size[2] % r->output_size[1];
    int64_t d = p / r->output_size[2] / r->output_size[1];
    return (d * r->stride[0] * r->input_size[1] + h * r->stride[1]) * r->input_size[2] +
           w * r->stride[2];
}

/* Largest |y - oracle| / (sum of magnitudes), or infinity where one is NaN and not the other. */
static double compare(const struct problem* p, const float* y) {
    const struct spmm_matrix* m = &p->matrix;
    double worst = 0;
    for (int64_t n = 0; n < p->run.batch; n++) {
        for (int64_t row = 0; row < m->rows; row++) {
            for (int64_t pixel = 0; pixel < p->plane; pixel++) {
                const float* x = p->x + n * m->columns * p->input_plane;
                int64_t at = (n * m->rows + row) * p->plane + pixel;
                int64_t source = source_pixel(&p->run, pixel), b = row / m->block_rows;
                double sum = p->epilogue.bias != NULL ? p->epilogue.bias[row] : 0;
                if (p->residual != NULL) sum += p->residual[at];
                double magnitude = fabs(sum) + 1e-3;
                for (int32_t j = m->indptr[b]; j < m->indptr[b + 1]; j++) {
                    double term = (double)m->values[j * m->block_rows + row % m->block_rows] *
                                  x[m->indices[j] * p->input_plane + source];
                    sum += term;
                    magnitude += fabs(term);
                }
                double expected = activate(&p->epilogue, row, sum);
                double difference = fabs(y[at] - expected);
                if (isnan(expected) || isnan(y[at])) {
                    difference = isnan(expected) && isnan(y[at]) ? 0 : INFINITY;
                } else if (isinf(expected)) {
                    difference = y[at] == expected ? 0 : INFINITY;
                }
                magnitude += fabs(expected);
                double error = isfinite(magnitude) ? difference / magnitude : difference;
                if (error > worst) worst = error;
            }
        }
    }
    return worst;
}

static void fail(const struct problem* p, const char* rule, double found) {
    fprintf(stderr, "test_spmm: %s, but found %g: ", rule, found);
    describe(p);
    exit(1);
}

enum { GUARD = 64 };

/* Runs all tasks, last one first, into an array with guards on both sides. */
static void check(struct problem* p) {
    struct spmm_layer* layer =
        spmm_layer_create(&p->matrix, &p->epilogue, p->pixels_hint, p->isa, p->vectors);
    if (layer == NULL) fail(p, "a layer must be created", 0);
    if (strcmp(spmm_layer_isa(layer), p->isa) != 0) fail(p, "the forced isa must run", 0);
    int64_t count = p->run.batch * p->matrix.rows * p->plane;
    int shift = (int)random_below(4); /* Y at any alignment */
    float* memory = allocate(count + 2 * GUARD + shift, sizeof *memory);
    float* y = memory + GUARD + shift;
    for (int64_t i = -GUARD; i < count + GUARD; i++) y[i] = 12345.0f;
    struct spmm_run run = p->run;
    run.x = p->x;
    run.y = y;
    run.residual = p->residual;
    if (p->in_place) {
        memcpy(y, p->residual, (size_t)count * sizeof *y);
        run.residual = y;
    }
    int64_t tasks = spmm_task_count(layer, &run);
    if (tasks < 1) fail(p, "there must be a task", (double)tasks);
    for (int64_t t = tasks - 1; t >= 0; t--) spmm_run_task(layer, &run, t);
    for (int64_t i = 0; i < GUARD; i++) {
        if (y[-1 - i] != 12345.0f || y[count + i] != 12345.0f) {
            fail(p, "nothing outside Y may be written", (double)i);
        }
    }
    double error = compare(p, y);
    if (!(error < 2e-6)) fail(p, "the relative error must be below 2e-6", error);
    spmm_layer_destroy(layer);
    free(memory);
}

static void set_sizes(struct problem* p) {
    struct spmm_run* r = &p->run;
    p->plane = p->input_plane = 1;
    for (int axis = 0; axis < 3; axis++) {
        r->output_size[axis] = (r->input_size[axis] + r->stride[axis] - 1) / r->stride[axis];
        p->plane *= r->output_size[axis];
        p->input_plane *= r->input_size[axis];
    }
}

static void release(struct problem* p) {
    free((void*)p->matrix.values);
    free((void*)p->matrix.indices);
    free((void*)p->matrix.indptr);
    free((void*)p->epilogue.bias);
    free((void*)p->epilogue.slope);
    free(p->x_memory);
    free(p->residual);
}

static void fill_arrays(struct problem* p, int with_bias, int with_residual) {
    const struct spmm_matrix* m = &p->matrix;
    p->x = random_aligned(p->run.batch * m->columns * p->input_plane, 4.0f, &p->x_memory);
    p->residual = with_residual ? random_floats(p->run.batch * m->rows * p->plane, 1.0f) : NULL;
    p->in_place = with_residual && random_below(2);
    p->epilogue.bias = with_bias ? random_floats(m->rows, 1.0f) : NULL;
    p->epilogue.minimum = random_below(2) ? 0.0f : -INFINITY;
    p->epilogue.maximum = random_below(2) ? 6.0f : INFINITY;
    p->epilogue.alpha = 0.1f;
    p->epilogue.slope = random_floats(m->rows, 1.0f);
}

static void check_random(const struct spmm_kernel_info* row, int64_t block_rows,
                         enum spmm_activation activation) {
    static const double densities[] = {0.0, 0.03, 0.1, 0.2, 0.3, 1.0};
    struct problem p = {.isa = row->isa, .density = densities[random_below(6)]};
    p.vectors = random_below(4) ? row->vectors : 0;
    int large = random_below(8) == 0, one_pixel = random_below(6) == 0;
    int64_t rows = (1 + random_below(large ? 300 : 40)) * block_rows;
    make_matrix(&p, rows, 1 + random_below(large ? 1400 : 70), block_rows);
    p.run.batch = 1 + (random_below(3) == 0 ? random_below(20) : 0);
    for (int axis = 0; axis < 3; axis++) {
        p.run.input_size[axis] = 1 + random_below(axis == 0 ? 2 : large ? 5 : 16);
        p.run.stride[axis] = random_below(4) == 0 ? 1 + random_below(3) : 1;
        if (one_pixel || random_below(6) == 0) p.run.input_size[axis] = 1;
        if (!one_pixel && random_below(6) == 0) p.run.input_size[axis] = 16;
    }
    set_sizes(&p);
    static const int64_t hints[] = {0, 1, 49, 3136};
    p.pixels_hint = random_below(2) ? p.plane : hints[random_below(4)];
    p.epilogue.activation = activation;
    fill_arrays(&p, (int)random_below(2), (int)random_below(2));
    check(&p);
    release(&p);
}

/* One tile, so that no other microkernel runs. Infinite and NaN inputs stay in the rows that use
 * them; padding adds nothing. */
static void check_special_inputs(const struct spmm_kernel_info* row, int64_t block_rows,
                                 enum spmm_activation activation, int64_t pixels) {
    struct problem p = {.isa = row->isa, .vectors = row->vectors, .density = 0.15};
    make_matrix(&p, 12 * block_rows, 33, block_rows);
    p.run = (struct spmm_run){.batch = 1, .input_size = {1, 1, pixels}, .stride = {1, 1, 1}};
    set_sizes(&p);
    p.epilogue.activation = activation;
    fill_arrays(&p, 1, 0);
    static const float specials[] = {INFINITY, -INFINITY, NAN, 1e38f};
    for (int64_t i = 0; i < 33 * pixels; i++) {
        if (random_below(12) == 0) p.x[i] = specials[random_below(4)];
    }
    check(&p);
    release(&p);
}

/* Y without elements: no task may touch anything. */
static void check_empty(const char* isa) {
    struct problem p = {.isa = isa, .density = 0.3};
    make_matrix(&p, 8, 9, 1);
    for (int i = 0; i < 2; i++) {
        p.run = (struct spmm_run){.batch = i, .input_size = {1, i == 1 ? 0 : 3, 3}};
        for (int axis = 0; axis < 3; axis++) p.run.stride[axis] = 1;
        set_sizes(&p);
        fill_arrays(&p, 1, 0);
        check(&p);
        float* arrays[] = {p.x_memory, (float*)p.epilogue.bias, (float*)p.epilogue.slope};
        for (int a = 0; a < 3; a++) free(arrays[a]);
    }
    p.x_memory = NULL;
    p.epilogue.bias = p.epilogue.slope = NULL;
    release(&p);
}

/* Sigmoid and SiLU of one input through weight 1, against float64: relative error <= 1e-6. */
static void check_exponentials(const char* isa, enum spmm_activation activation) {
    enum { COUNT = 4001 };
    float one = 1.0f;
    int32_t index = 0, indptr[2] = {0, 1};
    struct problem p = {.isa = isa, .density = 1.0, .plane = COUNT, .input_plane = COUNT};
    p.matrix = (struct spmm_matrix){1, 1, 1, &one, &index, indptr};
    p.epilogue.activation = activation;
    struct spmm_layer* layer = spmm_layer_create(&p.matrix, &p.epilogue, COUNT, isa, 0);
    float* x = allocate(COUNT, sizeof *x);
    float* y = allocate(COUNT, sizeof *y);
    for (int i = 0; i < COUNT; i++) x[i] = (float)(i - COUNT / 2) * 0.05f + 1e-4f * random_float();
    p.run = (struct spmm_run){x, NULL, y, 1, {1, 1, COUNT}, {1, 1, COUNT}, {1, 1, 1}};
    for (int64_t t = spmm_task_count(layer, &p.run) - 1; t >= 0; t--) {
        spmm_run_task(layer, &p.run, t);
    }
    for (int i = 0; i < COUNT; i++) {
        double expected = activate(&p.epilogue, 0, x[i]);
        double error = (fabs(y[i] - expected) - 1.2e-38) / fabs(expected); /* not of subnormals */
        if (!(error <= 1e-6)) {
            fprintf(stderr, "x = %g, y = %g, expected %g\n", x[i], y[i], expected);
            fail(&p, "the relative error must be at most 1e-6", error);
        }
    }
    free(x);
    free(y);
    spmm_layer_destroy(layer);
}

/* Arrays beyond the caches, which are computed in strips of several tiles, with prefetching. */
static void check_large(const struct spmm_kernel_info* row, enum spmm_activation activation) {
    struct problem p = {.isa = row->isa, .vectors = row->vectors, .density = 0.2};
    const int64_t y_floats = 2 << 20;
    make_matrix(&p, 24 + row->block_rows * random_below(8), 1 + random_below(40), row->block_rows);
    p.run.batch = 1;
    p.run.input_size[0] = 1;
    p.run.input_size[1] = 100 + random_below(100);
    p.run.input_size[2] = 1 + y_floats / (p.matrix.rows * p.run.input_size[1]);
    if (random_below(2)) p.run.input_size[2] += 16 - p.run.input_size[2] % 16;
    for (int axis = 0; axis < 3; axis++) p.run.stride[axis] = 1;
    set_sizes(&p);
    p.pixels_hint = p.plane;
    p.epilogue.activation = activation;
    fill_arrays(&p, 1, (int)random_below(2));
    check(&p);
    release(&p);
}

/* Returns the number of random problems. */
static int check_row(const struct spmm_kernel_info* row, int rounds) {
    int checks = 0;
    for (int64_t height = row->block_rows; height <= 3 * row->block_rows;
         height += 2 * row->block_rows) { /* three are no height of their own */
        for (int a = SPMM_NONE; a <= SPMM_PRELU; a++) {
            for (int i = 0; i < rounds; i++, checks++) check_random(row, height, a);
            int64_t lanes = row->lanes, missing = random_below((uint32_t)lanes);
            check_special_inputs(row, height, a, row->vectors * lanes - missing);
            check_special_inputs(row, height, a, 1);
        }
    }
    check_large(row, (enum spmm_activation)random_below(SPMM_PRELU + 1));
    return checks;
}

int main(int argc, char** argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 2, checks = 0, rows;
    const struct spmm_kernel_info* table = spmm_kernel_table(&rows);
    for (const char* const* isa = spmm_supported_isas(); *isa != NULL; isa++) {
        for (int i = 0; i < rows; i++) {
            if (strcmp(table[i].isa, *isa) == 0) checks += check_row(&table[i], rounds);
        }
        check_empty(*isa);
        check_exponentials(*isa, SPMM_SIGMOID);
        check_exponentials(*isa, SPMM_SILU);
        printf("test_spmm: %s is right\n", *isa);
    }
    float one = 1.0f;
    int32_t index = 0, indptr[2] = {0, 1};
    const struct spmm_matrix matrix = {1, 1, 1, &one, &index, indptr};
    const struct spmm_epilogue epilogue = {.activation = SPMM_NONE};
    if (spmm_is_known_isa("no-such-isa") || !spmm_is_known_isa("portable") ||
        spmm_layer_create(&matrix, &epilogue, 0, "mmx", 0) ||
        spmm_layer_create(&matrix, &epilogue, 0, "portable", 99)) {
        fprintf(stderr, "test_spmm: unknown instruction sets and tiles must be refused\n");
        return 1;
    }
    printf("test_spmm: %d random problems\n", checks);
    return 0;
}
