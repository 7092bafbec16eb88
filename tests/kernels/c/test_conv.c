/* The dense convolution on every instruction set of this CPU, against plain loops in double
 * precision, on planes that lie anywhere, with guards round those of Y.
 *
 * Usage: test_conv [rounds]. Exits with 1 and a message at the first mismatch.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dense/conv.h"
#include "oracle.h"
#include "problem.h"

enum { HEIGHT, WIDTH, GUARD = 16 };

static const float guard = 12345.0f;

struct conv_problem {
    const struct isa* isa;
    struct conv_geometry geometry;
    struct epilogue epilogue;
    float* weights;
    int64_t batch, input_size[CONV_AXES];
};

static _Noreturn void refuse(const struct conv_problem* p, const char* rule, double found) {
    const struct conv_geometry* g = &p->geometry;
    fprintf(stderr, "test_conv: %s, but found %g: isa %s, activation %s\n", rule, found,
            p->isa->name, activation_name(p->epilogue.activation));
    fprintf(stderr, "channels %lld to %lld in %lld groups, batch %lld\n", (long long)g->in_channels,
            (long long)g->out_channels, (long long)g->groups, (long long)p->batch);
    for (int axis = 0; axis < CONV_AXES; axis++) {
        fprintf(stderr,
                "axis %d: size %lld, kernel %lld, stride %lld, dilation %lld, pads %lld %lld\n",
                axis, (long long)p->input_size[axis], (long long)g->kernel[axis],
                (long long)g->stride[axis], (long long)g->dilation[axis],
                (long long)g->pad_begin[axis], (long long)g->pad_end[axis]);
    }
    exit(1);
}

static float* random_floats(int64_t count) {
    float* floats = allocate(count, sizeof *floats);
    for (int64_t i = 0; i < count; i++) floats[i] = random_float();
    return floats;
}

/* The layers that have microkernels of their own, with planes of many heights and widths. */
static void make_usual(struct conv_problem* p) {
    struct conv_geometry* g = &p->geometry;
    const int64_t kernel = random_below(2) ? 3 : 5, stride = 1 + random_below(2);
    g->groups = 1 + random_below(40);
    g->in_channels = g->groups;
    g->out_channels = g->groups * (random_below(3) != 0 ? 1 : 1 + random_below(3));
    for (int axis = 0; axis < CONV_AXES; axis++) {
        g->kernel[axis] = kernel;
        g->stride[axis] = stride;
        g->dilation[axis] = 1;
        p->input_size[axis] += kernel;
    }
}

/* Stems, which compute several output channels at once. */
static void make_stem(struct conv_problem* p) {
    struct conv_geometry* g = &p->geometry;
    g->groups = 1 + random_below(2);
    g->in_channels = g->groups * (2 + random_below(2));
    g->out_channels = g->groups * (1 + random_below(11));
}

static struct conv_problem random_problem(const struct isa* isa, enum activation activation) {
    struct conv_problem p = {.isa = isa, .batch = 1 + random_below(3)};
    struct conv_geometry* g = &p.geometry;
    g->groups = 1 + random_below(8);
    g->in_channels = g->groups * (1 + random_below(3));
    g->out_channels = g->groups * (1 + random_below(3));
    for (int axis = 0; axis < CONV_AXES; axis++) {
        g->kernel[axis] = 1 + random_below(5);
        g->stride[axis] = 1 + random_below(3);
        g->dilation[axis] = random_below(3) != 0 ? 1 : 1 + random_below(3);
        g->pad_begin[axis] = random_below(4);
        g->pad_end[axis] = random_below(4);
        int64_t extent = g->dilation[axis] * (g->kernel[axis] - 1) + 1;
        int64_t least = extent - g->pad_begin[axis] - g->pad_end[axis];
        p.input_size[axis] = (least > 0 ? least : 0) + random_below(random_below(4) != 0 ? 12 : 70);
    }
    switch (random_below(3)) {
        case 0:
            make_usual(&p);
            break;
        case 1:
            make_stem(&p);
            break;
    }
    /* Now and then a plane larger than the scratch. */
    if (random_below(20) == 0) p.input_size[WIDTH] += 20000;
    int64_t taps = g->in_channels / g->groups * g->kernel[HEIGHT] * g->kernel[WIDTH];
    p.weights = random_floats(g->out_channels * taps);
    p.epilogue = (struct epilogue){
        .activation = activation,
        .minimum = -0.5f,
        .maximum = 1.5f,
        .alpha = 0.1f,
        .bias = random_below(2) ? random_floats(g->out_channels) : NULL,
        .slope = activation == ACTIVATION_PRELU ? random_floats(g->out_channels) : NULL,
    };
    return p;
}

static void release(struct conv_problem* p) {
    free(p->weights);
    free((void*)p->epilogue.bias);
    free((void*)p->epilogue.slope);
}

/* Planes one after the other with gaps between them, all floats set. */
static float* make_planes(int64_t images, int64_t channels, int64_t plane, int random,
                          struct view* view) {
    view->channel_stride = plane + GUARD + random_below(3);
    view->image_stride = channels * view->channel_stride;
    int64_t count = images * view->image_stride + GUARD;
    float* memory = allocate(count, sizeof *memory);
    for (int64_t i = 0; i < count; i++) memory[i] = random ? random_float() : guard;
    view->pixels = memory + GUARD;
    return memory;
}

static double expected_pixel(const struct conv_problem* p, const struct view* x, int64_t image,
                             int64_t channel, int64_t row, int64_t column, double* magnitude) {
    const struct conv_geometry* g = &p->geometry;
    int64_t group_in = g->in_channels / g->groups;
    int64_t group = channel / (g->out_channels / g->groups);
    const float* weight = p->weights + channel * group_in * g->kernel[HEIGHT] * g->kernel[WIDTH];
    double sum = p->epilogue.bias != NULL ? p->epilogue.bias[channel] : 0;
    *magnitude = fabs(sum) + 1e-3;
    for (int64_t c = 0; c < group_in; c++) {
        const float* plane =
            x->pixels + image * x->image_stride + (group * group_in + c) * x->channel_stride;
        for (int64_t i = 0; i < g->kernel[HEIGHT] * g->kernel[WIDTH]; i++, weight++) {
            int64_t y = row * g->stride[HEIGHT] + i / g->kernel[WIDTH] * g->dilation[HEIGHT] -
                        g->pad_begin[HEIGHT];
            int64_t z = column * g->stride[WIDTH] + i % g->kernel[WIDTH] * g->dilation[WIDTH] -
                        g->pad_begin[WIDTH];
            if (y < 0 || y >= p->input_size[HEIGHT] || z < 0 || z >= p->input_size[WIDTH]) continue;
            double term = (double)*weight * plane[y * p->input_size[WIDTH] + z];
            sum += term;
            *magnitude += fabs(term);
        }
    }
    return oracle_activate(&p->epilogue, channel, sum);
}

static void compare(const struct conv_problem* p, const struct conv_plan* plan,
                    const struct conv_operands* operands) {
    const struct view* y = &operands->y;
    int64_t width = plan->output_size[WIDTH], plane = plan->output_size[HEIGHT] * width;
    for (int64_t n = 0; n < p->batch; n++) {
        for (int64_t c = 0; c < p->geometry.out_channels; c++) {
            const float* pixels = y->pixels + n * y->image_stride + c * y->channel_stride;
            for (int64_t i = 0; i < plane; i++) {
                double magnitude;
                double wanted =
                    expected_pixel(p, &operands->x, n, c, i / width, i % width, &magnitude);
                double error = fabs(pixels[i] - wanted) / (magnitude + fabs(wanted));
                if (!(error < 2e-6)) refuse(p, "the relative error must be below 2e-6", error);
            }
            for (int64_t i = 1; i <= GUARD; i++) {
                if (pixels[-i] != guard || pixels[plane + i - 1] != guard) {
                    refuse(p, "nothing outside Y may be written", (double)i);
                }
            }
        }
    }
}

static void check(const struct conv_problem* p, float* scratch) {
    struct status status;
    struct conv_layer* layer =
        conv_layer_create(&p->geometry, p->weights, &p->epilogue, p->isa, &status);
    if (layer == NULL) refuse(p, "a layer must be created", 0);
    struct conv_plan plan;
    if (!conv_plan_make(&plan, layer, p->batch, p->input_size, &status)) {
        refuse(p, status.message, 0);
    }
    struct conv_operands operands;
    float* x = make_planes(p->batch, p->geometry.in_channels,
                           p->input_size[HEIGHT] * p->input_size[WIDTH], 1, &operands.x);
    float* y = make_planes(p->batch, p->geometry.out_channels,
                           plan.output_size[HEIGHT] * plan.output_size[WIDTH], 0, &operands.y);
    for (int64_t task = plan.task_count - 1; task >= 0; task--) {
        for (int i = 0; i < CONV_SCRATCH_FLOATS; i++) scratch[i] = NAN; /* of another task */
        conv_run_task(&plan, &operands, task, scratch);
    }
    compare(p, &plan, &operands);
    free(x);
    free(y);
    conv_layer_destroy(layer);
}

int main(int argc, char** argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 10, checks = 0;
    float* scratch = aligned_alloc(64, CONV_SCRATCH_FLOATS * sizeof *scratch);
    if (scratch == NULL) return 2;
    for (const char* const* name = isa_supported_names(); *name != NULL; name++) {
        struct status status;
        const struct isa* isa = isa_request(*name, &status);
        for (int a = 0; a < ACTIVATION_COUNT; a++) {
            for (int i = 0; i < rounds; i++, checks++) {
                struct conv_problem p = random_problem(isa, (enum activation)a);
                check(&p, scratch);
                release(&p);
            }
        }
        printf("test_conv: %s is right\n", *name);
    }
    free(scratch);
    printf("test_conv: %d random problems\n", checks);
    return 0;
}
