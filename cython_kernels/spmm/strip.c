/* One strip of pixels, a tile or several: from X to a panel, through the microkernels, to Y. */
#include "base/memory.h"
#include "spmm/layer.h"

/* Pixels of a strip that lie `step` floats apart in X, and next to each other in the strip and in
 * Y; they belong to one image. */
struct stretch {
    int64_t image;
    int64_t input_pixel, pixel; /* the first one's, in the image's planes of X and Y */
    int64_t step, count;
};

struct strip {
    int64_t count; /* pixels */
    int64_t stretch_count;
    struct stretch stretches[SPMM_STRIP_PIXELS];
};

/* What the functions below share. */
struct piece_run {
    const struct spmm_layer* layer;
    const struct spmm_plan* plan;
    const struct spmm_zone* zone;
    const struct spmm_operands* operands;
    int direct;
    float *panel, *staging; /* scratch */
};

/* The first pixel of a stretch in a plane, of row (or channel) `channel`. */
static float* pixel_at(const struct view* view, int64_t image, int64_t channel, int64_t pixel) {
    return view->pixels + image * view->image_stride + channel * view->channel_stride + pixel;
}

/* Whether every plane starts at a cache line. */
static int is_aligned(const struct view* view) {
    return (uintptr_t)view->pixels % MEMORY_ALIGNMENT == 0 &&
           view->channel_stride % CACHE_LINE_FLOATS == 0 &&
           view->image_stride % CACHE_LINE_FLOATS == 0;
}

/* Number of output pixel p's source in an image's input plane. */
static int64_t input_pixel(const struct spmm_shape* shape, int64_t p) {
    int64_t pixel = 0, scale = 1;
    for (int axis = SPMM_AXES - 1; axis >= 0; axis--) {
        int64_t index = p % shape->output_size[axis];
        p /= shape->output_size[axis];
        pixel += index * shape->stride[axis] * scale;
        scale *= shape->input_size[axis];
    }
    return pixel;
}

/* Splits the `count` pixels of a span from pixel `first` on into stretches, which end where an
 * image's range ends and, if strided, where a scanline does. */
static void find_stretches(const struct piece_run* run, int64_t span, int64_t first, int64_t count,
                           struct strip* strip) {
    const struct spmm_zone* zone = run->zone;
    const struct spmm_shape* shape = &run->plan->shape;
    int64_t position = span * zone->span_pixels + first;
    strip->count = count;
    strip->stretch_count = 0;
    for (int64_t i = 0; i < count;) {
        int64_t image = (position + i) / zone->pixels, within = (position + i) % zone->pixels;
        int64_t p = zone->first + within, left = zone->pixels - within;
        if (run->plan->strided) {
            int64_t scanline = shape->output_size[SPMM_AXES - 1];
            left = smaller(left, scanline - p % scanline);
        }
        struct stretch* found = &strip->stretches[strip->stretch_count++];
        found->image = image;
        found->input_pixel = input_pixel(shape, p);
        found->pixel = p;
        found->step = shape->stride[SPMM_AXES - 1];
        found->count = smaller(left, count - i);
        i += found->count;
    }
}

/* Copies a slab of the strip's pixels to the panel. */
static void fill_panel(const struct piece_run* run, const struct strip* strip, int64_t slab,
                       int64_t stride) {
    const struct spmm_layer* layer = run->layer;
    const struct view* x = &run->operands->x;
    int64_t first = slab * layer->slab_columns;
    int64_t channels = smaller(layer->slab_columns, layer->columns - first);
    float* panel = run->panel;
    for (int64_t i = 0; i < strip->stretch_count; i++) {
        const struct stretch* from = &strip->stretches[i];
        const float* pixels = pixel_at(x, from->image, first, from->input_pixel);
        if (from->step == 1) {
            layer->copy(panel, stride, pixels, x->channel_stride, channels, from->count,
                        strip->stretch_count == 1);
        } else {
            layer->copy_every(panel, stride, pixels, x->channel_stride, channels, from->count,
                              from->step);
        }
        panel += from->count;
    }
}

/* Copies the chunk's rows of the strip's pixels to the staging area, and from it. */
static void gather_rows(const struct piece_run* run, const struct strip* strip,
                        const struct spmm_chunk* chunk, const struct view* view, int64_t stride) {
    float* staging = run->staging;
    for (int64_t i = 0; i < strip->stretch_count; staging += strip->stretches[i++].count) {
        const struct stretch* at = &strip->stretches[i];
        const float* from = pixel_at(view, at->image, chunk->first_row, at->pixel);
        run->layer->copy(staging, stride, from, view->channel_stride, chunk->rows, at->count, 0);
    }
}

static void scatter_rows(const struct piece_run* run, const struct strip* strip,
                         const struct spmm_chunk* chunk, const struct view* view, int64_t stride) {
    const float* staging = run->staging;
    for (int64_t i = 0; i < strip->stretch_count; staging += strip->stretches[i++].count) {
        const struct stretch* at = &strip->stretches[i];
        float* to = pixel_at(view, at->image, chunk->first_row, at->pixel);
        run->layer->copy(to, view->channel_stride, staging, stride, chunk->rows, at->count, 0);
    }
}

/* Runs a kernel over `count` tiles of `width` vectors that start `first` vectors into a strip.
 * `whole` describes the strip as if it were one tile. */
static void run_tiles(const struct spmm_layer* layer, const struct spmm_call* whole, int64_t first,
                      int64_t count, int64_t width, int tail) {
    struct spmm_call call = *whole;
    int64_t shift = first * layer->lanes;
    call.tiles = count;
    call.tail = tail;
    call.panel += shift;
    call.y += shift;
    if (call.residual != NULL) call.residual += shift;
    layer->kernels[width - 1](&call);
}

void spmm_run_tiles(const struct spmm_layer* layer, const struct spmm_call* whole,
                    int64_t vectors) {
    int64_t tiles = divide_up(vectors, layer->vectors);
    int64_t width = vectors / tiles, wider = vectors % tiles;
    if (wider > 0) run_tiles(layer, whole, 0, wider, width + 1, layer->lanes);
    run_tiles(layer, whole, wider * (width + 1), tiles - wider, width, whole->tail);
}

void spmm_select_section(const struct spmm_layer* layer, int64_t chunk, int64_t slab,
                         struct spmm_call* call) {
    const struct spmm_section* section = &layer->sections[chunk * layer->slab_count + slab];
    int64_t per_group = SPMM_GROUP_ROWS / layer->block_rows, first_step = section->first_step;
    call->values = layer->values + first_step * SPMM_GROUP_ROWS;
    call->channels = layer->channels + first_step * per_group;
    call->group_steps = layer->group_steps + section->first_group;
    call->group_rows = layer->group_rows + section->first_group * per_group;
    call->groups = section->groups;
    call->first = slab == 0;
    call->last = slab == layer->slab_count - 1;
    call->epilogue = epilogue_from_row(&layer->epilogue, layer->chunks[chunk].first_row);
}

/* Points a call to the chunk's rows of Y and of the residual, or to the staging area. */
static void select_rows(const struct piece_run* run, const struct strip* strip,
                        const struct spmm_chunk* chunk, int64_t stride, struct spmm_call* call) {
    const struct view *y = &run->operands->y, *residual = &run->operands->residual;
    const struct stretch* at = &strip->stretches[0];
    call->y = run->staging;
    call->y_stride = stride;
    call->residual = residual->pixels != NULL ? run->staging : NULL;
    call->residual_stride = stride;
    if (run->zone->joined) return;
    call->y = pixel_at(y, at->image, chunk->first_row, at->pixel);
    call->y_stride = y->channel_stride;
    if (residual->pixels == NULL) return;
    call->residual = pixel_at(residual, at->image, chunk->first_row, at->pixel);
    call->residual_stride = residual->channel_stride;
}

/* Computes the rows of chunks [chunk, chunk_end) of one strip. */
static void run_rows(const struct piece_run* run, const struct strip* strip, int64_t chunk,
                     int64_t chunk_end) {
    const struct spmm_layer* layer = run->layer;
    const struct spmm_operands* operands = run->operands;
    const int64_t lanes = layer->lanes;
    const int64_t vectors = divide_up(strip->count, lanes);
    const int64_t stride = vectors * lanes; /* of the panel and the staging area */
    const int joined = run->zone->joined;
    struct spmm_call call = {
        .panel = run->panel, .panel_stride = stride, .prefetch = run->plan->prefetch};
    call.tail = joined ? (int)lanes : (int)(strip->count - (vectors - 1) * lanes);
    for (int64_t s = 0; s < layer->slab_count; s++) {
        if (run->direct) {
            call.panel = pixel_at(&operands->x, strip->stretches[0].image, s * layer->slab_columns,
                                  strip->stretches[0].input_pixel);
            call.panel_stride = operands->x.channel_stride;
        } else {
            fill_panel(run, strip, s, stride);
        }
        for (int64_t c = chunk; c < chunk_end; c++) {
            const struct spmm_chunk* rows = &layer->chunks[c];
            select_rows(run, strip, rows, stride, &call);
            spmm_select_section(layer, c, s, &call);
            if (joined && call.first && call.residual != NULL) {
                gather_rows(run, strip, rows, &operands->residual, stride);
            }
            spmm_run_tiles(layer, &call, vectors);
            if (joined && call.last) scatter_rows(run, strip, rows, &operands->y, stride);
        }
    }
}

void spmm_run_piece(const struct spmm_plan* plan, const struct spmm_zone* zone,
                    const struct spmm_operands* operands, const struct spmm_piece* piece,
                    float* scratch) {
    const struct piece_run run = {
        .layer = plan->layer,
        .plan = plan,
        .zone = zone,
        .operands = operands,
        .direct = zone->direct && is_aligned(&operands->x),
        .panel = scratch,
        .staging = scratch + SPMM_PANEL_FLOATS,
    };
    int64_t lanes = plan->layer->lanes;
    int64_t vectors = divide_up(piece->end - piece->first, lanes);
    int64_t strips = divide_up(vectors, zone->strip);
    /* The staging area holds one chunk. */
    int64_t chunks_at_once = zone->joined ? 1 : piece->chunk_end - piece->chunk;
    for (int64_t s = 0; s < strips; s++) { /* of nearly equal width */
        int64_t first = piece->first + s * vectors / strips * lanes;
        int64_t end = smaller(piece->end, piece->first + (s + 1) * vectors / strips * lanes);
        struct strip strip;
        find_stretches(&run, piece->span, first, end - first, &strip);
        for (int64_t c = piece->chunk; c < piece->chunk_end; c += chunks_at_once) {
            run_rows(&run, &strip, c, c + chunks_at_once);
        }
    }
}
