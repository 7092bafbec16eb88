/* Runs every microkernel of this CPU against a double-precision oracle: alone those that copy, and
 * in layers the others.
 *
 * Usage: test_spmm [rounds]. Exits with 1 and a message at the first mismatch. Build:
 *   cd cython_kernels && cc -std=gnu11 -O2 -I . -I ../tests -o test_spmm ../tests/oracle.c \
 *      ../tests/kernels/c/[a-z]*.c base/[a-z]*.c simd/[a-z]*.c microkernels/[a-z]*.c \
 *      spmm/[a-z]*.c -lm
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "microkernels/microkernel.h"
#include "oracle.h"
#include "problem.h"

/* --- Running a layer. */

/* Exactly what a task may use, so that a sanitizer sees any byte beyond; NaN, so that what a task
 * finds there from the one before would be seen in Y. */
static void run_task(const struct spmm_plan* plan, const struct arrays* arrays, int64_t task) {
    static float* scratch;
    if (scratch == NULL) {
        scratch = aligned_alloc(MEMORY_ALIGNMENT, SPMM_SCRATCH_FLOATS * sizeof *scratch);
        if (scratch == NULL) exit(2);
    }
    for (int i = 0; i < SPMM_SCRATCH_FLOATS; i++) scratch[i] = NAN;
    spmm_run_task(plan, &arrays->operands, task, scratch);
}

static void check_y(const struct problem* p, struct arrays* arrays) {
    struct spmm_operands operands = arrays->operands;
    operands.residual = arrays->residual.view;
    double error = oracle_worst_error(&p->matrix, &p->epilogue, &p->shape, &operands);
    if (!(error < 2e-6)) fail(p, "the relative error must be below 2e-6", error);
}

static void check_guards(const struct problem* p, struct arrays* arrays) {
    if (!is_only_y_written(arrays)) fail(p, "nothing outside Y's planes may be written", 1);
}

static struct spmm_layer* create_layer(const struct problem* p) {
    const struct spmm_options options = {p->isa, p->pixels_hint, p->vectors};
    struct status status;
    struct spmm_layer* layer = spmm_layer_create(&p->matrix, &p->epilogue, &options, &status);
    if (layer == NULL) fail(p, status.message, 0);
    if (spmm_layer_isa(layer) != p->isa) fail(p, "the wanted isa must run", 0);
    if (spmm_layer_rows(layer) != p->matrix.rows) fail(p, "rows must be the matrix's", 0);
    if (spmm_layer_columns(layer) != p->matrix.columns) fail(p, "columns must be its", 0);
    return layer;
}

static struct spmm_plan make_plan(const struct problem* p, const struct spmm_layer* layer) {
    struct spmm_plan plan;
    spmm_plan_make(&plan, layer, &p->shape);
    const int is_empty = p->shape.batch * p->plane == 0;
    if (is_empty != (plan.task_count == 0)) {
        fail(p, "there must be tasks where Y has elements", (double)plan.task_count);
    }
    if (!is_empty && (plan.plane != p->plane || plan.input_plane != p->input_plane)) {
        fail(p, "a plan must know the planes", (double)plan.plane);
    }
    return plan;
}

/* Runs all tasks of one plan, the last one first. */
static void check_arrays(const struct problem* p, struct arrays* arrays) {
    struct spmm_layer* layer = create_layer(p);
    struct spmm_plan plan = make_plan(p, layer);
    for (int64_t t = plan.task_count - 1; t >= 0; t--) run_task(&plan, arrays, t);
    check_y(p, arrays);
    check_guards(p, arrays);
    spmm_layer_destroy(layer);
}

static void check(const struct problem* p) {
    struct arrays arrays;
    make_random_arrays(&arrays, p);
    check_arrays(p, &arrays);
    release_arrays(&arrays);
}

/* One plan serves several sets of arrays, at the same time too, and gives the same bits again. */
static void check_plan_again(const struct problem* p) {
    struct arrays a, b;
    make_random_arrays(&a, p);
    make_random_arrays(&b, p);
    struct spmm_layer* layer = create_layer(p);
    const struct spmm_plan plan = make_plan(p, layer);
    for (int64_t t = plan.task_count - 1; t >= 0; t--) {
        run_task(&plan, &a, t);
        run_task(&plan, &b, plan.task_count - 1 - t);
    }
    check_y(p, &a);
    check_y(p, &b);
    float* before = allocate(a.y.floats, sizeof *before);
    memcpy(before, a.y.memory, (size_t)a.y.floats * sizeof *before);
    prepare_y(&a);
    for (int64_t t = 0; t < plan.task_count; t++) run_task(&plan, &a, t);
    if (memcmp(before, a.y.memory, (size_t)a.y.floats * sizeof *before) != 0) {
        fail(p, "a second run of a plan must give the same bits", 1);
    }
    check_guards(p, &a);
    check_guards(p, &b);
    free(before);
    release_arrays(&a);
    release_arrays(&b);
    spmm_layer_destroy(layer);
}

/* --- Microkernels of the sparse product, in layers. */

/* What a row of the table is tested with; no `vectors` leaves the tile to the cost model. */
struct wanted {
    const struct isa* isa;
    int lanes, vectors;
    int64_t block_rows;
    enum activation activation;
};

static struct problem problem_of(const struct wanted* wanted, double density) {
    return (struct problem){.isa = wanted->isa, .vectors = wanted->vectors, .density = density};
}

static void check_random(const struct wanted* wanted) {
    static const double densities[] = {0.0, 0.03, 0.1, 0.2, 0.3, 1.0};
    struct problem p = problem_of(wanted, densities[random_below(6)]);
    if (random_below(4) == 0) p.vectors = 0;
    int large = random_below(8) == 0, one_pixel = random_below(6) == 0;
    int64_t rows = (1 + random_below(large ? 300 : 40)) * wanted->block_rows;
    make_matrix(&p, rows, 1 + random_below(large ? 1400 : 70), wanted->block_rows);
    p.shape.batch = 1 + (random_below(3) == 0 ? random_below(20) : 0);
    for (int axis = 0; axis < SPMM_AXES; axis++) {
        p.shape.input_size[axis] = 1 + random_below(axis == 0 ? 2 : large ? 5 : 16);
        p.shape.stride[axis] = random_below(4) == 0 ? 1 + random_below(3) : 1;
        if (one_pixel || random_below(6) == 0) p.shape.input_size[axis] = 1;
        if (!one_pixel && random_below(6) == 0) p.shape.input_size[axis] = 16;
    }
    set_shape(&p);
    static const int64_t hints[] = {0, 1, 49, 3136};
    p.pixels_hint = random_below(2) ? p.plane : hints[random_below(4)];
    make_epilogue(&p, wanted->activation, (int)random_below(2));
    p.has_residual = (int)random_below(2);
    if (!large && random_below(4) == 0) {
        check_plan_again(&p);
    } else {
        check(&p);
    }
    release_problem(&p);
}

/* One tile, so that no other microkernel runs. Infinite and NaN inputs stay in the rows that use
 * them; padding adds nothing. */
static void check_special_inputs(const struct wanted* wanted, int64_t pixels) {
    struct problem p = problem_of(wanted, 0.15);
    make_matrix(&p, 12 * wanted->block_rows, 33, wanted->block_rows);
    p.shape = (struct spmm_shape){.batch = 1, .input_size = {1, 1, pixels}, .stride = {1, 1, 1}};
    set_shape(&p);
    make_epilogue(&p, wanted->activation, 1);
    struct arrays arrays;
    make_random_arrays(&arrays, &p);
    static const float specials[] = {INFINITY, -INFINITY, NAN, 1e38f};
    for (int64_t i = 0; i < 33 * pixels; i++) {
        float* pixel = pixel_of_planes(&arrays.x, 0, i / pixels, i % pixels);
        if (random_below(12) == 0) *pixel = specials[random_below(4)];
    }
    check_arrays(&p, &arrays);
    release_arrays(&arrays);
    release_problem(&p);
}

/* Every pair of ways in which X, residual and Y can lie: planes of whole lines, which kernels may
 * read without a copy, planes of odd pixels of several images, strides, one pixel. */
static void check_layouts(const struct wanted* wanted) {
    static const struct spmm_shape shapes[] = {
        {.batch = 2, .input_size = {1, 8, 16}, .stride = {1, 1, 1}},
        {.batch = 9, .input_size = {1, 3, 7}, .stride = {1, 1, 1}},
        {.batch = 3, .input_size = {1, 9, 11}, .stride = {1, 2, 2}},
        {.batch = 1, .input_size = {1, 1, 1}, .stride = {1, 1, 1}},
    };
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        struct problem p = problem_of(wanted, 0.3);
        make_matrix(&p, 6 * wanted->block_rows, 19, wanted->block_rows);
        p.shape = shapes[s];
        set_shape(&p);
        make_epilogue(&p, wanted->activation, 1);
        p.has_residual = 1;
        for (int i = 0; i < LAYOUT_COUNT * LAYOUT_COUNT; i++) {
            const int x = i % LAYOUT_COUNT, residual = i / LAYOUT_COUNT;
            const int y = (x + residual) % LAYOUT_COUNT;
            struct arrays arrays;
            make_arrays(&arrays, &p, (enum layout)x, (enum layout)residual, (enum layout)y,
                        i % 3 == 0);
            check_arrays(&p, &arrays);
            release_arrays(&arrays);
        }
        release_problem(&p);
    }
}

/* Arrays beyond the caches, which are computed in strips of several tiles, with prefetching. */
static void check_large(const struct wanted* wanted) {
    struct problem p = problem_of(wanted, 0.2);
    const int64_t y_floats = 2 << 20, block_rows = wanted->block_rows;
    make_matrix(&p, 24 + block_rows * random_below(8), 1 + random_below(40), block_rows);
    p.shape = (struct spmm_shape){.batch = 1, .input_size = {1}, .stride = {1, 1, 1}};
    p.shape.input_size[1] = 100 + random_below(100);
    p.shape.input_size[2] = 1 + y_floats / (p.matrix.rows * p.shape.input_size[1]);
    if (random_below(2)) p.shape.input_size[2] += 16 - p.shape.input_size[2] % 16;
    set_shape(&p);
    p.pixels_hint = p.plane;
    make_epilogue(&p, wanted->activation, 1);
    p.has_residual = (int)random_below(2);
    check(&p);
    release_problem(&p);
}

static int check_spmm(struct wanted wanted, int rounds) {
    int checks = 0;
    const int64_t block_rows = wanted.block_rows;
    for (int multiple = 1; multiple <= 3; multiple += 2) { /* there are no blocks of three */
        wanted.block_rows = multiple * block_rows;
        for (int a = 0; a < ACTIVATION_COUNT; a++) {
            wanted.activation = (enum activation)a;
            for (int i = 0; i < rounds; i++, checks++) check_random(&wanted);
            int missing = (int)random_below((uint32_t)wanted.lanes);
            check_special_inputs(&wanted, wanted.vectors * wanted.lanes - missing);
        }
    }
    wanted.block_rows = block_rows;
    wanted.activation = (enum activation)random_below(ACTIVATION_COUNT);
    check_layouts(&wanted);
    check_large(&wanted);
    return checks;
}

/* Planes of one pixel, in one chunk or, with very many rows, several. */
static void check_one_pixel(struct wanted wanted) {
    const int64_t block_rows = wanted.block_rows;
    for (int a = 0; a < ACTIVATION_COUNT; a++) {
        wanted.activation = (enum activation)a;
        wanted.block_rows = block_rows;
        check_special_inputs(&wanted, 1);
        wanted.block_rows = 3 * block_rows;
        check_special_inputs(&wanted, 1);
    }
    struct problem p = problem_of(&wanted, 0.02);
    p.shape = (struct spmm_shape){.batch = 1, .input_size = {1, 1, 1}, .stride = {1, 1, 1}};
    p.pixels_hint = 1;
    p.has_residual = 1;
    set_shape(&p);
    make_matrix(&p, 1000 * block_rows, 3000, block_rows);
    make_epilogue(&p, ACTIVATION_PRELU, 1);
    check(&p);
    release_problem(&p);
}

/* --- Microkernels that copy, alone. */

/* Copies rows of each length between any offsets and strides, and looks at what is round them. */
static void check_copy(const struct microkernel_set* set, const struct microkernel* row,
                       int64_t step, int pad) {
    enum { ROWS = 3, MOST = 2 * SPMM_MAX_LANES + 3, ROOM = 4096 };
    struct problem p = {.isa = isa_of(set->isa)};
    float *from = allocate(ROOM, sizeof *from), *to = allocate(ROOM, sizeof *to);
    for (int64_t count = 1; count <= MOST; count++) {
        const int64_t whole = (count + set->lanes - 1) / set->lanes * set->lanes;
        const int64_t to_stride = (pad ? whole : count) + random_below(5);
        const int64_t from_stride = (count - 1) * step + 1 + random_below(5);
        const int64_t first = random_below(16), last = first + (ROWS - 1) * from_stride;
        for (int i = 0; i < ROOM; i++) {
            from[i] = random_float();
            to[i] = 12345.0f;
        }
        /* An exact end, so that a sanitizer sees a load beyond it. */
        int64_t floats = last + (count - 1) * step + 1;
        float* exact = malloc((size_t)floats * sizeof *exact);
        if (exact == NULL) exit(2);
        memcpy(exact, from, (size_t)floats * sizeof *exact);
        if (row->family == MICROKERNEL_COPY) {
            row->run.copy(to + 16, to_stride, exact + first, from_stride, ROWS, count, pad);
        } else {
            row->run.copy_every(to + 16, to_stride, exact + first, from_stride, ROWS, count, step);
        }
        for (int64_t i = 0; i < ROOM; i++) {
            const int64_t r = (i - 16) / to_stride, at = (i - 16) % to_stride;
            float expected = 12345.0f;
            if (i >= 16 && r < ROWS && at < count)
                expected = from[first + r * from_stride + at * step];
            int may_be_any = pad && i >= 16 && r < ROWS && at >= count && at < whole;
            if (to[i] != expected && !may_be_any) fail(&p, "rows must be copied", (double)count);
        }
        free(exact);
    }
    free(from);
    free(to);
}

/* --- All of an instruction set. */

/* Y without elements: no task may touch anything. */
static void check_empty(const struct isa* isa) {
    for (int i = 0; i < 2; i++) {
        struct problem p = {.isa = isa, .density = 0.3};
        make_matrix(&p, 8, 9, 1);
        p.shape = (struct spmm_shape){
            .batch = i, .input_size = {1, i == 1 ? 0 : 3, 3}, .stride = {1, 1, 1}};
        set_shape(&p);
        make_epilogue(&p, ACTIVATION_NONE, 1);
        check(&p);
        release_problem(&p);
    }
}

/* Sigmoid and SiLU of one input through weight 1, against float64: relative error <= 1e-6. */
static void check_exponentials(const struct isa* isa, enum activation activation) {
    enum { COUNT = 4001 };
    static float x[COUNT], y[COUNT];
    const float one = 1.0f;
    const int32_t index = 0, indptr[2] = {0, 1};
    struct problem p = {.isa = isa, .density = 1.0, .matrix = {1, 1, 1, &one, &index, indptr}};
    p.epilogue.activation = activation;
    p.shape = (struct spmm_shape){.batch = 1, .input_size = {1, 1, COUNT}, .stride = {1, 1, 1}};
    set_shape(&p);
    for (int i = 0; i < COUNT; i++) x[i] = (float)(i - COUNT / 2) * 0.05f + 1e-4f * random_float();
    struct spmm_layer* layer = create_layer(&p);
    const struct spmm_plan plan = make_plan(&p, layer);
    const struct arrays arrays = {
        .operands = {.x = view_of(x, 1, COUNT), .y = view_of(y, 1, COUNT)},
    };
    for (int64_t t = 0; t < plan.task_count; t++) run_task(&plan, &arrays, t);
    for (int i = 0; i < COUNT; i++) {
        double expected = oracle_activate(&p.epilogue, 0, x[i]);
        double error = (fabs(y[i] - expected) - 1.2e-38) / fabs(expected); /* not of subnormals */
        if (!(error <= 1e-6)) {
            fprintf(stderr, "x = %g, y = %g, expected %g\n", x[i], y[i], expected);
            fail(&p, "the relative error must be at most 1e-6", error);
        }
    }
    spmm_layer_destroy(layer);
}

static int check_row(const struct microkernel_set* set, const struct microkernel* row, int rounds) {
    const struct wanted wanted = {
        .isa = isa_of(set->isa),
        .lanes = set->lanes,
        .vectors = row->vectors,
        .block_rows = row->block_rows,
    };
    switch (row->family) {
        case MICROKERNEL_SPMM:
            return check_spmm(wanted, rounds);
        case MICROKERNEL_ONE_PIXEL:
            check_one_pixel(wanted);
            return 0;
        case MICROKERNEL_FINISH: /* ends every layer of one pixel */
        case MICROKERNEL_CONV:   /* these three: test_conv.c */
        case MICROKERNEL_CONV_BLOCK:
        case MICROKERNEL_CONV_FILL:
        case MICROKERNEL_CONV_ROW: /* test_chain.c */
        case MICROKERNEL_POOL:     /* test_pool.c */
        case MICROKERNEL_UNARY:    /* test_elementwise.c */
        case MICROKERNEL_BINARY:
        case MICROKERNEL_REDUCE: /* test_reduce.c */
        case MICROKERNEL_EXP_SUM:
        case MICROKERNEL_TRANSPOSE: /* test_transpose.c */
            return 0;
        case MICROKERNEL_COPY:
            check_copy(set, row, 1, 0);
            check_copy(set, row, 1, 1);
            return 0;
        case MICROKERNEL_COPY_EVERY:
            for (int step = 2; step <= 4; step++) check_copy(set, row, step, 0);
            return 0;
    }
    fprintf(stderr, "test_spmm: a family of microkernels has no test\n");
    exit(1);
}

static const struct microkernel_set* find_set(const char* isa) {
    for (const struct microkernel_set* const* set = microkernel_table(); *set != NULL; set++) {
        if (strcmp(isa_of((*set)->isa)->name, isa) == 0) return *set;
    }
    fprintf(stderr, "test_spmm: %s must have microkernels\n", isa);
    exit(1);
}

/* --- What is refused. */

static void require(int holds, const char* rule, const struct status* status) {
    if (holds) return;
    fprintf(stderr, "test_spmm: %s, but found: %s (code %d)\n", rule, status->message,
            (int)status->code);
    exit(1);
}

static void check_isa(const char* name, const char* variable, const char* expected) {
    struct status status = {.code = 0};
    if (variable != NULL) {
        setenv("ORT_SPARSE_ISA", variable, 1);
    } else {
        unsetenv("ORT_SPARSE_ISA");
    }
    const struct isa* isa = isa_request(name, &status);
    if (expected[0] == '!') {
        require(isa == NULL && status.code == STATUS_INVALID &&
                    strncmp(status.message, expected + 1, strlen(expected + 1)) == 0,
                expected + 1, &status);
    } else {
        require(isa != NULL && status.code == 0 && strcmp(isa->name, expected) == 0, expected,
                &status);
    }
    unsetenv("ORT_SPARSE_ISA");
}

static void check_isas(void) {
    const char* best = isa_supported_names()[0];
#if defined(__x86_64__)
    const char* foreign = "neon";
#else
    const char* foreign = "avx2";
#endif
    char lacks[128];
    snprintf(lacks, sizeof lacks,
             "!isa: must be an instruction set of this CPU, but is '%s', which it lacks; this CPU "
             "has %s",
             foreign, best);
    check_isa("portable", NULL, "portable");
    check_isa("portable", "mmx", "portable"); /* who names one need not care for the environment */
    check_isa(NULL, "portable", "portable");
    check_isa(NULL, NULL, best);
    check_isa(NULL, "", best);
    check_isa("", "mmx", best);
    check_isa(foreign, NULL, lacks);
    check_isa("mmx", NULL,
              "!isa: must be an instruction set of this CPU, but is 'mmx', which nobody knows");
    check_isa(NULL, "mmx\n",
              "!ORT_SPARSE_ISA: must be an instruction set of this CPU, but is 'mmx?', which "
              "nobody knows");
}

static void check_refused(int64_t rows, int vectors, enum status_code code, const char* message) {
    const float one = 1.0f;
    const int32_t index = 0, indptr[2] = {0, 0};
    const struct block_csr matrix = {rows, 1, rows, &one, &index, indptr};
    const struct epilogue epilogue = {.activation = ACTIVATION_NONE};
    struct status status = {.code = 0};
    const struct spmm_options options = {isa_request("portable", &status), 1, vectors};
    struct spmm_layer* layer = spmm_layer_create(&matrix, &epilogue, &options, &status);
    require(layer == NULL && status.code == code && strcmp(status.message, message) == 0, message,
            &status);
}

static void check_layers(void) {
    check_refused(1, 99, STATUS_INVALID,
                  "vectors: must be the tile of a microkernel for portable and this block height, "
                  "but is 99");
    check_refused(4, -1, STATUS_INVALID,
                  "vectors: must be the tile of a microkernel for portable and this block height, "
                  "but is -1");
    check_refused((int64_t)1 << 62, 0, STATUS_NO_MEMORY,
                  "not enough memory to pack 4611686018427387904 x 1 weights");
    spmm_layer_destroy(NULL);
}

int main(int argc, char** argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 2, checks = 0;
    check_isas();
    check_layers();
    for (const char* const* name = isa_supported_names(); *name != NULL; name++) {
        const struct microkernel_set* set = find_set(*name);
        for (int i = 0; i < set->count; i++) checks += check_row(set, &set->entries[i], rounds);
        const struct isa* isa = isa_of(set->isa);
        check_empty(isa);
        check_exponentials(isa, ACTIVATION_SIGMOID);
        check_exponentials(isa, ACTIVATION_SILU);
        printf("test_spmm: %s is right\n", *name);
    }
    printf("test_spmm: %d random problems\n", checks);
    return 0;
}
