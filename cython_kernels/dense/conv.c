#include "dense/conv.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/arithmetic.h"
#include "base/cache.h"
#include "base/memory.h"
#include "microkernels/microkernel.h"

enum { HEIGHT, WIDTH };

/* Multiplications that a task shall be worth: some 4 microseconds of a good CPU. */
enum { TASK_WORK = 200000 };

struct conv_layer {
    struct conv_geometry geometry;
    int64_t group_in, group_out; /* channels of a group */
    int64_t taps;
    int lanes;
    conv_kernel kernel;
    copy_kernel copy;
    copy_every_kernel copy_every;
    float* weights;           /* out_channels * taps */
    struct epilogue epilogue; /* its arrays are the layer's own */
};

/* --- Creation. */

static int check_axis(const struct conv_geometry* g, int axis, struct status* status) {
    const struct {
        const char* name;
        int64_t value, least;
    } sizes[] = {
        {"kernel", g->kernel[axis], 1},     {"stride", g->stride[axis], 1},
        {"dilation", g->dilation[axis], 1}, {"pad_begin", g->pad_begin[axis], 0},
        {"pad_end", g->pad_end[axis], 0},
    };
    const int64_t most = 1 << 16; /* so that no sum or product of them overflows */
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (sizes[i].value < sizes[i].least || sizes[i].value > most) {
            return status_fail(status, STATUS_INVALID, "%s: must lie in %lld..%lld, but is %lld",
                               sizes[i].name, (long long)sizes[i].least, (long long)most,
                               (long long)sizes[i].value);
        }
    }
    return 1;
}

static int check_geometry(const struct conv_geometry* g, struct status* status) {
    if (!check_axis(g, HEIGHT, status) || !check_axis(g, WIDTH, status)) return 0;
    if (g->groups < 1 || g->in_channels < 1 || g->out_channels < 1 ||
        g->in_channels % g->groups != 0 || g->out_channels % g->groups != 0 ||
        g->in_channels > INT_MAX || g->out_channels > INT_MAX) {
        return status_fail(status, STATUS_INVALID,
                           "groups: must divide the channels, but are %lld of %lld input and %lld "
                           "output channels",
                           (long long)g->groups, (long long)g->in_channels,
                           (long long)g->out_channels);
    }
    const int64_t group_in = g->in_channels / g->groups,
                  cells = g->kernel[HEIGHT] * g->kernel[WIDTH];
    if (group_in > CONV_MAX_TAPS || cells > CONV_MAX_TAPS || group_in * cells > CONV_MAX_TAPS) {
        return status_fail(status, STATUS_INVALID,
                           "kernel: must have at most %d cells in all input channels of a group, "
                           "but has %lld in each of %lld",
                           CONV_MAX_TAPS, (long long)cells, (long long)group_in);
    }
    return 1;
}

/* Turns each kernel of the weights, `height` lines, into columns. */
static float* copy_columns(const float* from, int64_t kernels, int64_t height, int64_t width) {
    float* copy = memory_allocate(kernels * height * width, sizeof *copy);
    if (copy == NULL) return NULL;
    for (int64_t k = 0; k < kernels; k++) {
        const float* kernel = from + k * height * width;
        float* columns = copy + k * height * width;
        for (int64_t i = 0; i < height * width; i++) {
            columns[i] = kernel[i % height * width + i / height];
        }
    }
    return copy;
}

/* One for kernels of this height and stride, or the one for any. */
static conv_kernel find_kernel(const struct microkernel_set* set, const struct conv_geometry* g) {
    const struct microkernel* found = NULL;
    if (g->dilation[HEIGHT] == 1 && g->kernel[HEIGHT] <= CONV_MAX_CELLS && g->stride[HEIGHT] <= 2) {
        found = microkernel_find(set, MICROKERNEL_CONV, g->kernel[HEIGHT], (int)g->stride[HEIGHT]);
    }
    return (found != NULL ? found : microkernel_find(set, MICROKERNEL_CONV, 0, 1))->run.conv;
}

struct conv_layer* conv_layer_create(const struct conv_geometry* geometry, const float* weights,
                                     const struct epilogue* epilogue, const struct isa* isa,
                                     struct status* status) {
    if (!check_geometry(geometry, status)) return NULL;
    const struct microkernel_set* set = microkernel_set_of(isa);
    struct conv_layer* layer = calloc(1, sizeof *layer);
    if (layer != NULL) {
        layer->geometry = *geometry;
        layer->group_in = geometry->in_channels / geometry->groups;
        layer->group_out = geometry->out_channels / geometry->groups;
        layer->taps = layer->group_in * geometry->kernel[HEIGHT] * geometry->kernel[WIDTH];
        layer->lanes = set->lanes;
        layer->kernel = find_kernel(set, geometry);
        layer->copy = microkernel_find(set, MICROKERNEL_COPY, 0, 0)->run.copy;
        layer->copy_every = microkernel_find(set, MICROKERNEL_COPY_EVERY, 0, 0)->run.copy_every;
        layer->weights = copy_columns(weights, geometry->out_channels * layer->group_in,
                                      geometry->kernel[HEIGHT], geometry->kernel[WIDTH]);
        if (epilogue_copy(&layer->epilogue, epilogue, geometry->out_channels) &&
            layer->weights != NULL) {
            return layer;
        }
    }
    conv_layer_destroy(layer);
    status_fail(status, STATUS_NO_MEMORY, "not enough memory for the weights of a convolution");
    return NULL;
}

void conv_layer_destroy(struct conv_layer* layer) {
    if (layer == NULL) return;
    memory_release(layer->weights);
    epilogue_release(&layer->epilogue);
    free(layer);
}

/* --- The plan. */

/* Pixels of the input, padding included, that `size` output pixels along an axis read. */
static int64_t input_extent(const struct conv_geometry* g, int axis, int64_t size) {
    return (size - 1) * g->stride[axis] + g->dilation[axis] * (g->kernel[axis] - 1) + 1;
}

static void set_block(struct conv_plan* plan, int64_t height, int64_t width) {
    const struct conv_layer* layer = plan->layer;
    const struct conv_geometry* g = &layer->geometry;
    plan->block_size[HEIGHT] = height;
    plan->block_size[WIDTH] = width;
    /* A vector may read lanes - 1 floats past the last pixel. */
    plan->phase_floats =
        divide_up(input_extent(g, WIDTH, width), g->stride[WIDTH]) + layer->lanes - 1;
    plan->phase_floats = divide_up(plan->phase_floats, CACHE_LINE_FLOATS) * CACHE_LINE_FLOATS;
    plan->line_floats =
        plan->phase_floats * smaller(g->stride[WIDTH], input_extent(g, WIDTH, width));
    plan->channel_floats = plan->line_floats * input_extent(g, HEIGHT, height);
}

static int block_fits(const struct conv_plan* plan) {
    return plan->channel_floats <= CONV_SCRATCH_FLOATS / plan->layer->group_in;
}

/* The largest blocks whose input fits the scratch: whole planes, else whole lines, else parts. */
static int choose_block(struct conv_plan* plan) {
    int64_t height = plan->output_size[HEIGHT], width = plan->output_size[WIDTH];
    set_block(plan, height, width);
    while (!block_fits(plan) && height > 1) set_block(plan, height = divide_up(height, 2), width);
    while (!block_fits(plan) && width > 1) set_block(plan, height, width = divide_up(width, 2));
    return block_fits(plan);
}

static void set_offsets(struct conv_plan* plan) {
    const struct conv_geometry* g = &plan->layer->geometry;
    int32_t* offset = plan->offsets;
    for (int64_t channel = 0; channel < plan->layer->group_in; channel++) {
        for (int64_t x = 0; x < g->kernel[WIDTH]; x++) {
            for (int64_t y = 0; y < g->kernel[HEIGHT]; y++) {
                int64_t column = x * g->dilation[WIDTH];
                *offset++ = (int32_t)(channel * plan->channel_floats +
                                      y * g->dilation[HEIGHT] * plan->line_floats +
                                      column % g->stride[WIDTH] * plan->phase_floats +
                                      column / g->stride[WIDTH]);
            }
        }
    }
}

int conv_plan_make(struct conv_plan* plan, const struct conv_layer* layer, int64_t batch,
                   const int64_t input_size[CONV_AXES], struct status* status) {
    const struct conv_geometry* g = &layer->geometry;
    *plan = (struct conv_plan){.layer = layer, .batch = batch};
    for (int axis = 0; axis < CONV_AXES; axis++) {
        if (input_size[axis] > INT_MAX) {
            return status_fail(status, STATUS_INVALID,
                               "X: must be at most 2**31-1 pixels %s, but is %lld",
                               axis == HEIGHT ? "high" : "wide", (long long)input_size[axis]);
        }
        int64_t padded = input_size[axis] + g->pad_begin[axis] + g->pad_end[axis];
        int64_t extent = input_extent(g, axis, 1);
        if (padded < extent) {
            return status_fail(status, STATUS_INVALID,
                               "X: must be at least %lld pixels %s with its padding, but is %lld",
                               (long long)extent, axis == HEIGHT ? "high" : "wide",
                               (long long)padded);
        }
        plan->input_size[axis] = input_size[axis];
        plan->output_size[axis] = (padded - extent) / g->stride[axis] + 1;
    }
    if (batch == 0) return 1;
    if (!choose_block(plan)) {
        return status_fail(status, STATUS_INVALID,
                           "dilation: the kernel must span at most %d floats of input",
                           CONV_SCRATCH_FLOATS);
    }
    set_offsets(plan);
    for (int axis = 0; axis < CONV_AXES; axis++) {
        plan->block_count[axis] = divide_up(plan->output_size[axis], plan->block_size[axis]);
    }
    plan->blocks = batch * g->groups * plan->block_count[HEIGHT] * plan->block_count[WIDTH];
    int64_t work =
        plan->block_size[HEIGHT] * plan->block_size[WIDTH] * layer->taps * layer->group_out;
    plan->blocks_per_task = clamp(TASK_WORK / work, 1, plan->blocks);
    plan->task_count = divide_up(plan->blocks, plan->blocks_per_task);
    return 1;
}

/* --- Running. */

/* Part of a line of the padded copy, [first, end) counting from its begin, which lies in X. */
struct inside {
    int64_t first, end;
};

/* Of `count` input pixels from `begin` on, those that X has along an axis of this size. */
static struct inside inside_of(int64_t begin, int64_t count, int64_t size) {
    struct inside inside = {clamp(-begin, 0, count), clamp(size - begin, 0, count)};
    if (inside.end < inside.first) inside.end = inside.first;
    return inside;
}

static void zero_lines(float* to, int64_t step, int64_t lines, int64_t count) {
    if (count <= 0) return;
    for (; lines > 0; lines--, to += step) memset(to, 0, (size_t)count * sizeof *to);
}

/* Copies the pixels of one remainder by the stride, of the lines that lie in X, with zeros on both
 * sides. `x` is the first pixel of these lines; `begin` is the column of X, padding included, where
 * the copy starts. */
static void fill_phase(const struct conv_plan* plan, const float* x, int64_t begin, int64_t columns,
                       int64_t phase, float* to, int64_t lines) {
    const struct conv_layer* layer = plan->layer;
    const int64_t stride = layer->geometry.stride[WIDTH], width = plan->input_size[WIDTH];
    const struct inside inside = inside_of(begin, columns, width);
    const int64_t count = divide_up(columns - phase, stride);
    /* Numbers within the phase; pixel i of it is column i * stride + phase of the copy. */
    const int64_t first = clamp(divide_up(larger(0, inside.first - phase), stride), 0, count);
    const int64_t end = clamp(divide_up(larger(0, inside.end - phase), stride), first, count);
    const float* from = x + (begin + first * stride + phase);
    zero_lines(to, plan->line_floats, lines, first);
    if (end > first && stride == 1) { /* in whole vectors, past `end` too */
        layer->copy(to + first, plan->line_floats, from, width, lines, end - first, 1);
    } else if (end > first) {
        layer->copy_every(to + first, plan->line_floats, from, width, lines, end - first, stride);
    }
    zero_lines(to + end, plan->line_floats, lines, count - end);
}

/* Copies the input of a block of one channel, which starts at these output pixels. */
static void fill_channel(const struct conv_plan* plan, const float* plane, const int64_t first[],
                         const int64_t size[], float* to) {
    const struct conv_geometry* g = &plan->layer->geometry;
    int64_t begin[CONV_AXES], extent[CONV_AXES];
    for (int axis = 0; axis < CONV_AXES; axis++) {
        begin[axis] = first[axis] * g->stride[axis] - g->pad_begin[axis];
        extent[axis] = input_extent(g, axis, size[axis]);
    }
    const struct inside inside = inside_of(begin[HEIGHT], extent[HEIGHT], plan->input_size[HEIGHT]);
    const int64_t lines = inside.end - inside.first;
    zero_lines(to, plan->line_floats, inside.first, plan->line_floats);
    zero_lines(to + inside.end * plan->line_floats, plan->line_floats, extent[HEIGHT] - inside.end,
               plan->line_floats);
    if (lines == 0) return;
    const float* x = plane + (begin[HEIGHT] + inside.first) * plan->input_size[WIDTH];
    for (int64_t phase = 0; phase < smaller(g->stride[WIDTH], extent[WIDTH]); phase++) {
        float* first_line = to + inside.first * plan->line_floats + phase * plan->phase_floats;
        fill_phase(plan, x, begin[WIDTH], extent[WIDTH], phase, first_line, lines);
    }
}

static void run_block(const struct conv_plan* plan, const struct conv_operands* operands,
                      int64_t block, float* scratch) {
    const struct conv_layer* layer = plan->layer;
    const struct view *x = &operands->x, *y = &operands->y;
    int64_t first[CONV_AXES], size[CONV_AXES];
    for (int axis = CONV_AXES - 1; axis >= 0; axis--) {
        first[axis] = block % plan->block_count[axis] * plan->block_size[axis];
        size[axis] = smaller(plan->block_size[axis], plan->output_size[axis] - first[axis]);
        block /= plan->block_count[axis];
    }
    const int64_t group = block % layer->geometry.groups, image = block / layer->geometry.groups;
    for (int64_t c = 0; c < layer->group_in; c++) {
        const float* plane =
            x->pixels + image * x->image_stride + (group * layer->group_in + c) * x->channel_stride;
        fill_channel(plan, plane, first, size, scratch + c * plan->channel_floats);
    }
    struct conv_call call = {
        .input = scratch,
        .input_step = layer->geometry.stride[HEIGHT] * plan->line_floats,
        .offsets = plan->offsets,
        .taps = layer->taps,
        .y_step = plan->output_size[WIDTH],
        .height = size[HEIGHT],
        .width = size[WIDTH],
    };
    for (int64_t c = group * layer->group_out; c < (group + 1) * layer->group_out; c++) {
        call.weights = layer->weights + c * layer->taps;
        call.epilogue = epilogue_from_row(&layer->epilogue, c);
        call.y = y->pixels + image * y->image_stride + c * y->channel_stride +
                 first[HEIGHT] * plan->output_size[WIDTH] + first[WIDTH];
        layer->kernel(&call);
    }
}

void conv_run_task(const struct conv_plan* plan, const struct conv_operands* operands, int64_t task,
                   float* scratch) {
    const int64_t first = task * plan->blocks_per_task;
    const int64_t end = smaller(plan->blocks, first + plan->blocks_per_task);
    for (int64_t block = first; block < end; block++) run_block(plan, operands, block, scratch);
}
