/* Creation and destruction of layers, and the tiling chosen for them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "spmm_internal.h"
#include "spmm_isa.h"

void* spmm_allocate(int64_t count, size_t size) {
    const size_t alignment = 64;
    if (count < 0 || (uint64_t)count > (SIZE_MAX - alignment) / size) return NULL;
    /* aligned_alloc wants a multiple of the alignment, and NULL shall mean failure. */
    size_t bytes = ((size_t)count * size + alignment) / alignment * alignment;
    return aligned_alloc(alignment, bytes);
}

void spmm_free(void* memory) { free(memory); }

static float* copy_rows(const float* values, int64_t rows) {
    float* copy = spmm_allocate(rows, sizeof *copy);
    if (copy == NULL) return NULL;
    for (int64_t r = 0; r < rows; r++) copy[r] = values != NULL ? values[r] : 0.0f;
    return copy;
}

static int copy_epilogue(struct spmm_layer* layer, const struct spmm_epilogue* epilogue) {
    int clip = epilogue->activation == SPMM_CLIP;
    layer->activation = epilogue->activation;
    layer->minimum = clip ? epilogue->minimum : -INFINITY;
    layer->maximum = clip ? epilogue->maximum : INFINITY;
    layer->alpha = epilogue->alpha;
    layer->bias = copy_rows(epilogue->bias, layer->rows);
    if (epilogue->activation == SPMM_PRELU) {
        layer->slope = copy_rows(epilogue->slope, layer->rows);
        if (layer->slope == NULL) return 0;
    }
    return layer->bias != NULL;
}

/* Chooses K-blocks, pixel tile and chunks. The panel holds a zero row and one K-block. */
static void choose_tiling(struct spmm_layer* layer, int widest, int64_t pixels) {
    (void)pixels;
    layer->vectors = widest;
    int64_t most = SPMM_PANEL_FLOATS / (layer->vectors * layer->isa->lanes) - 1;
    layer->block_count = (layer->columns + most - 1) / most;
    layer->block_columns = (layer->columns + layer->block_count - 1) / layer->block_count;
    int64_t rows = SPMM_STAGING_FLOATS / (layer->vectors * layer->isa->lanes);
    layer->chunk_count = (layer->rows + rows - 1) / rows;
}

static int64_t packed_block_rows(int64_t block_rows) {
    return block_rows % 4 == 0 ? 4 : block_rows % 2 == 0 ? 2 : 1;
}

struct spmm_layer* spmm_layer_create(const struct spmm_matrix* matrix,
                                     const struct spmm_epilogue* epilogue, int64_t pixels,
                                     const char* isa_name) {
    const struct spmm_isa* isa = spmm_find_isa(isa_name);
    if (isa == NULL) return NULL;
    struct spmm_layer* layer = calloc(1, sizeof *layer);
    if (layer == NULL) return NULL;
    layer->rows = matrix->rows;
    layer->columns = matrix->columns;
    layer->block_rows = packed_block_rows(matrix->block_rows);
    layer->nonzeros =
        (int64_t)matrix->indptr[matrix->rows / matrix->block_rows] * matrix->block_rows;
    layer->isa = isa;
    int widest;
    layer->kernels = spmm_find_kernels(isa, layer->block_rows, &widest);
    choose_tiling(layer, widest, pixels);
    if (!copy_epilogue(layer, epilogue) || !spmm_pack(layer, matrix)) {
        spmm_layer_destroy(layer);
        return NULL;
    }
    return layer;
}

void spmm_layer_destroy(struct spmm_layer* layer) {
    if (layer == NULL) return;
    void* const arrays[] = {layer->chunks,      layer->parts,      layer->values, layer->offsets,
                            layer->group_steps, layer->group_rows, layer->bias,   layer->slope};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) spmm_free(arrays[i]);
    free(layer);
}

const char* spmm_layer_isa(const struct spmm_layer* layer) { return layer->isa->name; }

size_t spmm_layer_packed_bytes(const struct spmm_layer* layer) {
    int64_t per_group = SPMM_GROUP_ROWS / layer->block_rows;
    size_t step =
        SPMM_GROUP_ROWS * sizeof *layer->values + (size_t)per_group * sizeof *layer->offsets;
    size_t group = sizeof *layer->group_steps + (size_t)per_group * sizeof *layer->group_rows;
    return (size_t)layer->step_count * step + (size_t)layer->group_count * group +
           (size_t)layer->chunk_count * sizeof *layer->chunks +
           (size_t)(layer->chunk_count * layer->block_count) * sizeof *layer->parts;
}
