/* Planes of one pixel: squeeze-excite and fully connected layers. */
#include "spmm/layer.h"

int spmm_is_one_pixel(const struct spmm_plan* plan) {
    return plan->plane == 1 && plan->input_plane == 1 && plan->shape.batch == 1 &&
           spmm_chunk_rows(plan->layer) <= plan->layer->staging_floats;
}

int spmm_has_adjacent_channels(const struct spmm_operands* operands) {
    return operands->x.channel_stride == 1 && operands->y.channel_stride == 1 &&
           (operands->residual.pixels == NULL || operands->residual.channel_stride == 1);
}

void spmm_run_one_pixel(const struct spmm_plan* plan, const struct spmm_operands* operands,
                        const struct spmm_piece* piece, float* scratch) {
    const struct spmm_layer* layer = plan->layer;
    float* sums = scratch + SPMM_PANEL_FLOATS;
    struct spmm_call call = {.panel_stride = 1, .y_stride = 1, .residual_stride = 1};
    for (int64_t c = piece->chunk; c < piece->chunk_end; c++) {
        const struct spmm_chunk* chunk = &layer->chunks[c];
        call.y = sums;
        for (int64_t s = 0; s < layer->slab_count; s++) {
            call.panel = operands->x.pixels + s * layer->slab_columns;
            spmm_select_section(layer, c, s, &call);
            layer->one_pixel(&call);
        }
        call.y = operands->y.pixels + chunk->first_row;
        call.residual = NULL;
        if (operands->residual.pixels != NULL) {
            call.residual = operands->residual.pixels + chunk->first_row;
        }
        layer->finish(&call, sums, chunk->rows);
    }
}
