/* One run of a layer as tasks: which pixels and rows a task computes, tile by tile. */
#include <string.h>

#include "spmm_internal.h"

/* Pixels that the kernels run over: those of each image, or, where planes are small or odd, those
 * of all images in one row ("flat"), so that vectors are full. */
struct plan {
    int64_t plane;       /* output pixels of an image */
    int64_t input_plane; /* input pixels of an image */
    int strided;
    int flat;
    int64_t spans, span_pixels; /* batch x plane, or 1 x (batch * plane) if flat */
    int64_t span_parts;         /* tasks along a span, if spans are split */
    int64_t spans_per_task;     /* if they are not, else 1 */
    int64_t chunk_parts;
    int64_t tasks;
};

/* Where the pixels of one tile lie. */
struct pixels {
    int64_t first, count;
    int64_t source[SPMM_MAX_VECTORS * SPMM_MAX_LANES];      /* in X, from channel 0 */
    int64_t destination[SPMM_MAX_VECTORS * SPMM_MAX_LANES]; /* in Y, from row 0; if flat */
};

static int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* A task shall be worth about 10 microseconds: in nonzeros times cache lines of pixels, at the
 * pace of a good CPU. */
static const int64_t TASK_WORK = 40000;

static int is_flat(const struct spmm_layer* layer, const struct spmm_run* run, int64_t plane) {
    int64_t lanes = layer->isa->lanes;
    int64_t padded = divide_up(plane, lanes) * lanes;
    return run->batch > 1 && 10 * padded > 11 * plane;
}

static struct plan make_plan(const struct spmm_layer* layer, const struct spmm_run* run) {
    struct plan plan = {.plane = 1, .input_plane = 1};
    for (int axis = 0; axis < 3; axis++) {
        plan.plane *= run->output_size[axis];
        plan.input_plane *= run->input_size[axis];
        plan.strided |= run->stride[axis] != 1;
    }
    plan.flat = is_flat(layer, run, plan.plane);
    plan.spans = plan.flat ? 1 : run->batch;
    plan.span_pixels = plan.flat ? run->batch * plan.plane : plan.plane;
    int64_t lines = divide_up(plan.span_pixels, SPMM_LINE_FLOATS);
    /* Filling the panel counts as two nonzeros a channel. */
    int64_t line_work = layer->nonzeros + 2 * layer->columns + layer->rows;
    int64_t span_work = line_work * lines;
    plan.span_parts = larger(1, smaller(lines, span_work / TASK_WORK));
    plan.spans_per_task = larger(1, smaller(plan.spans, TASK_WORK / span_work));
    plan.chunk_parts = 1;
    if (plan.span_parts == lines) {
        plan.chunk_parts = larger(1, smaller(layer->chunk_count, line_work / TASK_WORK));
    }
    plan.tasks = divide_up(plan.spans, plan.spans_per_task) * plan.span_parts * plan.chunk_parts;
    return plan;
}

int64_t spmm_task_count(const struct spmm_layer* layer, const struct spmm_run* run) {
    return make_plan(layer, run).tasks;
}

/* Offset in an image's input plane of output pixel p. */
static int64_t input_pixel(const struct spmm_run* run, int64_t p) {
    int64_t offset = 0, scale = 1;
    for (int axis = 2; axis >= 0; axis--) {
        int64_t index = p % run->output_size[axis];
        p /= run->output_size[axis];
        offset += index * run->stride[axis] * scale;
        scale *= run->input_size[axis];
    }
    return offset;
}

static void locate_pixels(const struct spmm_layer* layer, const struct spmm_run* run,
                          const struct plan* plan, struct pixels* pixels) {
    for (int64_t i = 0; i < pixels->count; i++) {
        int64_t image = (pixels->first + i) / plan->plane, p = (pixels->first + i) % plan->plane;
        pixels->source[i] = image * layer->columns * plan->input_plane + input_pixel(run, p);
        pixels->destination[i] = image * layer->rows * plan->plane + p;
    }
}

/* As the kernels' fill, pixel by pixel. */
static void gather_panel(char* panel, int64_t panel_stride, const float* x, int64_t x_stride,
                         int64_t channels, const struct pixels* pixels) {
    size_t rest = (size_t)panel_stride - (size_t)pixels->count * sizeof(float);
    for (int64_t k = 0; k < channels; k++, x += x_stride, panel += panel_stride) {
        float* row = (float*)panel;
        for (int64_t i = 0; i < pixels->count; i++) row[i] = x[pixels->source[i]];
        memset(row + pixels->count, 0, rest);
    }
}

static void gather_rows(float* staging, int64_t stride, const float* from, int64_t from_stride,
                        int64_t rows, const struct pixels* pixels) {
    for (int64_t r = 0; r < rows; r++, staging += stride, from += from_stride) {
        for (int64_t i = 0; i < pixels->count; i++) staging[i] = from[pixels->destination[i]];
    }
}

static void scatter_rows(float* to, int64_t to_stride, const float* staging, int64_t stride,
                         int64_t rows, const struct pixels* pixels) {
    for (int64_t r = 0; r < rows; r++, staging += stride, to += to_stride) {
        for (int64_t i = 0; i < pixels->count; i++) to[pixels->destination[i]] = staging[i];
    }
}

/* Scratch of a thread, within half of any L2. */
static _Thread_local _Alignas(64) float thread_panel[SPMM_PANEL_FLOATS];
static _Thread_local _Alignas(64) float thread_staging[SPMM_STAGING_FLOATS];

static void run_part(const struct spmm_layer* layer, int64_t chunk, int64_t block,
                     struct spmm_tile* tile, int vectors) {
    const struct spmm_part* part = &layer->parts[chunk * layer->block_count + block];
    int64_t per_group = SPMM_GROUP_ROWS / layer->block_rows;
    int64_t first_row = layer->chunks[chunk].first_row;
    tile->values = layer->values + part->first_step * SPMM_GROUP_ROWS;
    tile->offsets = layer->offsets + part->first_step * per_group;
    tile->group_steps = layer->group_steps + part->first_group;
    tile->group_rows = layer->group_rows + part->first_group * per_group;
    tile->groups = part->groups;
    tile->first = block == 0;
    tile->last = block == layer->block_count - 1;
    tile->activation = layer->activation;
    tile->minimum = layer->minimum;
    tile->maximum = layer->maximum;
    tile->alpha = layer->alpha;
    tile->bias = layer->bias + first_row;
    tile->slope = layer->slope != NULL ? layer->slope + first_row : NULL;
    layer->kernels[vectors - 1](tile);
}

/* Computes rows of chunks [chunk, chunk_end) for one tile of the plane of image `image`. */
static void run_tile(const struct spmm_layer* layer, const struct spmm_run* run,
                     const struct plan* plan, int64_t image, struct pixels* pixels, int64_t chunk,
                     int64_t chunk_end) {
    int64_t lanes = layer->isa->lanes, stride = spmm_panel_stride(layer);
    int vectors = (int)divide_up(pixels->count, lanes);
    int tail = (int)(pixels->count - (vectors - 1) * lanes);
    char* panel = (char*)thread_panel;
    memset(panel, 0, (size_t)stride);

    const float* x = run->x + image * layer->columns * plan->input_plane;
    int64_t image_y = image * layer->rows * plan->plane + pixels->first;
    int contiguous = !plan->flat && !plan->strided;
    if (!contiguous) locate_pixels(layer, run, plan, pixels);

    struct spmm_tile tile = {.panel = panel, .tail = tail, .y_stride = plan->plane};
    for (int64_t b = 0; b < layer->block_count; b++) {
        int64_t k = b * layer->block_columns;
        int64_t channels = smaller(layer->block_columns, layer->columns - k);
        const float* source = x + k * plan->input_plane;
        if (contiguous) {
            layer->isa->fill(panel + stride, stride, source + pixels->first, plan->input_plane,
                             channels, vectors, tail);
        } else {
            gather_panel(panel + stride, stride, source, plan->input_plane, channels, pixels);
        }
        for (int64_t c = chunk; c < chunk_end; c++) {
            const struct spmm_chunk* rows = &layer->chunks[c];
            int64_t row_y = rows->first_row * plan->plane;
            if (plan->flat) {
                int64_t staging_stride = vectors * lanes;
                tile.y = thread_staging;
                tile.y_stride = staging_stride;
                tile.tail = (int)lanes;
                tile.residual = run->residual != NULL ? thread_staging : NULL;
                if (b == 0 && run->residual != NULL) {
                    gather_rows(thread_staging, staging_stride, run->residual + row_y, plan->plane,
                                rows->rows, pixels);
                }
                run_part(layer, c, b, &tile, vectors);
                if (tile.last) {
                    scatter_rows(run->y + row_y, plan->plane, thread_staging, staging_stride,
                                 rows->rows, pixels);
                }
            } else {
                tile.y = run->y + image_y + row_y;
                tile.residual = run->residual != NULL ? run->residual + image_y + row_y : NULL;
                run_part(layer, c, b, &tile, vectors);
            }
        }
    }
}

/* Computes pixels [begin, end) of span `span`, in tiles of nearly equal width. */
static void run_pixels(const struct spmm_layer* layer, const struct spmm_run* run,
                       const struct plan* plan, int64_t span, int64_t begin, int64_t end,
                       int64_t chunk, int64_t chunk_end) {
    int64_t lanes = layer->isa->lanes;
    int64_t vectors = divide_up(end - begin, lanes);
    int64_t tiles = divide_up(vectors, layer->vectors);
    /* The staging area of flat spans holds one chunk. */
    int64_t chunks_at_once = plan->flat ? 1 : chunk_end - chunk;
    for (int64_t t = 0; t < tiles; t++) {
        struct pixels pixels;
        pixels.first = begin + t * vectors / tiles * lanes;
        pixels.count = smaller(end, begin + (t + 1) * vectors / tiles * lanes) - pixels.first;
        for (int64_t c = chunk; c < chunk_end; c += chunks_at_once) {
            run_tile(layer, run, plan, span, &pixels, c, c + chunks_at_once);
        }
    }
}

void spmm_run_task(const struct spmm_layer* layer, const struct spmm_run* run, int64_t task) {
    struct plan plan = make_plan(layer, run);
    int64_t chunk_part = task % plan.chunk_parts;
    task /= plan.chunk_parts;
    int64_t part = task % plan.span_parts;
    int64_t span = task / plan.span_parts * plan.spans_per_task;
    int64_t last_span = smaller(plan.spans, span + plan.spans_per_task);

    int64_t chunk = chunk_part * layer->chunk_count / plan.chunk_parts;
    int64_t chunk_end = (chunk_part + 1) * layer->chunk_count / plan.chunk_parts;
    int64_t lines = divide_up(plan.span_pixels, SPMM_LINE_FLOATS);
    int64_t begin = part * lines / plan.span_parts * SPMM_LINE_FLOATS;
    int64_t end = (part + 1) * lines / plan.span_parts * SPMM_LINE_FLOATS;
    for (; span < last_span; span++) {
        run_pixels(layer, run, &plan, span, begin, smaller(end, plan.span_pixels), chunk,
                   chunk_end);
    }
}
