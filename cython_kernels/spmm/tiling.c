/* The tiling of a layer: tile, slabs and strips for this machine's caches, chunks for threads. */
#include <math.h>

#include "spmm/layer.h"

/* Bytes of panel that the L1 data cache holds. */
static int64_t panel_budget(void) {
    return clamp(cache_l1_bytes(), 12 << 10, SPMM_PANEL_FLOATS * (int64_t)sizeof(float));
}

/* Bytes of staging area that half the L2 cache holds beside the panel. */
static int64_t staging_budget(void) {
    return clamp(cache_l2_bytes() / 2 - panel_budget(), 4 << 10,
                 SPMM_STAGING_FLOATS * (int64_t)sizeof(float));
}

/* Vectors of pixels whose panel of so many channels fits. */
static int64_t vectors_for(const struct spmm_layer* layer, int64_t channels, int64_t panel_bytes) {
    return panel_bytes / (channels * layer->lanes * (int64_t)sizeof(float));
}

/* Slabs that a tile of `vectors` needs to fit the panel. */
static int64_t slabs_for(const struct spmm_layer* layer, int vectors, int64_t panel_bytes) {
    int64_t most = panel_bytes / (vectors * layer->lanes * (int64_t)sizeof(float));
    return divide_up(layer->columns, most);
}

static int64_t tile_count(const struct spmm_layer* layer, int64_t pixels, int vectors) {
    return divide_up(pixels, vectors * layer->lanes);
}

/* Predicted cycles of a run over one image. A step of the inner loop costs something for each
 * vector and for each tile; a group, its start and its exit from the loop; a further slab, writing
 * and reading the partial sums; Y and the panel, a store for each vector. Fitted to 370
 * measurements of 38 layers on Zen 5 (docs/PERFORMANCE.md), with a median error of 4 %. */
static double predicted_cycles(const struct spmm_layer* layer, int64_t pixels, int vectors,
                               int64_t slabs) {
    double total = (double)divide_up(pixels, layer->lanes);
    double tiles = (double)tile_count(layer, pixels, vectors);
    double nonzeros = (double)layer->nonzeros, rows = (double)layer->rows;
    double groups = rows / SPMM_GROUP_ROWS, further_slabs = (double)(slabs - 1);
    return total * (0.5 * nonzeros + 0.7 * rows + 1.5 * (double)layer->columns) +
           tiles * (0.8 * nonzeros / (double)layer->block_rows + 11 * groups * (double)slabs) +
           total * 2.8 * rows * further_slabs;
}

/* Chooses tile and slabs: the cheapest ones, or, where that costs little, ones that leave four
 * tiles for threads to share. */
static void choose_tile(struct spmm_layer* layer, int narrowest, int widest, int64_t pixels) {
    const double bearable = 1.03;
    const int64_t panel_bytes = panel_budget();
    double least = INFINITY;
    for (int vectors = narrowest; vectors <= widest; vectors++) {
        int64_t slabs = slabs_for(layer, vectors, panel_bytes);
        double cycles = predicted_cycles(layer, pixels, vectors, slabs);
        double limit = least;
        if (layer->vectors > 0 && tile_count(layer, pixels, layer->vectors) >= 4 &&
            tile_count(layer, pixels, vectors) < 4) {
            limit = least / bearable;
        }
        if (cycles >= limit) continue;
        least = cycles;
        layer->vectors = vectors;
        layer->slab_count = slabs;
    }
    layer->slab_columns = divide_up(layer->columns, layer->slab_count);
    int64_t most = smaller(vectors_for(layer, layer->slab_columns, panel_bytes),
                           SPMM_STRIP_PIXELS / layer->lanes);
    layer->strip_vectors = most / layer->vectors * layer->vectors;
}

/* Chooses the chunks, which let tasks share the pixels of a plane that has few tiles. Each fills a
 * panel of its own: that shall cost no more than 3 %, or, where there is one tile, make at least
 * two tasks. The number of chunks is a power of two, so that threads get equal shares. */
static void choose_chunks(struct spmm_layer* layer, int64_t pixels) {
    int64_t tile = layer->vectors * layer->lanes;
    int64_t tiles = tile_count(layer, pixels, layer->vectors);
    int64_t cheap = 1 + layer->nonzeros / (70 * layer->columns);
    int64_t worth = spmm_work(layer, smaller(pixels, tile)) / SPMM_CHUNK_WORK;
    if (tiles == 1 && cheap < 2) cheap = 2;
    int64_t chunks = 1;
    while (chunks * tiles < 4 && 2 * chunks <= cheap && 2 * chunks <= worth) chunks *= 2;
    /* Few pixels of several images are computed together, through a staging area. */
    int64_t most_rows = SPMM_MOST_CHUNK_ROWS;
    if (pixels % layer->lanes != 0 && pixels < 256) {
        most_rows = layer->staging_floats / layer->lanes;
    }
    layer->chunk_count = larger(chunks, divide_up(layer->rows, most_rows - SPMM_GROUP_ROWS));
}

void spmm_choose_tiling(struct spmm_layer* layer, int narrowest, int widest, int64_t pixels) {
    layer->staging_floats = staging_budget() / (int64_t)sizeof(float);
    layer->l2_bytes = cache_l2_bytes();
    choose_tile(layer, narrowest, widest, pixels);
    choose_chunks(layer, pixels);
}
