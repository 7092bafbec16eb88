#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/arithmetic.h"
#include "base/cache.h"
#include "base/memory.h"
#include "dense/conv_layer.h"

/* Multiplications that a task shall be worth: some 4 microseconds of a good CPU. */
enum { TASK_WORK = 200000 };

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

int conv_geometry_fits(const struct conv_geometry* g) {
    const int64_t wide = g->dilation[WIDTH] * (g->kernel[WIDTH] - 1) + 1;
    const int64_t high = g->dilation[HEIGHT] * (g->kernel[HEIGHT] - 1) + 1;
    const int64_t phases =
        g->stride[WIDTH] <= 2 ? g->stride[WIDTH] : smaller(g->stride[WIDTH], wide);
    /* Of a phase at most: its pixels, as many zeros, and the ends of vectors. */
    const int64_t phase = 2 * wide + 3 * CACHE_LINE_FLOATS;
    return wide <= CONV_SCRATCH_FLOATS && high <= CONV_SCRATCH_FLOATS &&
           phase * phases <= CONV_SCRATCH_FLOATS / (g->in_channels / g->groups) / high;
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

/* Packs the weights of each group: columns of kernels after each other, or CONV_BLOCK channels side
 * by side. Channels that are not there have zeros. */
static float* pack_weights(const struct conv_layer* layer, const float* weights) {
    const struct conv_geometry* g = &layer->geometry;
    const int64_t height = g->kernel[HEIGHT], cells = height * g->kernel[WIDTH];
    const int64_t side = layer->takes_blocks ? CONV_BLOCK : 1;
    float* packed = memory_allocate(g->groups * layer->group_weights, sizeof *packed);
    if (packed == NULL) return NULL;
    memset(packed, 0, (size_t)(g->groups * layer->group_weights) * sizeof *packed);
    for (int64_t c = 0; c < g->out_channels; c++) {
        const int64_t within = c % layer->group_out;
        float* to = packed + c / layer->group_out * layer->group_weights +
                    within / side * side * layer->taps + within % side;
        for (int64_t t = 0; t < layer->taps; t++) {
            const int64_t cell = t % cells, kernel = t - cell;
            const int64_t column = cell / height, line = cell % height;
            to[t * side] = weights[c * layer->taps + kernel + line * g->kernel[WIDTH] + column];
        }
    }
    return packed;
}

static const struct microkernel* find_shape(const struct microkernel_set* set, int64_t cells,
                                            int64_t stride) {
    return microkernel_find(set, MICROKERNEL_CONV, cells, (int)stride);
}

static void choose_kernels(struct conv_layer* layer, const struct microkernel_set* set) {
    const struct conv_geometry* g = &layer->geometry;
    const struct microkernel* found = NULL;
    layer->any_kernel = find_shape(set, 0, 1)->run.conv;
    /* Depthwise layers are faster column by column, whatever their multiplier. */
    layer->takes_blocks = layer->group_in > 1 && layer->group_out >= CONV_BLOCK;
    if (layer->takes_blocks) {
        layer->any_kernel = microkernel_find(set, MICROKERNEL_CONV_BLOCK, 0, 0)->run.conv;
    } else if (layer->group_in == 1 && g->kernel[HEIGHT] == g->kernel[WIDTH] &&
               g->kernel[HEIGHT] <= CONV_MAX_CELLS && g->dilation[HEIGHT] == 1 &&
               g->stride[HEIGHT] <= 2) {
        found = find_shape(set, g->kernel[HEIGHT], g->stride[HEIGHT]);
    }
    layer->kernel = found != NULL ? found->run.conv : layer->any_kernel;
    const int fill_stride = g->stride[WIDTH] <= 2 ? (int)g->stride[WIDTH] : 0;
    layer->fill = microkernel_find(set, MICROKERNEL_CONV_FILL, 0, fill_stride)->run.conv_fill;
    layer->row_kernel = conv_find_row_kernel(layer, set);
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
        layer->cache_floats = cache_l1_bytes() / 2 / (int64_t)sizeof(float);
        layer->lanes = set->lanes;
        choose_kernels(layer, set);
        const int64_t side = layer->takes_blocks ? CONV_BLOCK : 1;
        layer->group_weights = round_up(layer->group_out, side) * layer->taps;
        layer->weights = pack_weights(layer, weights);
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

/* Columns of the padded input, of one remainder by the stride: those before the first pixel of X,
 * up to its last pixel, and in all. */
struct phase {
    int64_t begin, end, count;
};

static struct phase phase_of(const struct conv_plan* plan, int64_t remainder) {
    const struct conv_geometry* g = &plan->layer->geometry;
    const int64_t stride = g->stride[WIDTH], pad = g->pad_begin[WIDTH];
    const int64_t columns = input_extent(g, WIDTH, plan->block_size[WIDTH]);
    struct phase phase = {.count = divide_up(larger(0, columns - remainder), stride)};
    phase.begin = divide_up(larger(0, pad - remainder), stride);
    phase.end = divide_up(larger(0, plan->input_size[WIDTH] + pad - remainder), stride);
    phase.end = larger(phase.begin, smaller(phase.end, phase.count));
    return phase;
}

static int is_one_block_wide(const struct conv_plan* plan) {
    return plan->block_size[WIDTH] == plan->output_size[WIDTH];
}

/* The column of the copy, within its phase, where the phase starts. */
static int64_t phase_origin(const struct conv_plan* plan, int64_t remainder) {
    return is_one_block_wide(plan) ? phase_of(plan, remainder).begin : 0;
}

static void set_block(struct conv_plan* plan, int64_t height, int64_t width) {
    const struct conv_layer* layer = plan->layer;
    const struct conv_geometry* g = &layer->geometry;
    const int64_t stride = g->stride[WIDTH];
    plan->block_size[HEIGHT] = height;
    plan->block_size[WIDTH] = width;
    plan->phases = stride <= 2 ? stride : smaller(stride, input_extent(g, WIDTH, width));
    if (is_one_block_wide(plan)) {
        int64_t pixels = 0, zeros = 0;
        for (int64_t p = 0; p < plan->phases; p++) {
            const struct phase phase = phase_of(plan, p);
            pixels = larger(pixels, phase.end - phase.begin);
            zeros = larger(zeros, larger(phase.begin, phase.count - phase.end));
        }
        plan->phase_floats = round_up(pixels + zeros, layer->lanes);
        plan->margin = round_up(phase_of(plan, 0).begin, CACHE_LINE_FLOATS);
    } else { /* the copy of a line may be one vector too long */
        plan->phase_floats = round_up(phase_of(plan, 0).count, layer->lanes) + layer->lanes;
        plan->margin = 0;
    }
    plan->line_floats = plan->phase_floats * plan->phases;
    plan->channel_floats = plan->line_floats * input_extent(g, HEIGHT, height);
}

/* Floats for the input channels of a group; what is beside them is zeros to the left of the first
 * line, and a vector that may be read past the last pixel. */
static int64_t group_share(const struct conv_plan* plan, int64_t floats) {
    return larger(0, floats - plan->margin - plan->layer->lanes) / plan->layer->group_in;
}

static int block_fits(const struct conv_plan* plan, int64_t floats) {
    return plan->channel_floats <= group_share(plan, floats);
}

/* Rows of a block that needs no more than so many floats. */
static int64_t rows_in(const struct conv_plan* plan, int64_t floats) {
    const struct conv_geometry* g = &plan->layer->geometry;
    const int64_t lines = group_share(plan, floats) / plan->line_floats;
    return (lines - input_extent(g, HEIGHT, 1)) / g->stride[HEIGHT] + 1;
}

static int64_t block_work(const struct conv_plan* plan, int64_t groups) {
    const struct conv_layer* layer = plan->layer;
    return groups * layer->group_out * layer->taps * plan->block_size[HEIGHT] *
           plan->block_size[WIDTH];
}

/* Whole lines if the scratch can hold them: as many as the cache can, but no fewer than a tile has.
 * If that is the whole plane, several groups. */
static int choose_block(struct conv_plan* plan) {
    const struct conv_layer* layer = plan->layer;
    const int64_t all = plan->output_size[HEIGHT];
    int64_t width = plan->output_size[WIDTH], height = all;
    set_block(plan, height, width);
    if (!block_fits(plan, layer->cache_floats)) {
        const int64_t tiles = larger(rows_in(plan, layer->cache_floats) / CONV_TILE_HEIGHT, 1);
        const int64_t most = smaller(all, tiles * CONV_TILE_HEIGHT);
        height = divide_up(all, divide_up(all, most)); /* about equal, of whole tiles */
        height = smaller(most, round_up(height, CONV_TILE_HEIGHT));
        set_block(plan, height, width);
    }
    while (!block_fits(plan, CONV_SCRATCH_FLOATS) && height > 1) {
        set_block(plan, height = divide_up(height, 2), width);
    }
    while (!block_fits(plan, CONV_SCRATCH_FLOATS) && width > 1) {
        set_block(plan, height, width = divide_up(width, 2));
    }
    if (!block_fits(plan, CONV_SCRATCH_FLOATS)) return 0;
    plan->block_groups = 1;
    if (height == all && is_one_block_wide(plan)) {
        plan->block_groups =
            clamp(smaller(group_share(plan, layer->cache_floats) / plan->channel_floats,
                          TASK_WORK / block_work(plan, 1)),
                  1, layer->geometry.groups);
    }
    return 1;
}

static void set_offsets(struct conv_plan* plan) {
    const struct conv_geometry* g = &plan->layer->geometry;
    int32_t* offset = plan->offsets;
    for (int64_t channel = 0; channel < plan->layer->group_in; channel++) {
        for (int64_t x = 0; x < g->kernel[WIDTH]; x++) {
            const int64_t column = x * g->dilation[WIDTH];
            const int64_t phase = column % g->stride[WIDTH];
            for (int64_t y = 0; y < g->kernel[HEIGHT]; y++) {
                *offset++ = (int32_t)(channel * plan->channel_floats +
                                      y * g->dilation[HEIGHT] * plan->line_floats +
                                      phase * plan->phase_floats + column / g->stride[WIDTH] -
                                      phase_origin(plan, phase));
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
    /* A plane of one row is a column of vectors. */
    plan->kernel = plan->output_size[HEIGHT] > 1 ? layer->kernel : layer->any_kernel;
    for (int axis = 0; axis < CONV_AXES; axis++) {
        plan->block_count[axis] = divide_up(plan->output_size[axis], plan->block_size[axis]);
    }
    plan->group_blocks = divide_up(g->groups, plan->block_groups);
    plan->blocks =
        batch * plan->group_blocks * plan->block_count[HEIGHT] * plan->block_count[WIDTH];
    plan->blocks_per_task =
        clamp(TASK_WORK / block_work(plan, plan->block_groups), 1, plan->blocks);
    plan->task_count = divide_up(plan->blocks, plan->blocks_per_task);
    return 1;
}

/* --- Running. */

/* The part of the work that a kernel is called for. */
struct block {
    int64_t image, group, groups;
    int64_t first[CONV_AXES], size[CONV_AXES]; /* output pixels */
};

static struct block block_of(const struct conv_plan* plan, int64_t index) {
    struct block block;
    for (int axis = CONV_AXES - 1; axis >= 0; axis--) {
        block.first[axis] = index % plan->block_count[axis] * plan->block_size[axis];
        block.size[axis] =
            smaller(plan->block_size[axis], plan->output_size[axis] - block.first[axis]);
        index /= plan->block_count[axis];
    }
    block.group = index % plan->group_blocks * plan->block_groups;
    block.groups = smaller(plan->block_groups, plan->layer->geometry.groups - block.group);
    block.image = index / plan->group_blocks;
    return block;
}

/* Pixels [first, end) along an axis of X, and where the first lies in the copy. */
struct inside {
    int64_t first, end, offset;
};

static struct inside inside_of(const struct conv_plan* plan, const struct block* block, int axis) {
    const struct conv_geometry* g = &plan->layer->geometry;
    const int64_t begin = block->first[axis] * g->stride[axis] - g->pad_begin[axis];
    const int64_t extent = input_extent(g, axis, block->size[axis]);
    struct inside inside = {
        .first = clamp(begin, 0, plan->input_size[axis]),
        .end = clamp(begin + extent, 0, plan->input_size[axis]),
    };
    inside.offset = larger(0, inside.first - begin);
    return inside;
}

/* Where a column of the copy lies, in floats from the begin of a line. */
static int64_t place_of(const struct conv_plan* plan, int64_t column) {
    const int64_t stride = plan->layer->geometry.stride[WIDTH], phase = column % stride;
    return phase * plan->phase_floats + column / stride - phase_origin(plan, phase);
}

/* Copies the input of a block, padded, to `copy`. */
static void fill_block(const struct conv_plan* plan, const struct view* x,
                       const struct block* block, float* copy) {
    const struct conv_layer* layer = plan->layer;
    const struct conv_geometry* g = &layer->geometry;
    const struct inside lines = inside_of(plan, block, HEIGHT);
    const struct inside columns = inside_of(plan, block, WIDTH);
    /* After a lower block too, zeros are left of the next channel. */
    const int64_t extent = input_extent(g, HEIGHT, plan->block_size[HEIGHT]);
    struct conv_fill fill = {
        .from = x->pixels + block->image * x->image_stride +
                block->group * layer->group_in * x->channel_stride +
                lines.first * plan->input_size[WIDTH] + columns.first,
        .from_step = plan->input_size[WIDTH],
        .from_stride = x->channel_stride,
        .to_step = plan->line_floats,
        .to_stride = plan->channel_floats,
        .stride = g->stride[WIDTH],
        .count = columns.end - columns.first,
        .end = plan->phase_floats,
        .zeros_before = smaller(lines.offset, extent),
        .lines = lines.end - lines.first,
        .planes = block->groups * layer->group_in,
    };
    fill.zeros_after = extent - fill.zeros_before - fill.lines;
    if (!is_one_block_wide(plan)) {
        memset(copy, 0, (size_t)(layer->group_in * plan->channel_floats) * sizeof *copy);
        copy += fill.zeros_before * fill.to_step;
        fill.zeros_before = fill.zeros_after = fill.end = 0;
    }
    if (g->stride[WIDTH] <= 2) {
        fill.to = copy + place_of(plan, columns.offset);
        fill.odd = place_of(plan, columns.offset + 1) - place_of(plan, columns.offset);
        layer->fill(&fill);
        return;
    }
    /* Column by column of those that lie a stride apart. */
    const int64_t stride = fill.stride;
    for (int64_t phase = 0; phase < plan->phases; phase++) {
        const int64_t first = (phase + stride - columns.offset % stride) % stride;
        struct conv_fill part = fill;
        part.from += first;
        part.count = larger(0, part.count - first);
        part.to = copy + place_of(plan, columns.offset + first);
        layer->fill(&part);
    }
}

static void run_block(const struct conv_plan* plan, const struct view* x, const struct block* block,
                      const struct conv_target* y, float* scratch) {
    const struct conv_layer* layer = plan->layer;
    float* copy = scratch + plan->margin;
    fill_block(plan, x, block, copy);
    /* Groups of one channel are channels that each have an input of their own. */
    const int64_t calls = layer->group_out == 1 ? 1 : block->groups;
    struct conv_call call = {
        .input_step = layer->geometry.stride[HEIGHT] * plan->line_floats,
        .input_stride = layer->group_out == 1 ? layer->group_in * plan->channel_floats : 0,
        .offsets = plan->offsets,
        .taps = layer->taps,
        .channels = layer->group_out == 1 ? block->groups : layer->group_out,
        .y_step = y->row_stride,
        .y_stride = y->channel_stride,
        .height = block->size[HEIGHT],
        .width = block->size[WIDTH],
    };
    call.pixels = (call.height - 1) * call.y_step + call.width;
    if (plan->output_size[HEIGHT] == 1) {
        call.input_step = call.y_step = call.width = layer->lanes;
        call.height = divide_up(call.pixels, layer->lanes);
    }
    for (int64_t i = 0; i < calls; i++) {
        const int64_t channel = (block->group + i) * layer->group_out;
        call.input = copy + i * layer->group_in * plan->channel_floats;
        call.weights = layer->weights + (block->group + i) * layer->group_weights;
        call.epilogue = epilogue_from_row(&layer->epilogue, channel);
        call.y = y->pixels + channel * y->channel_stride + block->first[WIDTH];
        plan->kernel(&call);
    }
}

void conv_run_task(const struct conv_plan* plan, const struct conv_operands* operands, int64_t task,
                   float* scratch) {
    const struct view* y = &operands->y;
    const int64_t first = task * plan->blocks_per_task;
    const int64_t end = smaller(plan->blocks, first + plan->blocks_per_task);
    memset(scratch, 0, (size_t)plan->margin * sizeof *scratch);
    for (int64_t index = first; index < end; index++) {
        const struct block block = block_of(plan, index);
        const struct conv_target target = {
            .pixels = y->pixels + block.image * y->image_stride +
                      block.first[HEIGHT] * plan->output_size[WIDTH],
            .row_stride = plan->output_size[WIDTH],
            .channel_stride = y->channel_stride,
        };
        run_block(plan, &operands->x, &block, &target, scratch);
    }
}

void conv_run_rows(const struct conv_plan* plan, const struct view* x, int64_t image, int64_t first,
                   int64_t rows, const struct conv_target* y, float* scratch) {
    const int64_t per_row = plan->group_blocks * plan->block_count[WIDTH];
    memset(scratch, 0, (size_t)plan->margin * sizeof *scratch);
    for (int64_t row = 0; row < rows; row += plan->block_size[HEIGHT]) {
        struct conv_target target = *y;
        target.pixels += row * y->row_stride;
        for (int64_t i = 0; i < per_row; i++) {
            /* A block of the first row of blocks, moved. */
            const int64_t group = i / plan->block_count[WIDTH], part = i % plan->block_count[WIDTH];
            struct block block =
                block_of(plan, (image * plan->group_blocks + group) * plan->block_count[HEIGHT] *
                                       plan->block_count[WIDTH] +
                                   part);
            block.first[HEIGHT] = first + row;
            block.size[HEIGHT] = smaller(plan->block_size[HEIGHT], rows - row);
            run_block(plan, x, &block, &target, scratch);
        }
    }
}
