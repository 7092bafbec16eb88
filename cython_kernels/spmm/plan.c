/* The work of a layer on arrays of one shape, divided into tasks. */
#include "spmm/layer.h"

/* Reading X itself saves a copy; it pays where all vectors are aligned, and where the channels,
 * far from each other in memory, are few enough for the TLB. */
static int may_be_direct(const struct spmm_plan* plan) {
    const int64_t most_columns = 200;
    return !plan->strided && plan->plane % CACHE_LINE_FLOATS == 0 &&
           plan->layer->columns <= most_columns;
}

/* Divides a zone, whose pixels and kind are set, into tasks. */
static void divide_zone(const struct spmm_plan* plan, struct spmm_zone* zone) {
    const struct spmm_layer* layer = plan->layer;
    const int64_t batch = plan->shape.batch;
    zone->vectors = layer->vectors;
    zone->spans = batch;
    zone->span_pixels = zone->pixels;
    if (zone->joined) {
        int64_t widest = layer->staging_floats / (spmm_chunk_rows(layer) * layer->lanes);
        zone->vectors = (int)smaller(layer->vectors, widest);
        zone->spans = 1;
        zone->span_pixels = batch * zone->pixels;
    }
    zone->strip = plan->wide_strips && !zone->joined ? layer->strip_vectors : zone->vectors;
    int64_t work = spmm_work(layer, zone->span_pixels);
    int64_t tiles = divide_up(zone->span_pixels, zone->vectors * layer->lanes);
    zone->span_splits = larger(1, smaller(tiles, work / SPMM_TASK_WORK));
    /* Two threads share an even number best. */
    if (zone->span_splits > 1 && zone->span_splits % 2 != 0 && zone->span_splits < tiles) {
        zone->span_splits++;
    }
    zone->spans_per_task = larger(1, smaller(zone->spans, SPMM_TASK_WORK / work));
    zone->chunk_splits = 1;
    if (zone->span_splits == tiles) {
        int64_t worth = work / tiles / SPMM_TASK_WORK;
        zone->chunk_splits = larger(1, smaller(layer->chunk_count, worth));
    }
    zone->tasks =
        divide_up(zone->spans, zone->spans_per_task) * zone->span_splits * zone->chunk_splits;
}

static void add_zone(struct spmm_plan* plan, struct spmm_zone zone) {
    divide_zone(plan, &zone);
    plan->zones[plan->zone_count++] = zone;
    plan->task_count += zone.tasks;
}

/* The other sizes of an array without elements may be any, too large to be multiplied. */
static int is_empty(const struct spmm_shape* shape) {
    int empty = shape->batch == 0;
    for (int axis = 0; axis < SPMM_AXES; axis++) empty |= shape->output_size[axis] == 0;
    return empty;
}

void spmm_plan_make(struct spmm_plan* plan, const struct spmm_layer* layer,
                    const struct spmm_shape* shape) {
    *plan = (struct spmm_plan){.layer = layer, .shape = *shape};
    if (is_empty(shape)) return;
    plan->plane = plan->input_plane = 1;
    for (int axis = 0; axis < SPMM_AXES; axis++) {
        plan->plane *= shape->output_size[axis];
        plan->input_plane *= shape->input_size[axis];
        plan->strided |= shape->stride[axis] != 1;
    }
    const int64_t batch = shape->batch, plane = plan->plane;
    plan->one_pixel = spmm_is_one_pixel(plan);
    /* A narrow tile touches few cache lines in each of many rows of Y. Where those come from
     * memory, they had better be asked for early, and in runs that the hardware's prefetcher knows.
     */
    int64_t x_bytes = batch * layer->columns * plan->input_plane * (int64_t)sizeof(float);
    int64_t y_bytes = batch * layer->rows * plane * (int64_t)sizeof(float);
    plan->wide_strips = x_bytes + y_bytes > 2 * layer->l2_bytes;
    plan->prefetch = y_bytes > 3 * layer->l2_bytes;
    /* Pixels that do not fill a vector are computed for all images together where that saves
     * at least a vector for every four images. */
    int64_t lanes = layer->lanes, rest = plane % lanes;
    int64_t saved = batch - divide_up(batch * rest, lanes);
    int joins = rest != 0 && batch > 1 && 4 * saved >= batch &&
                spmm_chunk_rows(layer) * lanes <= layer->staging_floats;
    int64_t whole = joins ? plane - rest : plane;
    if (whole > 0)
        add_zone(plan, (struct spmm_zone){.pixels = whole, .direct = may_be_direct(plan)});
    if (joins) add_zone(plan, (struct spmm_zone){.first = whole, .pixels = rest, .joined = 1});
}

/* Where a tile begins among the vectors of a span: tiles are of equal width, or one vector wider,
 * so that tasks never cut one. */
static int64_t first_vector(int64_t tile, int64_t tiles, int64_t vectors) {
    return tile * vectors / tiles;
}

static void run_task_of(const struct spmm_plan* plan, const struct spmm_zone* zone,
                        const struct spmm_operands* operands, int64_t task, float* scratch) {
    const struct spmm_layer* layer = plan->layer;
    int64_t chunk_split = task % zone->chunk_splits;
    int64_t span_split = task / zone->chunk_splits % zone->span_splits;
    int64_t first = task / zone->chunk_splits / zone->span_splits * zone->spans_per_task;
    int64_t last = smaller(zone->spans, first + zone->spans_per_task);
    const int64_t vectors = divide_up(zone->span_pixels, layer->lanes);
    const int64_t tiles = divide_up(vectors, zone->vectors);
    struct spmm_piece piece = {
        .first =
            first_vector(span_split * tiles / zone->span_splits, tiles, vectors) * layer->lanes,
        .end = first_vector((span_split + 1) * tiles / zone->span_splits, tiles, vectors) *
               layer->lanes,
        .chunk = chunk_split * layer->chunk_count / zone->chunk_splits,
        .chunk_end = (chunk_split + 1) * layer->chunk_count / zone->chunk_splits,
    };
    piece.end = smaller(piece.end, zone->span_pixels);
    const int one_pixel = plan->one_pixel && spmm_has_adjacent_channels(operands);
    for (piece.span = first; piece.span < last; piece.span++) {
        if (one_pixel) {
            spmm_run_one_pixel(plan, operands, &piece, scratch);
        } else {
            spmm_run_piece(plan, zone, operands, &piece, scratch);
        }
    }
}

void spmm_run_task(const struct spmm_plan* plan, const struct spmm_operands* operands, int64_t task,
                   float* scratch) {
    const struct spmm_zone* zone = plan->zones;
    if (task >= zone->tasks) task -= zone++->tasks;
    run_task_of(plan, zone, operands, task, scratch);
}
