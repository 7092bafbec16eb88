/* One strip of pixels, a tile or several: from X to a panel, through the microkernels, to Y. */
#include "spmm_plan.h"

/* Pixels of a strip that lie `step` floats apart in X, and next to each other in the strip and in
 * Y; they belong to one image. */
struct pixel_run {
    int64_t x, y; /* offsets of the first one in X and Y, from channel 0 and row 0 */
    int64_t step, count;
};

struct strip_pixels {
    int64_t count;
    int64_t run_count;
    struct pixel_run runs[SPMM_STRIP_PIXELS];
};

/* Offset of output pixel p in an image's input plane. */
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

/* Splits the `count` pixels of a span from pixel `first` on into runs, which end where an image's
 * range ends and, if strided, where a row of pixels does. */
static void find_runs(const struct spmm_layer* layer, const struct spmm_run* run,
                      const struct spmm_plan* plan, const struct spmm_region* region, int64_t span,
                      int64_t first, int64_t count, struct strip_pixels* pixels) {
    int64_t position = span * region->span_pixels + first;
    pixels->count = count;
    pixels->run_count = 0;
    for (int64_t i = 0; i < count;) {
        int64_t image = (position + i) / region->pixels, within = (position + i) % region->pixels;
        int64_t p = region->first + within, left = region->pixels - within;
        if (plan->strided) {
            int64_t row = run->output_size[2];
            left = spmm_smaller(left, row - p % row);
        }
        struct pixel_run* found = &pixels->runs[pixels->run_count++];
        found->x = image * layer->columns * plan->input_plane + input_pixel(run, p);
        found->y = image * layer->rows * plan->plane + p;
        found->step = run->stride[2];
        found->count = spmm_smaller(left, count - i);
        i += found->count;
    }
}

/* Copies K-block `block` of the strip's pixels to a panel. */
static void fill_panel(const struct spmm_layer* layer, const struct spmm_run* run,
                       const struct spmm_plan* plan, const struct strip_pixels* pixels,
                       int64_t block, float* panel, int64_t stride) {
    int64_t first = block * layer->block_columns, x_stride = plan->input_plane;
    int64_t channels = spmm_smaller(layer->block_columns, layer->columns - first);
    for (int64_t i = 0; i < pixels->run_count; i++) {
        const struct pixel_run* from = &pixels->runs[i];
        const float* x = run->x + from->x + first * x_stride;
        if (from->step == 1) {
            layer->isa->copy(panel, stride, x, x_stride, channels, from->count,
                             pixels->run_count == 1);
        } else {
            layer->isa->copy_every(panel, stride, x, x_stride, channels, from->count, from->step);
        }
        panel += from->count;
    }
}

/* Copies the chunk's rows of the strip's pixels from an array like Y to the staging area. */
static void gather_rows(const struct spmm_layer* layer, const struct spmm_plan* plan,
                        const struct strip_pixels* pixels, const struct spmm_chunk* chunk,
                        const float* y, float* staging, int64_t stride) {
    for (int64_t i = 0; i < pixels->run_count; staging += pixels->runs[i++].count) {
        const float* from = y + pixels->runs[i].y + chunk->first_row * plan->plane;
        layer->isa->copy(staging, stride, from, plan->plane, chunk->rows, pixels->runs[i].count, 0);
    }
}

static void scatter_rows(const struct spmm_layer* layer, const struct spmm_plan* plan,
                         const struct strip_pixels* pixels, const struct spmm_chunk* chunk,
                         float* y, const float* staging, int64_t stride) {
    for (int64_t i = 0; i < pixels->run_count; staging += pixels->runs[i++].count) {
        float* to = y + pixels->runs[i].y + chunk->first_row * plan->plane;
        layer->isa->copy(to, plan->plane, staging, stride, chunk->rows, pixels->runs[i].count, 0);
    }
}

/* Scratch of a thread. */
static _Thread_local _Alignas(64) float thread_panel[SPMM_PANEL_FLOATS];
static _Thread_local _Alignas(64) float thread_staging[SPMM_STAGING_FLOATS];

float* spmm_staging(void) { return thread_staging; }

/* Runs a kernel over `count` tiles of `width` vectors that start `first` vectors into a strip.
 * `strip` describes it as if it were one tile. */
static void run_tiles(const struct spmm_layer* layer, const struct spmm_tile* strip, int64_t first,
                      int64_t count, int64_t width, int tail) {
    struct spmm_tile tile = *strip;
    int64_t shift = first * layer->isa->lanes;
    tile.tiles = count;
    tile.tail = tail;
    tile.panel += shift;
    tile.y += shift;
    if (tile.residual != NULL) tile.residual += shift;
    layer->kernels[width - 1](&tile);
}

/* Runs the kernels over a strip, in tiles of nearly equal width: first the wider ones. */
static void run_strip(const struct spmm_layer* layer, const struct spmm_tile* strip,
                      int64_t vectors) {
    int64_t tiles = spmm_divide_up(vectors, layer->vectors);
    int64_t width = vectors / tiles, wider = vectors % tiles;
    if (wider > 0) run_tiles(layer, strip, 0, wider, width + 1, layer->isa->lanes);
    run_tiles(layer, strip, wider * (width + 1), tiles - wider, width, strip->tail);
}

void spmm_select_part(const struct spmm_layer* layer, int64_t chunk, int64_t block,
                      struct spmm_tile* tile) {
    const struct spmm_part* part = &layer->parts[chunk * layer->block_count + block];
    int64_t per_group = SPMM_GROUP_ROWS / layer->block_rows;
    int64_t first_row = layer->chunks[chunk].first_row, first_step = part->first_step;
    tile->values = layer->values + first_step * SPMM_GROUP_ROWS;
    tile->channels = layer->channels + first_step * per_group;
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
}

/* Computes the rows of chunks [chunk, chunk_end) of one strip. */
static void run_rows(const struct spmm_layer* layer, const struct spmm_run* run,
                     const struct spmm_plan* plan, const struct spmm_region* region,
                     const struct strip_pixels* pixels, int64_t chunk, int64_t chunk_end) {
    int64_t lanes = layer->isa->lanes;
    int64_t vectors = spmm_divide_up(pixels->count, lanes);
    int64_t stride = vectors * lanes; /* of the panel and the staging area */
    struct spmm_tile tile = {
        .panel = thread_panel, .panel_stride = stride, .prefetch = plan->prefetch};
    tile.y_stride = region->flat ? stride : plan->plane;
    tile.tail = region->flat ? (int)lanes : (int)(pixels->count - (vectors - 1) * lanes);
    for (int64_t b = 0; b < layer->block_count; b++) {
        if (region->direct) {
            tile.panel = run->x + pixels->runs[0].x + b * layer->block_columns * plan->input_plane;
            tile.panel_stride = plan->input_plane;
        } else {
            fill_panel(layer, run, plan, pixels, b, thread_panel, stride);
        }
        for (int64_t c = chunk; c < chunk_end; c++) {
            const struct spmm_chunk* rows = &layer->chunks[c];
            int64_t start = pixels->runs[0].y + rows->first_row * plan->plane;
            tile.y = region->flat ? thread_staging : run->y + start;
            tile.residual = NULL;
            if (run->residual != NULL) {
                tile.residual = region->flat ? thread_staging : run->residual + start;
            }
            if (region->flat && b == 0 && run->residual != NULL) {
                gather_rows(layer, plan, pixels, rows, run->residual, thread_staging, stride);
            }
            spmm_select_part(layer, c, b, &tile);
            run_strip(layer, &tile, vectors);
            if (region->flat && tile.last) {
                scatter_rows(layer, plan, pixels, rows, run->y, thread_staging, stride);
            }
        }
    }
}

void spmm_run_piece(const struct spmm_layer* layer, const struct spmm_run* run,
                    const struct spmm_plan* plan, const struct spmm_region* region,
                    const struct spmm_piece* piece) {
    int64_t lanes = layer->isa->lanes;
    int64_t vectors = spmm_divide_up(piece->end - piece->first, lanes);
    int64_t strips = spmm_divide_up(vectors, region->strip);
    /* The staging area of flat spans holds one chunk. */
    int64_t chunks_at_once = region->flat ? 1 : piece->chunk_end - piece->chunk;
    for (int64_t s = 0; s < strips; s++) { /* of nearly equal width */
        int64_t first = piece->first + s * vectors / strips * lanes;
        int64_t end = spmm_smaller(piece->end, piece->first + (s + 1) * vectors / strips * lanes);
        struct strip_pixels pixels;
        find_runs(layer, run, plan, region, piece->span, first, end - first, &pixels);
        for (int64_t c = piece->chunk; c < piece->chunk_end; c += chunks_at_once) {
            run_rows(layer, run, plan, region, &pixels, c, c + chunks_at_once);
        }
    }
}
