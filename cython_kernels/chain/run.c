/* Running a chain: each unit computes a band of rows after it has asked for the lines it reads. */
#include <string.h>

#include "base/arithmetic.h"
#include "base/cache.h"
#include "chain/plan.h"

/* That a band of a depthwise layer reads, with a stride of 2. */
enum { MOST_LINES = 2 * (CHAIN_MOST_ROWS - 1) + CONV_MAX_CELLS };

struct chain_run {
    const struct chain_plan* plan;
    const struct chain_operands* operands;
    struct chain_slot* slot;
    float* rings;
    int64_t image;
    float* scratch;
};

static struct chain_slot* slot_at(const struct chain_plan* plan, float* memory, int64_t i) {
    return (struct chain_slot*)(void*)(memory + i * plan->slot_floats);
}

static float* rings_of(const struct chain_plan* plan, struct chain_slot* slot) {
    return (float*)(void*)slot + plan->slot_floats - plan->ring_floats;
}

void chain_begin(const struct chain_plan* plan, float* memory) {
    for (int64_t i = 0; i < plan->tasks; i++) {
        *slot_at(plan, memory, i) = (struct chain_slot){.next_band = -1};
    }
}

/* --- Slots. */

static int try_to_hold(struct chain_slot* slot) {
    return !__atomic_load_n(&slot->is_held, __ATOMIC_RELAXED) &&
           !__atomic_exchange_n(&slot->is_held, 1, __ATOMIC_ACQUIRE);
}

static void give_back(struct chain_slot* slot) {
    __atomic_store_n(&slot->is_held, 0, __ATOMIC_RELEASE);
}

/* One whose rings are ready for a band, or else the first that is free: there are as many as
 * tasks. */
static struct chain_slot* hold_slot(const struct chain_plan* plan, float* memory, int64_t band) {
    for (int64_t i = 0; i < plan->tasks; i++) {
        struct chain_slot* slot = slot_at(plan, memory, i);
        if (!try_to_hold(slot)) continue;
        if (slot->next_band == band) return slot;
        give_back(slot);
    }
    for (int64_t i = 0;; i = (i + 1) % plan->tasks) {
        struct chain_slot* slot = slot_at(plan, memory, i);
        if (try_to_hold(slot)) return slot;
    }
}

/* --- Rings. */

static float* line_of(const struct chain_run* run, const struct chain_stage* stage, int64_t row) {
    const struct chain_ring* ring = &stage->ring;
    return run->rings + ring->begin + row % ring->lines * ring->line_floats;
}

static void zero_columns(const struct chain_run* run, const struct chain_stage* stage) {
    const struct chain_ring* ring = &stage->ring;
    const int64_t width = stage->size[WIDTH], before = CACHE_LINE_FLOATS / 2;
    for (int64_t c = 0; c < stage->channels; c++) {
        float* channel = run->rings + ring->begin + c * ring->channel_floats;
        memset(channel - before, 0, (size_t)before * sizeof *channel);
        for (int64_t line = 0; line < ring->lines; line++, channel += ring->line_floats) {
            memset(channel + width, 0, (size_t)(ring->line_floats - width) * sizeof *channel);
        }
        memset(channel, 0, (size_t)ring->line_floats * sizeof *channel);
    }
}

/* Begins with rings that are empty: `done` becomes the first row that each unit must compute. */
static void empty_rings(const struct chain_run* run, int64_t row) {
    const struct chain_plan* plan = run->plan;
    if (!run->slot->has_zeros) {
        for (int i = 0; i + 1 < plan->count; i++) zero_columns(run, &plan->stages[i]);
        run->slot->has_zeros = 1;
    }
    for (int i = plan->count - 1; i >= 0; i--) {
        const struct chain_stage* stage = &plan->stages[i];
        row -= row % stage->band; /* so that bands are the same, whoever computes them */
        run->slot->done[i] = row;
        if (i == 0) break;
        const struct conv_geometry* g = conv_layer_geometry(stage->unit.conv);
        row = larger(0, row * g->stride[HEIGHT] - g->pad_begin[HEIGHT]);
    }
}

/* --- Units. */

static struct conv_target target_of(const struct chain_run* run, int i, int64_t row) {
    const struct chain_stage* stage = &run->plan->stages[i];
    if (i + 1 < run->plan->count) {
        return (struct conv_target){line_of(run, stage, row), stage->ring.line_floats,
                                    stage->ring.channel_floats};
    }
    const struct view* y = &run->operands->y;
    return (struct conv_target){y->pixels + run->image * y->image_stride + row * stage->size[WIDTH],
                                stage->size[WIDTH], y->channel_stride};
}

/* The lines that a depthwise layer reads for a band. */
struct reading {
    const struct chain_stage* stage;
    int32_t offsets[MOST_LINES];
    struct conv_lines lines;
};

static void find_lines(const struct chain_run* run, int i, int64_t row, int64_t rows,
                       struct reading* reading) {
    const struct chain_stage *stage = &run->plan->stages[i], *before = stage - 1;
    const struct chain_ring* ring = &before->ring;
    const struct conv_geometry* g = conv_layer_geometry(stage->unit.conv);
    const int64_t first = row * g->stride[HEIGHT] - g->pad_begin[HEIGHT];
    const int64_t count = (rows - 1) * g->stride[HEIGHT] + g->kernel[HEIGHT];
    for (int64_t k = 0; k < count; k++) {
        const int64_t line = first + k;
        const int is_inside = line >= 0 && line < before->size[HEIGHT];
        const int64_t place = is_inside ? line % ring->lines : ring->lines;
        reading->offsets[k] = (int32_t)(place * ring->line_floats - g->pad_begin[WIDTH]);
    }
    reading->stage = stage;
    reading->lines = (struct conv_lines){
        .input = run->rings + ring->begin,
        .input_stride = ring->channel_floats,
        .lines = reading->offsets,
        .rows = rows,
        .width = stage->size[WIDTH],
    };
}

static void fill_from_lines(void* data, int64_t first, int64_t channels, float* panel,
                            int64_t stride) {
    const struct reading* reading = data;
    struct conv_lines lines = reading->lines;
    lines.first_channel = first;
    lines.channels = channels;
    lines.y = (struct conv_target){panel, lines.width, stride};
    lines.spill = 1;
    conv_run_lines(reading->stage->unit.conv, &lines);
}

/* Rows of planes, for a pointwise layer that comes first. */
struct planes {
    struct view x;
    int64_t pixel, count;
};

static void fill_from_planes(void* data, int64_t first, int64_t channels, float* panel,
                             int64_t stride) {
    const struct planes* planes = data;
    const float* from = planes->x.pixels + first * planes->x.channel_stride + planes->pixel;
    for (int64_t c = 0; c < channels; c++) {
        memcpy(panel + c * stride, from + c * planes->x.channel_stride,
               (size_t)planes->count * sizeof *panel);
    }
}

static void run_pointwise(const struct chain_run* run, int i, int64_t row, int64_t rows,
                          struct spmm_strip* strip) {
    const struct chain_stage* stage = &run->plan->stages[i];
    const struct conv_target target = target_of(run, i, row);
    const struct view* residual = &run->operands->residual;
    strip->pixels = rows * stage->size[WIDTH];
    strip->y = target.pixels;
    strip->y_stride = target.channel_stride;
    const int is_last = i == run->plan->count - 1;
    strip->prefetch = is_last && run->plan->prefetch;
    if (is_last && residual->pixels != NULL) {
        strip->residual =
            residual->pixels + run->image * residual->image_stride + row * stage->size[WIDTH];
        strip->residual_stride = residual->channel_stride;
    }
    spmm_run_strip(stage->unit.pointwise, strip, run->scratch);
}

static void run_first(const struct chain_run* run, int64_t row, int64_t rows) {
    const struct chain_plan* plan = run->plan;
    if (plan->stages[0].unit.conv != NULL) {
        const struct conv_target target = target_of(run, 0, row);
        conv_run_rows(&plan->first, &run->operands->x, run->image, row, rows, &target,
                      run->scratch);
        return;
    }
    const int64_t width = plan->stages[0].size[WIDTH];
    struct planes planes = {run->operands->x, row * width, rows * width};
    planes.x.pixels += run->image * planes.x.image_stride;
    struct spmm_strip strip = {.fill = fill_from_planes, .data = &planes};
    run_pointwise(run, 0, row, rows, &strip);
}

static void run_unit(const struct chain_run* run, int i, int64_t row, int64_t rows) {
    const struct chain_stage* stage = &run->plan->stages[i];
    if (i == 0) {
        run_first(run, row, rows);
        return;
    }
    struct reading reading;
    find_lines(run, i, row, rows, &reading);
    if (stage->unit.pointwise != NULL) {
        struct spmm_strip strip = {.fill = fill_from_lines, .data = &reading};
        run_pointwise(run, i, row, rows, &strip);
        return;
    }
    reading.lines.channels = stage->channels;
    reading.lines.y = target_of(run, i, row);
    conv_run_lines(stage->unit.conv, &reading.lines);
}

/* Computes rows of unit i up to `end`, and what they need before. */
static void compute_up_to(const struct chain_run* run, int i, int64_t end) {
    const struct chain_stage* stage = &run->plan->stages[i];
    int64_t* done = &run->slot->done[i];
    while (*done < end) {
        const int64_t rows = smaller(stage->band, stage->size[HEIGHT] - *done);
        if (i > 0) {
            const struct conv_geometry* g = conv_layer_geometry(stage->unit.conv);
            const int64_t read =
                (*done + rows - 1) * g->stride[HEIGHT] - g->pad_begin[HEIGHT] + g->kernel[HEIGHT];
            compute_up_to(run, i - 1, smaller(read, stage[-1].size[HEIGHT]));
        }
        run_unit(run, i, *done, rows);
        *done += rows;
    }
}

void chain_run_task(const struct chain_plan* plan, const struct chain_operands* operands,
                    int64_t task, float* scratch) {
    const int64_t first = task * plan->bands / plan->tasks;
    const int64_t end = (task + 1) * plan->bands / plan->tasks;
    const struct chain_stage* last = &plan->stages[plan->count - 1];
    struct chain_run run = {.plan = plan, .operands = operands, .scratch = scratch};
    run.slot = hold_slot(plan, operands->memory, first);
    run.rings = rings_of(plan, run.slot);
    for (int64_t band = first; band < end; band++) {
        const int64_t row = band % plan->image_bands * last->band;
        run.image = band / plan->image_bands;
        if (row == 0 || run.slot->next_band != band) empty_rings(&run, row);
        compute_up_to(&run, plan->count - 1, smaller(row + last->band, last->size[HEIGHT]));
        run.slot->next_band = band + 1;
    }
    give_back(run.slot);
}
