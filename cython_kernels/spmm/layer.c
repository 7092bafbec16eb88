/* Creation and destruction of layers. */
#include "spmm/layer.h"

#include <stdlib.h>

#include "base/memory.h"

static int packed_block_rows(int64_t block_rows) {
    return block_rows % 4 == 0 ? 4 : block_rows % 2 == 0 ? 2 : 1;
}

/* Returns the widest tile that there is. */
static int find_kernels(struct spmm_layer* layer) {
    const struct microkernel_set* set = microkernel_set_of(layer->isa);
    int widest = 0;
    for (int vectors = 1; vectors <= SPMM_MAX_VECTORS; vectors++) {
        const struct microkernel* entry =
            microkernel_find(set, MICROKERNEL_SPMM, layer->block_rows, vectors);
        if (entry == NULL) break;
        layer->kernels[vectors - 1] = entry->run.spmm;
        widest = vectors;
    }
    layer->lanes = set->lanes;
    layer->one_pixel =
        microkernel_find(set, MICROKERNEL_ONE_PIXEL, layer->block_rows, 0)->run.one_pixel;
    layer->finish = microkernel_find(set, MICROKERNEL_FINISH, 0, 0)->run.finish;
    layer->copy = microkernel_find(set, MICROKERNEL_COPY, 0, 0)->run.copy;
    layer->copy_every = microkernel_find(set, MICROKERNEL_COPY_EVERY, 0, 0)->run.copy_every;
    return widest;
}

struct spmm_layer* spmm_layer_create(const struct block_csr* matrix,
                                     const struct epilogue* epilogue,
                                     const struct spmm_options* options, struct status* status) {
    struct spmm_layer* layer = calloc(1, sizeof *layer);
    if (layer != NULL) {
        layer->rows = matrix->rows;
        layer->columns = matrix->columns;
        layer->block_rows = packed_block_rows(matrix->block_rows);
        layer->nonzeros =
            (int64_t)matrix->indptr[matrix->rows / matrix->block_rows] * matrix->block_rows;
        layer->isa = options->isa;
        const int vectors = options->vectors, widest = find_kernels(layer);
        if (vectors < 0 || vectors > widest) {
            status_fail(status, STATUS_INVALID,
                        "vectors: must be the tile of a microkernel for %s and this block height, "
                        "but is %d",
                        options->isa->name, vectors);
            spmm_layer_destroy(layer);
            return NULL;
        }
        const int64_t usual_pixels = 196;
        spmm_choose_tiling(layer, vectors > 0 ? vectors : 1, vectors > 0 ? vectors : widest,
                           options->pixels > 0 ? options->pixels : usual_pixels);
        if (epilogue_copy(&layer->epilogue, epilogue, layer->rows) && spmm_pack(layer, matrix)) {
            return layer;
        }
    }
    spmm_layer_destroy(layer);
    status_fail(status, STATUS_NO_MEMORY, "not enough memory to pack %lld x %lld weights",
                (long long)matrix->rows, (long long)matrix->columns);
    return NULL;
}

void spmm_layer_destroy(struct spmm_layer* layer) {
    if (layer == NULL) return;
    void* const arrays[] = {layer->chunks,   layer->sections,    layer->values,
                            layer->channels, layer->group_steps, layer->group_rows};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) memory_release(arrays[i]);
    epilogue_release(&layer->epilogue);
    free(layer);
}

const struct isa* spmm_layer_isa(const struct spmm_layer* layer) { return layer->isa; }

int64_t spmm_layer_rows(const struct spmm_layer* layer) { return layer->rows; }

int64_t spmm_layer_columns(const struct spmm_layer* layer) { return layer->columns; }

size_t spmm_layer_packed_bytes(const struct spmm_layer* layer) {
    int64_t per_group = SPMM_GROUP_ROWS / layer->block_rows;
    size_t step =
        SPMM_GROUP_ROWS * sizeof *layer->values + (size_t)per_group * sizeof *layer->channels;
    size_t group = sizeof *layer->group_steps + (size_t)per_group * sizeof *layer->group_rows;
    return (size_t)layer->step_count * step + (size_t)layer->group_count * group +
           (size_t)layer->chunk_count * sizeof *layer->chunks +
           (size_t)(layer->chunk_count * layer->slab_count) * sizeof *layer->sections;
}
