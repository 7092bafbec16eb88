/* One run of a layer as tasks. */
#include "spmm_plan.h"

int64_t spmm_chunk_rows(const struct spmm_layer* layer) {
    return spmm_divide_up(layer->rows, layer->chunk_count) + SPMM_GROUP_ROWS;
}

/* Reading X itself saves a copy; it pays where all vectors are aligned, and where the channels,
 * far from each other in memory, are few enough for the TLB. */
static int is_direct(const struct spmm_layer* layer, const struct spmm_run* run,
                     const struct spmm_plan* plan) {
    const int64_t most_columns = 200;
    return !plan->strided && plan->plane % SPMM_LINE_FLOATS == 0 &&
           (uintptr_t)run->x % (SPMM_LINE_FLOATS * sizeof(float)) == 0 &&
           layer->columns <= most_columns;
}

/* Divides a region, whose pixels and kind are set, into tasks. */
static void divide(const struct spmm_layer* layer, const struct spmm_run* run,
                   const struct spmm_plan* plan, struct spmm_region* region) {
    int64_t lanes = layer->isa->lanes;
    region->vectors = layer->vectors;
    region->spans = run->batch;
    region->span_pixels = region->pixels;
    if (region->flat) {
        int64_t widest = layer->staging_floats / (spmm_chunk_rows(layer) * lanes);
        region->vectors = (int)spmm_smaller(layer->vectors, widest);
        region->spans = 1;
        region->span_pixels = run->batch * region->pixels;
    }
    region->strip = plan->wide_strips && !region->flat ? layer->strip_vectors : region->vectors;
    int64_t work = spmm_larger(1, spmm_work(layer, region->span_pixels)); /* Y may be empty */
    int64_t tiles = spmm_divide_up(region->span_pixels, region->vectors * lanes);
    region->parts = spmm_larger(1, spmm_smaller(tiles, work / SPMM_TASK_WORK));
    /* Two threads share an even number best. */
    if (region->parts > 1 && region->parts % 2 != 0 && region->parts < tiles) region->parts++;
    region->spans_per_task = spmm_larger(1, spmm_smaller(region->spans, SPMM_TASK_WORK / work));
    region->chunk_parts = 1;
    if (region->parts == tiles) {
        int64_t worth = work / tiles / SPMM_TASK_WORK;
        region->chunk_parts = spmm_larger(1, spmm_smaller(layer->chunk_count, worth));
    }
    region->tasks =
        spmm_divide_up(region->spans, region->spans_per_task) * region->parts * region->chunk_parts;
}

static struct spmm_plan make_plan(const struct spmm_layer* layer, const struct spmm_run* run) {
    struct spmm_plan plan = {.plane = 1, .input_plane = 1};
    for (int axis = 0; axis < 3; axis++) {
        plan.plane *= run->output_size[axis];
        plan.input_plane *= run->input_size[axis];
        plan.strided |= run->stride[axis] != 1;
    }
    plan.one_pixel = spmm_is_one_pixel(layer, run, &plan);
    /* A narrow tile touches few cache lines in each of many rows of Y. Where those come from
     * memory, they had better be asked for early, and in runs that the hardware's prefetcher knows.
     */
    int64_t x_bytes = run->batch * layer->columns * plan.input_plane * (int64_t)sizeof(float);
    int64_t y_bytes = run->batch * layer->rows * plan.plane * (int64_t)sizeof(float);
    plan.wide_strips = x_bytes + y_bytes > 2 * layer->l2_bytes;
    plan.prefetch = y_bytes > 3 * layer->l2_bytes;
    /* Pixels that do not fill a vector are computed for all images together where that saves
     * at least a vector for every four images. */
    int64_t lanes = layer->isa->lanes, rest = plan.plane % lanes;
    int64_t saved = run->batch - spmm_divide_up(run->batch * rest, lanes);
    int flat = rest != 0 && run->batch > 1 && 4 * saved >= run->batch &&
               spmm_chunk_rows(layer) * lanes <= layer->staging_floats;
    int64_t whole = flat ? plan.plane - rest : plan.plane;
    if (whole > 0 || !flat) {
        plan.regions[plan.region_count++] =
            (struct spmm_region){.pixels = whole, .direct = is_direct(layer, run, &plan)};
    }
    if (flat) {
        plan.regions[plan.region_count++] =
            (struct spmm_region){.first = whole, .pixels = rest, .flat = 1};
    }
    for (int i = 0; i < plan.region_count; i++) divide(layer, run, &plan, &plan.regions[i]);
    return plan;
}

int64_t spmm_task_count(const struct spmm_layer* layer, const struct spmm_run* run) {
    const struct spmm_plan plan = make_plan(layer, run);
    int64_t tasks = 0;
    for (int i = 0; i < plan.region_count; i++) tasks += plan.regions[i].tasks;
    return spmm_larger(1, tasks);
}

static void run_task_of(const struct spmm_layer* layer, const struct spmm_run* run,
                        const struct spmm_plan* plan, const struct spmm_region* region,
                        int64_t task) {
    int64_t chunk_part = task % region->chunk_parts;
    int64_t part = task / region->chunk_parts % region->parts;
    int64_t first = task / region->chunk_parts / region->parts * region->spans_per_task;
    int64_t last = spmm_smaller(region->spans, first + region->spans_per_task);
    int64_t lines = spmm_divide_up(region->span_pixels, SPMM_LINE_FLOATS);
    int64_t end = (part + 1) * lines / region->parts * SPMM_LINE_FLOATS;
    struct spmm_piece piece = {
        .first = part * lines / region->parts * SPMM_LINE_FLOATS,
        .end = spmm_smaller(end, region->span_pixels),
        .chunk = chunk_part * layer->chunk_count / region->chunk_parts,
        .chunk_end = (chunk_part + 1) * layer->chunk_count / region->chunk_parts,
    };
    for (piece.span = first; piece.span < last; piece.span++) {
        if (plan->one_pixel) {
            spmm_run_one_pixel(layer, run, &piece);
        } else {
            spmm_run_piece(layer, run, plan, region, &piece);
        }
    }
}

void spmm_run_task(const struct spmm_layer* layer, const struct spmm_run* run, int64_t task) {
    const struct spmm_plan plan = make_plan(layer, run);
    const struct spmm_region* region = plan.regions;
    if (task >= region->tasks && plan.region_count > 1) task -= region++->tasks;
    if (task < region->tasks) run_task_of(layer, run, &plan, region, task);
}
