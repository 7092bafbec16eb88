/* How rows roll through the units: bands, rings and tasks. */
#include "chain/plan.h"

#include <stdlib.h>

#include "base/arithmetic.h"
#include "base/cache.h"

/* Pixels that a strip of the last unit shall have about: whole vectors, and a panel in the L1
 * cache. */
enum { STRIP_PIXELS = 112 };

/* Rows of a convolution that is a unit of its own, of one or several input channels: what its
 * kernels compute at once. */
enum { CONV_BAND = 3 };

static const struct conv_geometry* geometry_of(const struct chain_stage* stage) {
    return conv_layer_geometry(stage->unit.conv);
}

static int set_sizes(struct chain_plan* plan, struct status* status) {
    const int64_t* input = plan->input_size;
    for (int i = 0; i < plan->count; i++) {
        struct chain_stage* stage = &plan->stages[i];
        for (int axis = 0; axis < CONV_AXES; axis++) {
            stage->size[axis] = input[axis];
            if (stage->unit.conv == NULL) continue;
            const struct conv_geometry* g = geometry_of(stage);
            const int64_t padded = input[axis] + g->pad_begin[axis] + g->pad_end[axis];
            const int64_t extent = g->dilation[axis] * (g->kernel[axis] - 1) + 1;
            stage->size[axis] = padded < extent ? 0 : (padded - extent) / g->stride[axis] + 1;
        }
        if (stage->size[HEIGHT] < 2 || stage->size[WIDTH] < 1) {
            return status_fail(status, STATUS_INVALID, "a chain needs planes of two rows");
        }
        stage->channels = stage->unit.pointwise != NULL ? spmm_layer_rows(stage->unit.pointwise)
                                                        : geometry_of(stage)->out_channels;
        input = stage->size;
    }
    return 1;
}

static int fits_panel(const struct chain_stage* stage, int64_t rows) {
    return stage->unit.pointwise == NULL ||
           spmm_strip_floats(stage->unit.pointwise, rows * stage->size[WIDTH]) <=
               cache_l1_bytes() / (int64_t)sizeof(float);
}

/* Rows of a ring lie apart, so that a pointwise layer computes them one by one; those of Y do
 * not. */
static int set_bands(struct chain_plan* plan, struct status* status) {
    for (int i = 0; i < plan->count; i++) {
        struct chain_stage* stage = &plan->stages[i];
        const int is_last = i == plan->count - 1, is_conv = stage->unit.pointwise == NULL;
        stage->band = 1;
        if (i == 0 && is_conv) stage->band = CONV_BAND;
        if (is_last) stage->band = larger(1, STRIP_PIXELS / stage->size[WIDTH]);
        stage->band = smaller(stage->band, smaller(stage->size[HEIGHT], CHAIN_MOST_ROWS));
        while (stage->band > 1 && !fits_panel(stage, stage->band)) stage->band--;
        if (!is_conv &&
            spmm_strip_floats(stage->unit.pointwise, stage->size[WIDTH]) > SPMM_PANEL_FLOATS) {
            return status_fail(status, STATUS_INVALID, "a row of a chain is too wide for a panel");
        }
    }
    return 1;
}

/* Lines that the next unit reads for a band, and those that are computed at once with its last. */
static void set_ring(struct chain_plan* plan, struct chain_stage* stage) {
    const struct chain_stage* next = stage + 1;
    const struct conv_geometry* g = geometry_of(next);
    const int64_t read = (next->band - 1) * g->stride[HEIGHT] + g->kernel[HEIGHT];
    const int64_t pad = larger(g->pad_begin[WIDTH], g->pad_end[WIDTH]);
    const int64_t half_line = CACHE_LINE_FLOATS / 2;
    struct chain_ring* ring = &stage->ring;
    ring->lines = round_up(read + stage->band - 1, stage->band);
    ring->line_floats = round_up(stage->size[WIDTH] + pad, half_line);
    /* An odd number of cache lines: channels then share all sets of a cache. */
    const int64_t needed = half_line + (ring->lines + 1) * ring->line_floats;
    ring->channel_floats = (divide_up(needed, CACHE_LINE_FLOATS) | 1) * CACHE_LINE_FLOATS;
    ring->begin = plan->ring_floats + half_line;
    /* Kernels read past the last line. */
    plan->ring_floats += stage->channels * ring->channel_floats + 4 * SPMM_MAX_LANES;
    plan->ring_floats = round_up(plan->ring_floats, CACHE_LINE_FLOATS);
    plan->line_floats += stage->channels * ring->lines * ring->line_floats;
}

struct chain_plan* chain_plan_create(const struct chain_unit* units, int count, int64_t batch,
                                     const int64_t input_size[CONV_AXES], struct status* status) {
    struct chain_plan* plan = calloc(1, sizeof *plan);
    if (plan == NULL) {
        status_fail(status, STATUS_NO_MEMORY, "not enough memory for a plan");
        return NULL;
    }
    plan->count = count;
    for (int i = 0; i < count; i++) plan->stages[i].unit = units[i];
    for (int axis = 0; axis < CONV_AXES; axis++) plan->input_size[axis] = input_size[axis];
    const struct conv_layer* first = units[0].conv;
    if (!set_sizes(plan, status) || !set_bands(plan, status) ||
        (first != NULL && !conv_plan_make(&plan->first, first, batch, input_size, status))) {
        chain_plan_destroy(plan);
        return NULL;
    }
    for (int i = 0; i + 1 < count; i++) set_ring(plan, &plan->stages[i]);
    const struct chain_stage* last = &plan->stages[count - 1];
    const int64_t floats = last->channels * last->size[HEIGHT] * last->size[WIDTH];
    plan->prefetch = floats > cache_l2_bytes() / (int64_t)sizeof(float);
    plan->image_bands = divide_up(last->size[HEIGHT], last->band);
    plan->bands = batch * plan->image_bands;
    plan->tasks = smaller(plan->bands, CHAIN_MOST_TASKS);
    const int64_t head = divide_up((int64_t)sizeof(struct chain_slot), sizeof(float));
    plan->slot_floats = round_up(head, CACHE_LINE_FLOATS) + plan->ring_floats;
    return plan;
}

void chain_plan_destroy(struct chain_plan* plan) { free(plan); }

int64_t chain_plan_tasks(const struct chain_plan* plan) { return plan->tasks; }

int64_t chain_plan_line_floats(const struct chain_plan* plan) { return plan->line_floats; }

int64_t chain_plan_floats(const struct chain_plan* plan) { return plan->tasks * plan->slot_floats; }
