/* Strips whose panel somebody else fills: slab by slab, straight from what computes it. */
#include "spmm/layer.h"

static int64_t panel_stride(const struct spmm_layer* layer, int64_t pixels) {
    return divide_up(pixels, layer->lanes) * layer->lanes;
}

int64_t spmm_strip_floats(const struct spmm_layer* layer, int64_t pixels) {
    return layer->slab_columns * panel_stride(layer, pixels);
}

void spmm_run_strip(const struct spmm_layer* layer, const struct spmm_strip* strip,
                    float* scratch) {
    const int64_t stride = panel_stride(layer, strip->pixels), vectors = stride / layer->lanes;
    struct spmm_call call = {
        .panel = scratch,
        .panel_stride = stride,
        .y_stride = strip->y_stride,
        .residual_stride = strip->residual_stride,
        .prefetch = strip->prefetch,
        .tail = (int)(strip->pixels - (vectors - 1) * layer->lanes),
    };
    for (int64_t s = 0; s < layer->slab_count; s++) {
        const int64_t first = s * layer->slab_columns;
        strip->fill(strip->data, first, smaller(layer->slab_columns, layer->columns - first),
                    scratch, stride);
        for (int64_t c = 0; c < layer->chunk_count; c++) {
            const int64_t row = layer->chunks[c].first_row;
            call.y = strip->y + row * strip->y_stride;
            if (strip->residual != NULL) {
                call.residual = strip->residual + row * strip->residual_stride;
            }
            spmm_select_section(layer, c, s, &call);
            spmm_run_tiles(layer, &call, vectors);
        }
    }
}
