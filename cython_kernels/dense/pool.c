#include "dense/pool.h"

#include <float.h>
#include <limits.h>
#include <stdlib.h>

#include "base/arithmetic.h"
#include "microkernels/microkernel.h"

enum { HEIGHT, WIDTH };

/* Pixels that a task shall reduce: some 4 microseconds of a good CPU. */
enum { TASK_WORK = 100000 };

struct pool_layer {
    struct pool_geometry geometry;
    int lanes;
    pool_kernel kernel;
};

/* --- Creation. */

static int check_axis(const struct pool_geometry* g, int axis, struct status* status) {
    const int64_t most = INT_MAX; /* so that no product of two of them overflows */
    const struct {
        const char* name;
        int64_t value, least, most;
    } sizes[] = {
        {"kernel", g->kernel[axis], 1, most},
        {"stride", g->stride[axis], 1, most},
        {"dilation", g->dilation[axis], 1, most},
        {"pad_begin", g->pad_begin[axis], 0, g->kernel[axis] - 1},
        {"pad_end", g->pad_end[axis], 0, g->kernel[axis] - 1},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (sizes[i].value < sizes[i].least || sizes[i].value > sizes[i].most) {
            return status_fail(status, STATUS_INVALID, "%s: must lie in %lld..%lld, but is %lld",
                               sizes[i].name, (long long)sizes[i].least, (long long)sizes[i].most,
                               (long long)sizes[i].value);
        }
    }
    return 1;
}

struct pool_layer* pool_layer_create(const struct pool_geometry* geometry, const struct isa* isa,
                                     struct status* status) {
    if (!check_axis(geometry, HEIGHT, status) || !check_axis(geometry, WIDTH, status)) return NULL;
    struct pool_layer* layer = malloc(sizeof *layer);
    if (layer == NULL) {
        status_fail(status, STATUS_NO_MEMORY, "not enough memory for a pooling layer");
        return NULL;
    }
    const struct microkernel_set* set = microkernel_set_of(isa);
    const int stride = geometry->stride[WIDTH] <= 2 ? (int)geometry->stride[WIDTH] : 0;
    const int average = geometry->kind == POOL_AVERAGE;
    *layer = (struct pool_layer){
        .geometry = *geometry,
        .lanes = set->lanes,
        .kernel = microkernel_find(set, MICROKERNEL_POOL, average, stride)->run.pool,
    };
    return layer;
}

void pool_layer_destroy(struct pool_layer* layer) { free(layer); }

/* --- The plan. */

int64_t pool_output_size(const struct pool_geometry* g, int axis, int64_t input_size) {
    const int64_t stride = g->stride[axis];
    const int64_t rest = input_size + g->pad_begin[axis] + g->pad_end[axis] -
                         g->dilation[axis] * (g->kernel[axis] - 1) - 1;
    if (rest < 0) return rest / stride == 0 ? 1 : rest / stride == -1 ? 0 : -1;
    int64_t size = (g->ceil_mode ? divide_up(rest, stride) : rest / stride) + 1;
    if (g->ceil_mode && (size - 1) * stride >= input_size + g->pad_begin[axis]) size--;
    return size;
}

/* The most columns of a window that have a pixel of X, in a block of this width. */
static int64_t taps_in_block(const struct pool_plan* plan, int64_t width) {
    const struct pool_geometry* g = &plan->layer->geometry;
    const int64_t columns = plan->input_size[WIDTH] + (width - 1) * g->stride[WIDTH];
    return smaller(g->kernel[WIDTH], columns / g->dilation[WIDTH] + 1);
}

/* Columns of X, padding included, that so many output pixels read through so many taps. */
static int64_t columns_read(const struct pool_geometry* g, int64_t width, int64_t taps) {
    return (width - 1) * g->stride[WIDTH] + (taps - 1) * g->dilation[WIDTH] + 1;
}

/* Where the counts of an average start in the scratch. A last vector reads past the line. */
static int64_t counts_start(const struct pool_plan* plan, int64_t width, int64_t taps) {
    return columns_read(&plan->layer->geometry, width, taps) + 2 * plan->layer->lanes;
}

static int block_fits(const struct pool_plan* plan, int64_t width, int64_t taps) {
    return counts_start(plan, width, taps) + width + plan->layer->lanes <= POOL_SCRATCH_FLOATS;
}

/* Whole lines if they fit the scratch, else parts, of windows whose columns may be parted too. */
static void choose_block(struct pool_plan* plan) {
    const struct pool_geometry* g = &plan->layer->geometry;
    int64_t width = plan->output_size[WIDTH], taps = taps_in_block(plan, width);
    while (!block_fits(plan, width, taps) && width > 1) {
        width = divide_up(width, 2);
        taps = taps_in_block(plan, width);
    }
    while (!block_fits(plan, width, taps)) taps = divide_up(taps, 2);
    plan->taps = taps;
    plan->block_size[WIDTH] = width;
    const int64_t lines = smaller(g->kernel[HEIGHT], plan->input_size[HEIGHT]);
    const int64_t columns = smaller(columns_read(g, width, taps), plan->input_size[WIDTH]);
    const int64_t line_work =
        (columns * lines + width * taps) * divide_up(taps_in_block(plan, width), taps);
    plan->block_size[HEIGHT] = clamp(TASK_WORK / line_work, 1, plan->output_size[HEIGHT]);
    plan->blocks_per_task = larger(TASK_WORK / line_work / plan->block_size[HEIGHT], 1);
}

static int set_sizes(struct pool_plan* plan, const int64_t input_size[], struct status* status) {
    const struct pool_geometry* g = &plan->layer->geometry;
    for (int axis = 0; axis < POOL_AXES; axis++) {
        const char* along = axis == HEIGHT ? "high" : "wide";
        if (input_size[axis] < 0 || input_size[axis] > INT_MAX ||
            (input_size[axis] == 0 && plan->batch != 0)) {
            return status_fail(status, STATUS_INVALID,
                               "X: must be 1..2**31-1 pixels %s, but is %lld", along,
                               (long long)input_size[axis]);
        }
        plan->input_size[axis] = input_size[axis];
        plan->output_size[axis] = pool_output_size(g, axis, input_size[axis]);
        if (plan->output_size[axis] < 0) {
            return status_fail(
                status, STATUS_INVALID,
                "X: must with its padding be as %s as the kernel, which is %lld, "
                "but is %lld",
                along, (long long)(g->dilation[axis] * (g->kernel[axis] - 1) + 1),
                (long long)(input_size[axis] + g->pad_begin[axis] + g->pad_end[axis]));
        }
    }
    return 1;
}

int pool_plan_make(struct pool_plan* plan, const struct pool_layer* layer, int64_t batch,
                   int64_t channels, const int64_t input_size[POOL_AXES], struct status* status) {
    *plan = (struct pool_plan){.layer = layer, .batch = batch, .channels = channels};
    if (!set_sizes(plan, input_size, status)) return 0;
    int64_t floats = batch;
    if (__builtin_mul_overflow(floats, channels, &floats) ||
        __builtin_mul_overflow(floats, plan->output_size[HEIGHT], &floats) ||
        __builtin_mul_overflow(floats, plan->output_size[WIDTH], &floats)) {
        return status_fail(status, STATUS_INVALID,
                           "Y: must have at most 2**63-1 elements, but is %lld x %lld x %lld x "
                           "%lld",
                           (long long)batch, (long long)channels,
                           (long long)plan->output_size[HEIGHT],
                           (long long)plan->output_size[WIDTH]);
    }
    if (floats == 0) return 1;
    choose_block(plan);
    for (int axis = 0; axis < POOL_AXES; axis++) {
        plan->block_count[axis] = divide_up(plan->output_size[axis], plan->block_size[axis]);
    }
    plan->blocks = batch * channels * plan->block_count[HEIGHT] * plan->block_count[WIDTH];
    plan->task_count = divide_up(plan->blocks, plan->blocks_per_task);
    return 1;
}

/* --- Running. */

/* Cells of a window, [first, end), or pixels. */
struct range {
    int64_t first, end;
};

/* Of `count` cells `step` apart, the first of which lies at `begin`, those in [0, size). */
static struct range cells_inside(int64_t begin, int64_t step, int64_t count, int64_t size) {
    if (begin >= 0 && begin + (count - 1) * step < size) return (struct range){0, count};
    struct range inside = {
        .first = begin < 0 ? smaller(divide_up(-begin, step), count) : 0,
        .end = begin < size ? smaller(divide_up(size - begin, step), count) : 0,
    };
    if (inside.end < inside.first) inside.end = inside.first;
    return inside;
}

/* What an average counts of a window along an axis. */
static int64_t cells_counted(const struct pool_plan* plan, int axis, int64_t output) {
    const struct pool_geometry* g = &plan->layer->geometry;
    const int64_t begin = output * g->stride[axis] - g->pad_begin[axis];
    const int64_t size = plan->input_size[axis];
    struct range counted = cells_inside(begin, g->dilation[axis], g->kernel[axis],
                                        g->count_include_pad ? size + g->pad_end[axis] : size);
    if (g->count_include_pad) counted.first = 0;
    return larger(1, counted.end - counted.first);
}

static void fill(float* to, int64_t count, float value) {
    for (int64_t i = 0; i < count; i++) to[i] = value;
}

/* Output pixels of one plane, of all or some columns of their windows. */
struct piece {
    const float* x; /* the planes */
    float* y;
    int64_t first[POOL_AXES], size[POOL_AXES]; /* output pixels */
    int64_t tap, taps;                         /* columns of the windows */
};

static void run_piece(const struct pool_plan* plan, const struct piece* p, struct pool_call* call) {
    const struct pool_geometry* g = &plan->layer->geometry;
    const int64_t height = plan->input_size[HEIGHT], width = plan->input_size[WIDTH];
    const float padding = g->kind == POOL_MAXIMUM ? -FLT_MAX : 0.0f;
    const int64_t begin =
        p->first[WIDTH] * g->stride[WIDTH] - g->pad_begin[WIDTH] + p->tap * g->dilation[WIDTH];
    const int64_t columns = columns_read(g, p->size[WIDTH], p->taps);
    const struct range inside = cells_inside(begin, 1, columns, width);
    fill(call->line, inside.first, padding);
    fill(call->line + inside.end, columns - inside.end, padding);
    call->inside = call->line + inside.first;
    call->taps = p->taps;
    call->width = p->size[WIDTH];
    for (int64_t row = p->first[HEIGHT]; row < p->first[HEIGHT] + p->size[HEIGHT]; row++) {
        const int64_t top = row * g->stride[HEIGHT] - g->pad_begin[HEIGHT];
        const struct range lines =
            cells_inside(top, g->dilation[HEIGHT], g->kernel[HEIGHT], height);
        call->lines = lines.end - lines.first;
        call->columns = call->lines > 0 ? inside.end - inside.first : 0;
        if (call->columns > 0) {
            call->input =
                p->x + (top + lines.first * g->dilation[HEIGHT]) * width + begin + inside.first;
        } else {
            fill(call->inside, inside.end - inside.first, padding);
        }
        call->y = p->y + row * plan->output_size[WIDTH] + p->first[WIDTH];
        if (g->kind == POOL_AVERAGE) {
            call->lines_counted = (float)cells_counted(plan, HEIGHT, row);
        }
        plan->layer->kernel(call);
    }
}

/* The columns of the windows of a block that have pixels of X in any of them, at least one. */
static struct range taps_of(const struct pool_plan* plan, int64_t first, int64_t width) {
    const struct pool_geometry* g = &plan->layer->geometry;
    const int64_t begin = first * g->stride[WIDTH] - g->pad_begin[WIDTH];
    const int64_t last = begin + (width - 1) * g->stride[WIDTH];
    const int64_t dilation = g->dilation[WIDTH], count = g->kernel[WIDTH];
    struct range taps = {
        .first = cells_inside(last, dilation, count, INT64_MAX / 2).first,
        .end = cells_inside(begin, dilation, count, plan->input_size[WIDTH]).end,
    };
    taps.first = smaller(taps.first, count - 1);
    taps.end = larger(taps.end, taps.first + 1);
    return taps;
}

/* What columns count stays in the scratch for the next block. */
static void run_block(const struct pool_plan* plan, const struct pool_operands* operands,
                      int64_t block, int is_first, float* scratch) {
    const struct pool_geometry* g = &plan->layer->geometry;
    const struct view *x = &operands->x, *y = &operands->y;
    struct piece p;
    for (int axis = POOL_AXES - 1; axis >= 0; axis--) {
        p.first[axis] = block % plan->block_count[axis] * plan->block_size[axis];
        p.size[axis] = smaller(plan->block_size[axis], plan->output_size[axis] - p.first[axis]);
        block /= plan->block_count[axis];
    }
    const int64_t channel = block % plan->channels, image = block / plan->channels;
    p.x = x->pixels + image * x->image_stride + channel * x->channel_stride;
    p.y = y->pixels + image * y->image_stride + channel * y->channel_stride;
    float* counts = scratch + counts_start(plan, plan->block_size[WIDTH], plan->taps);
    if (g->kind == POOL_AVERAGE && (is_first || plan->block_count[WIDTH] > 1)) {
        for (int64_t i = 0; i < p.size[WIDTH]; i++) {
            counts[i] = (float)cells_counted(plan, WIDTH, p.first[WIDTH] + i);
        }
    }
    struct pool_call call = {
        .line = scratch,
        .line_step = g->dilation[HEIGHT] * plan->input_size[WIDTH],
        .stride = g->stride[WIDTH],
        .tap_step = g->dilation[WIDTH],
        .counts = counts,
    };
    const struct range taps = taps_of(plan, p.first[WIDTH], p.size[WIDTH]);
    for (p.tap = taps.first; p.tap < taps.end; p.tap += p.taps) {
        p.taps = smaller(plan->taps, taps.end - p.tap);
        call.first = p.tap == taps.first;
        call.last = p.tap + p.taps == taps.end;
        run_piece(plan, &p, &call);
    }
}

void pool_run_task(const struct pool_plan* plan, const struct pool_operands* operands, int64_t task,
                   float* scratch) {
    const int64_t first = task * plan->blocks_per_task;
    const int64_t end = smaller(plan->blocks, first + plan->blocks_per_task);
    for (int64_t block = first; block < end; block++) {
        run_block(plan, operands, block, block == first, scratch);
    }
}
