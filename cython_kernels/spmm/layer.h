/* What the files of this room share. Callers use spmm.h. */
#ifndef ORT_SPARSE_SPMM_LAYER_H
#define ORT_SPARSE_SPMM_LAYER_H

#include "base/arithmetic.h"
#include "base/cache.h"
#include "microkernels/microkernel.h"
#include "spmm/spmm.h"

enum {
    SPMM_STRIP_PIXELS = 1 << 10,    /* at most */
    SPMM_MOST_CHUNK_ROWS = 1 << 16, /* row numbers within a chunk are 16 bits */
    /* What a task shall be worth, in spmm_work(): 4 microseconds of a good CPU. */
    SPMM_TASK_WORK = 15000,
    SPMM_CHUNK_WORK = 40000, /* of a chunk, which fills a panel of its own */
};

struct spmm_chunk {
    int32_t first_row, rows;
};

struct spmm_section {
    int32_t first_group, groups, first_step;
};

struct spmm_layer {
    int64_t rows, columns;
    int64_t block_rows; /* of the packed weights: 1, 2 or 4 */
    int64_t nonzeros;   /* stored values of the block-CSR matrix */

    const struct isa* isa;
    int lanes;
    spmm_kernel kernels[SPMM_MAX_VECTORS]; /* by number of vectors - 1 */
    one_pixel_kernel one_pixel;
    finish_kernel finish;
    copy_kernel copy;
    copy_every_kernel copy_every;

    int vectors;            /* widest tile for this packing's slabs */
    int64_t strip_vectors;  /* tiles side by side that fill the L1 data cache, in vectors */
    int64_t staging_floats; /* of SPMM_STAGING_FLOATS, those that this machine's L2 holds */
    int64_t l2_bytes;       /* of this machine */

    int64_t chunk_count, slab_count, slab_columns;
    struct spmm_chunk* chunks;     /* chunk_count */
    struct spmm_section* sections; /* chunk_count * slab_count */
    int64_t group_count, step_count;
    float* values;         /* step_count * SPMM_GROUP_ROWS, 64-byte aligned */
    uint16_t* channels;    /* step_count * SPMM_GROUP_ROWS / block_rows; within the slab */
    uint16_t* group_steps; /* group_count */
    uint16_t* group_rows;  /* group_count * SPMM_GROUP_ROWS / block_rows; block rows of the chunk */

    struct epilogue epilogue; /* its arrays are the layer's own */
};

/* Work of computing so many pixels: nonzeros times cache lines of pixels, where filling the panel
 * counts as two nonzeros a channel, and writing Y as one a row. */
static inline int64_t spmm_work(const struct spmm_layer* layer, int64_t pixels) {
    int64_t lines = divide_up(pixels, CACHE_LINE_FLOATS);
    return (layer->nonzeros + 2 * layer->columns + layer->rows) * lines;
}

/* Rows of the largest chunk, rounded up to whole groups. */
static inline int64_t spmm_chunk_rows(const struct spmm_layer* layer) {
    return divide_up(layer->rows, layer->chunk_count) + SPMM_GROUP_ROWS;
}

/* tiling.c: chooses tile, slabs and chunks of a layer whose microkernels are set, the tile between
 * `narrowest` and `widest`. */
void spmm_choose_tiling(struct spmm_layer*, int narrowest, int widest, int64_t pixels);

/* pack.c: fills the packed arrays of a layer whose tiling is chosen. Returns whether memory
 * sufficed; the caller frees in either case. */
int spmm_pack(struct spmm_layer*, const struct block_csr*);

/* Consecutive pixels of a span, and chunks of the layer. */
struct spmm_piece {
    int64_t span, first, end;
    int64_t chunk, chunk_end;
};

/* strip.c: computes one piece, strip by strip. */
void spmm_run_piece(const struct spmm_plan*, const struct spmm_zone*, const struct spmm_operands*,
                    const struct spmm_piece*, float* scratch);

/* Runs the kernels over a strip, in tiles of nearly equal width: first the wider ones. The call
 * describes the strip as if it were one tile. */
void spmm_run_tiles(const struct spmm_layer*, const struct spmm_call*, int64_t vectors);

/* Points a call to one section and to the epilogue of its rows. */
void spmm_select_section(const struct spmm_layer*, int64_t chunk, int64_t slab, struct spmm_call*);

/* one_pixel.c: whether a plan's shape allows the way for one pixel, and whether its arrays do. */
int spmm_is_one_pixel(const struct spmm_plan*);
int spmm_has_adjacent_channels(const struct spmm_operands*);
void spmm_run_one_pixel(const struct spmm_plan*, const struct spmm_operands*,
                        const struct spmm_piece*, float* scratch);

#endif
