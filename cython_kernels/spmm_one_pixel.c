/* Planes of one pixel: squeeze-excite and fully connected layers. */
#include "spmm_plan.h"

int spmm_is_one_pixel(const struct spmm_layer* layer, const struct spmm_run* run,
                      const struct spmm_plan* plan) {
    return plan->plane == 1 && plan->input_plane == 1 && run->batch == 1 &&
           spmm_chunk_rows(layer) <= layer->staging_floats;
}

void spmm_run_one_pixel(const struct spmm_layer* layer, const struct spmm_run* run,
                        const struct spmm_piece* piece) {
    float* sums = spmm_staging();
    struct spmm_tile tile = {.panel_stride = 1, .y_stride = 1};
    for (int64_t c = piece->chunk; c < piece->chunk_end; c++) {
        const struct spmm_chunk* rows = &layer->chunks[c];
        tile.y = sums;
        for (int64_t b = 0; b < layer->block_count; b++) {
            tile.panel = run->x + b * layer->block_columns;
            spmm_select_part(layer, c, b, &tile);
            layer->isa->one_pixel(&tile, layer->block_rows);
        }
        tile.y = run->y + rows->first_row;
        tile.residual = run->residual != NULL ? run->residual + rows->first_row : NULL;
        layer->isa->finish_rows(&tile, sums, rows->rows);
    }
}
