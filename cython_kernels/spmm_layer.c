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

/* Vectors of pixels whose panel of so many channels fits. */
static int64_t vectors_for(const struct spmm_layer* layer, int64_t channels, int64_t panel_bytes) {
    return panel_bytes / (channels * layer->isa->lanes * (int64_t)sizeof(float));
}

/* K-blocks that a pixel tile of `vectors` needs to fit the panel. */
static int64_t blocks_for(const struct spmm_layer* layer, int vectors, int64_t panel_bytes) {
    int64_t most = panel_bytes / (vectors * layer->isa->lanes * (int64_t)sizeof(float));
    return (layer->columns + most - 1) / most;
}

static int64_t tile_count(const struct spmm_layer* layer, int64_t pixels, int vectors) {
    int64_t tile = vectors * layer->isa->lanes;
    return (pixels + tile - 1) / tile;
}

/* Predicted cycles of a run over one image. A step of the inner loop costs something for each
 * vector and for each tile; a group, its start and its exit from the loop; a further K-block,
 * writing and reading the partial sums; Y and the panel, a store for each vector. Fitted to 370
 * measurements of 38 layers on Zen 5 (docs/PERFORMANCE.md), with a median error of 4 %. */
static double predicted_cycles(const struct spmm_layer* layer, int64_t pixels, int vectors,
                               int64_t blocks) {
    double total = (double)((pixels + layer->isa->lanes - 1) / layer->isa->lanes);
    double tiles = (double)tile_count(layer, pixels, vectors);
    double nonzeros = (double)layer->nonzeros, rows = (double)layer->rows;
    double groups = rows / SPMM_GROUP_ROWS, further_blocks = (double)(blocks - 1);
    return total * (0.5 * nonzeros + 0.7 * rows + 1.5 * (double)layer->columns) +
           tiles * (0.8 * nonzeros / (double)layer->block_rows + 11 * groups * (double)blocks) +
           total * 2.8 * rows * further_blocks;
}

/* Chooses the pixel tile, narrowest to widest, and the K-blocks: the cheapest ones, or, where that
 * costs little, ones that leave four tiles for threads to share. */
static void choose_tile(struct spmm_layer* layer, int narrowest, int widest, int64_t pixels) {
    const double bearable = 1.03;
    int64_t panel_bytes = spmm_panel_budget();
    double least = INFINITY;
    for (int vectors = narrowest; vectors <= widest; vectors++) {
        int64_t blocks = blocks_for(layer, vectors, panel_bytes);
        double cycles = predicted_cycles(layer, pixels, vectors, blocks);
        double limit = least;
        if (layer->vectors > 0 && tile_count(layer, pixels, layer->vectors) >= 4 &&
            tile_count(layer, pixels, vectors) < 4) {
            limit = least / bearable;
        }
        if (cycles >= limit) continue;
        least = cycles;
        layer->vectors = vectors;
        layer->block_count = blocks;
    }
    layer->block_columns = (layer->columns + layer->block_count - 1) / layer->block_count;
    int64_t most = vectors_for(layer, layer->block_columns, panel_bytes);
    if (most > SPMM_STRIP_PIXELS / layer->isa->lanes) most = SPMM_STRIP_PIXELS / layer->isa->lanes;
    layer->strip_vectors = most / layer->vectors * layer->vectors;
}

/* Chooses the chunks of rows, which let tasks share the pixels of a plane that has few tiles.
 * Each fills a panel of its own: that shall cost no more than 3 %, or, where there is one tile,
 * make at least two tasks. The number of chunks is a power of two, so that threads get equal
 * shares. */
static void choose_chunks(struct spmm_layer* layer, int64_t pixels) {
    int64_t lanes = layer->isa->lanes, tile = layer->vectors * lanes;
    int64_t tiles = tile_count(layer, pixels, layer->vectors);
    int64_t cheap = 1 + layer->nonzeros / (70 * layer->columns);
    int64_t worth = spmm_work(layer, pixels < tile ? pixels : tile) / SPMM_CHUNK_WORK;
    if (tiles == 1 && cheap < 2) cheap = 2;
    int64_t chunks = 1;
    while (chunks * tiles < 4 && 2 * chunks <= cheap && 2 * chunks <= worth) chunks *= 2;
    /* Few pixels of several images are computed together, through a staging area. */
    int64_t most_rows = (pixels % lanes != 0 && pixels < 256 ? layer->staging_floats / lanes
                                                             : SPMM_MOST_CHUNK_ROWS) -
                        SPMM_GROUP_ROWS;
    int64_t least = (layer->rows + most_rows - 1) / most_rows;
    layer->chunk_count = chunks > least ? chunks : least;
}

static int64_t packed_block_rows(int64_t block_rows) {
    return block_rows % 4 == 0 ? 4 : block_rows % 2 == 0 ? 2 : 1;
}

struct spmm_layer* spmm_layer_create(const struct spmm_matrix* matrix,
                                     const struct spmm_epilogue* epilogue, int64_t pixels,
                                     const char* isa_name, int vectors) {
    const struct spmm_isa* isa = spmm_find_isa(isa_name);
    if (isa == NULL) return NULL;
    const int64_t block_rows = packed_block_rows(matrix->block_rows);
    int widest;
    const spmm_kernel* kernels = spmm_find_kernels(isa, block_rows, &widest);
    if (vectors < 0 || vectors > widest) return NULL;
    struct spmm_layer* layer = calloc(1, sizeof *layer);
    if (layer == NULL) return NULL;
    layer->rows = matrix->rows;
    layer->columns = matrix->columns;
    layer->block_rows = block_rows;
    layer->nonzeros =
        (int64_t)matrix->indptr[matrix->rows / matrix->block_rows] * matrix->block_rows;
    layer->isa = isa;
    layer->kernels = kernels;
    const int64_t usual_pixels = 196;
    if (pixels <= 0) pixels = usual_pixels;
    layer->staging_floats = spmm_staging_budget() / (int64_t)sizeof(float);
    layer->l2_bytes = spmm_l2_bytes();
    choose_tile(layer, vectors > 0 ? vectors : 1, vectors > 0 ? vectors : widest, pixels);
    choose_chunks(layer, pixels);
    if (!copy_epilogue(layer, epilogue) || !spmm_pack(layer, matrix)) {
        spmm_layer_destroy(layer);
        return NULL;
    }
    return layer;
}

void spmm_layer_destroy(struct spmm_layer* layer) {
    if (layer == NULL) return;
    void* const arrays[] = {layer->chunks,      layer->parts,      layer->values, layer->channels,
                            layer->group_steps, layer->group_rows, layer->bias,   layer->slope};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) spmm_free(arrays[i]);
    free(layer);
}

const char* spmm_layer_isa(const struct spmm_layer* layer) { return layer->isa->name; }

size_t spmm_layer_packed_bytes(const struct spmm_layer* layer) {
    int64_t per_group = SPMM_GROUP_ROWS / layer->block_rows;
    size_t step =
        SPMM_GROUP_ROWS * sizeof *layer->values + (size_t)per_group * sizeof *layer->channels;
    size_t group = sizeof *layer->group_steps + (size_t)per_group * sizeof *layer->group_rows;
    return (size_t)layer->step_count * step + (size_t)layer->group_count * group +
           (size_t)layer->chunk_count * sizeof *layer->chunks +
           (size_t)(layer->chunk_count * layer->block_count) * sizeof *layer->parts;
}
