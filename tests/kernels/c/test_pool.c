/* Pooling on every instruction set of this CPU, against plain loops in double precision, on planes
 * that lie anywhere, with guards round those of Y.
 *
 * Usage: test_pool [rounds]. Exits with 1 and a message at the first mismatch.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dense/pool.h"
#include "problem.h"

enum { HEIGHT, WIDTH, GUARD = 16 };

static const float guard = 12345.0f;

struct pool_problem {
    const struct isa* isa;
    struct pool_geometry geometry;
    int64_t batch, channels, input_size[POOL_AXES];
};

static _Noreturn void refuse(const struct pool_problem* p, const char* rule, double found) {
    const struct pool_geometry* g = &p->geometry;
    fprintf(stderr, "test_pool: %s, but found %g: isa %s, kind %d, ceil_mode %d, include_pad %d\n",
            rule, found, p->isa->name, (int)g->kind, g->ceil_mode, g->count_include_pad);
    for (int axis = 0; axis < POOL_AXES; axis++) {
        fprintf(stderr,
                "axis %d: size %lld, kernel %lld, stride %lld, dilation %lld, pads %lld %lld\n",
                axis, (long long)p->input_size[axis], (long long)g->kernel[axis],
                (long long)g->stride[axis], (long long)g->dilation[axis],
                (long long)g->pad_begin[axis], (long long)g->pad_end[axis]);
    }
    exit(1);
}

/* Planes that end where the memory ends, so that a sanitizer sees any float beyond. */
static float* make_planes(int64_t images, int64_t channels, int64_t plane, int is_x,
                          struct view* view) {
    const int64_t gap = is_x ? random_below(3) : GUARD;
    view->channel_stride = plane + gap;
    view->image_stride = channels * view->channel_stride + gap;
    const int64_t count = images * view->image_stride - 2 * gap + (is_x ? 0 : 2 * GUARD);
    float* memory = malloc((size_t)(count > 0 ? count : 1) * sizeof *memory);
    if (memory == NULL) exit(2);
    for (int64_t i = 0; i < count; i++) memory[i] = is_x ? random_float() : guard;
    view->pixels = is_x ? memory : memory + GUARD;
    return memory;
}

static struct pool_problem random_problem(const struct isa* isa, enum pool_kind kind) {
    struct pool_problem p = {.isa = isa, .batch = 1 + random_below(2)};
    p.channels = 1 + random_below(random_below(4) != 0 ? 3 : 40);
    struct pool_geometry* g = &p.geometry;
    g->kind = kind;
    g->ceil_mode = (int)random_below(2);
    g->count_include_pad = (int)random_below(2);
    for (int axis = 0; axis < POOL_AXES; axis++) {
        g->kernel[axis] = 1 + random_below(random_below(5) != 0 ? 4 : 20);
        g->stride[axis] = 1 + random_below(random_below(5) != 0 ? 3 : 9);
        g->dilation[axis] = random_below(3) != 0 ? 1 : 1 + random_below(6);
        g->pad_begin[axis] = random_below((uint32_t)g->kernel[axis]);
        g->pad_end[axis] = random_below((uint32_t)g->kernel[axis]);
        int64_t extent = g->dilation[axis] * (g->kernel[axis] - 1) + 1;
        int64_t least = extent - g->pad_begin[axis] - g->pad_end[axis];
        p.input_size[axis] = (least > 1 ? least : 1) + random_below(random_below(4) != 0 ? 12 : 70);
    }
    switch (random_below(40)) {
        case 0: /* more than the scratch holds: of pixels, */
            p.input_size[WIDTH] += 40000;
            break;
        case 1: /* of a window, */
            g->kernel[WIDTH] = 2 + random_below(4);
            g->pad_begin[WIDTH] = g->pad_end[WIDTH] = 0;
            g->dilation[WIDTH] = 20000 + random_below(9);
            g->stride[WIDTH] = 1 + random_below(9000);
            p.input_size[WIDTH] = g->dilation[WIDTH] * (g->kernel[WIDTH] - 1) + 1 + random_below(9);
            break;
        case 2: /* and of the padding of a small plane */
            g->kernel[WIDTH] = 50000;
            g->pad_begin[WIDTH] = 49999 - random_below(9);
            g->pad_end[WIDTH] = 49999;
            g->dilation[WIDTH] = 1;
            g->stride[WIDTH] = 1 + random_below(9000);
            break;
        case 3: /* a window of padding alone: dilated past both ends of X */
            g->kernel[HEIGHT] = 2;
            g->pad_begin[HEIGHT] = g->pad_end[HEIGHT] = 1;
            p.input_size[HEIGHT] = 1 + random_below(3);
            g->dilation[HEIGHT] = p.input_size[HEIGHT] + 1;
            break;
    }
    return p;
}

/* The definition, cell by cell. */
static double expected_pixel(const struct pool_problem* p, const float* plane, int64_t row,
                             int64_t column) {
    const struct pool_geometry* g = &p->geometry;
    const int64_t height = p->input_size[HEIGHT], width = p->input_size[WIDTH];
    double sum = 0, most = -FLT_MAX;
    int64_t inside = 0, in_padding = 0;
    for (int64_t i = 0; i < g->kernel[HEIGHT]; i++) {
        const int64_t y = row * g->stride[HEIGHT] - g->pad_begin[HEIGHT] + i * g->dilation[HEIGHT];
        if (y >= height + g->pad_end[HEIGHT]) break;
        for (int64_t j = 0; j < g->kernel[WIDTH]; j++) {
            const int64_t z =
                column * g->stride[WIDTH] - g->pad_begin[WIDTH] + j * g->dilation[WIDTH];
            if (z >= width + g->pad_end[WIDTH]) break;
            in_padding++;
            if (y < 0 || y >= height || z < 0 || z >= width) continue;
            const double x = plane[y * width + z];
            inside++;
            sum += x;
            if (x > most) most = x;
        }
    }
    if (g->kind == POOL_MAXIMUM) return most;
    return inside == 0 ? 0 : sum / (double)(g->count_include_pad ? in_padding : inside);
}

static void compare(const struct pool_problem* p, const struct pool_plan* plan,
                    const struct pool_operands* operands) {
    const struct view *x = &operands->x, *y = &operands->y;
    const int64_t width = plan->output_size[WIDTH], plane = plan->output_size[HEIGHT] * width;
    const double most = p->geometry.kind == POOL_MAXIMUM ? 0 : 1e-6;
    /* Large windows in the padding of small planes cost this oracle much; some pixels are enough.
     */
    const int64_t step = p->geometry.kernel[WIDTH] > 1000 ? 1 + plane / 50 : 1;
    for (int64_t n = 0; n < p->batch; n++) {
        for (int64_t c = 0; c < p->channels; c++) {
            const float* from = x->pixels + n * x->image_stride + c * x->channel_stride;
            const float* pixels = y->pixels + n * y->image_stride + c * y->channel_stride;
            for (int64_t i = 0; i < plane; i += step) {
                const double error =
                    fabs(pixels[i] - expected_pixel(p, from, i / width, i % width));
                if (!(error <= most)) refuse(p, "pixels must be right", error);
            }
            for (int64_t i = 1; i <= GUARD; i++) {
                if (pixels[-i] != guard || pixels[plane + i - 1] != guard) {
                    refuse(p, "nothing outside Y may be written", (double)i);
                }
            }
        }
    }
}

static void check(const struct pool_problem* p, float* scratch) {
    struct status status;
    struct pool_layer* layer = pool_layer_create(&p->geometry, p->isa, &status);
    if (layer == NULL) refuse(p, status.message, 0);
    struct pool_plan plan;
    if (!pool_plan_make(&plan, layer, p->batch, p->channels, p->input_size, &status)) {
        refuse(p, status.message, 0);
    }
    struct pool_operands operands;
    float* x = make_planes(p->batch, p->channels, p->input_size[HEIGHT] * p->input_size[WIDTH], 1,
                           &operands.x);
    float* y = make_planes(p->batch, p->channels,
                           plan.output_size[HEIGHT] * plan.output_size[WIDTH], 0, &operands.y);
    for (int64_t task = plan.task_count - 1; task >= 0; task--) {
        for (int i = 0; i < POOL_SCRATCH_FLOATS; i++) scratch[i] = NAN; /* of another task */
        pool_run_task(&plan, &operands, task, scratch);
    }
    compare(p, &plan, &operands);
    free(x);
    free(y);
    pool_layer_destroy(layer);
}

int main(int argc, char** argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 100, checks = 0;
    float* scratch = aligned_alloc(64, POOL_SCRATCH_FLOATS * sizeof *scratch);
    if (scratch == NULL) return 2;
    for (const char* const* name = isa_supported_names(); *name != NULL; name++) {
        struct status status;
        const struct isa* isa = isa_request(*name, &status);
        for (int kind = POOL_MAXIMUM; kind <= POOL_AVERAGE; kind++) {
            for (int i = 0; i < rounds; i++, checks++) {
                const struct pool_problem p = random_problem(isa, (enum pool_kind)kind);
                check(&p, scratch);
            }
        }
        printf("test_pool: %s is right\n", *name);
    }
    free(scratch);
    printf("test_pool: %d random problems\n", checks);
    return 0;
}
