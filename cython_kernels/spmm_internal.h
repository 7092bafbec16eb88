/* What the parts of the sparse kernels share. Callers use spmm.h. */
#ifndef ORT_SPARSE_SPMM_INTERNAL_H
#define ORT_SPARSE_SPMM_INTERNAL_H

#include "microkernels/spmm_kernels.h"
#include "spmm.h"

enum {
    SPMM_PANEL_FLOATS = 16 << 10,   /* 64 KiB; spmm_panel_budget() of them are used */
    SPMM_STAGING_FLOATS = 16 << 10, /* likewise; spmm_staging_budget() */
    SPMM_STRIP_PIXELS = 1 << 10,    /* at most */
    SPMM_MOST_CHUNK_ROWS = 1 << 16, /* row numbers within a chunk are 16 bits */
    /* What a task shall be worth, in spmm_work(): 4 microseconds of a good CPU. */
    SPMM_TASK_WORK = 15000,
    SPMM_CHUNK_WORK = 40000, /* of a chunk of rows, which fills a panel of its own */
};

/* A range of rows that is packed on its own, so that different tasks can compute different rows
 * of the same pixels. */
struct spmm_chunk {
    int32_t first_row, rows;
};

/* The weights of one chunk in one K-block (a range of input channels that fits the panel). */
struct spmm_part {
    int32_t first_group, groups, first_step;
};

/* Rows are taken SPMM_GROUP_ROWS at a time; a step multiplies one nonzero of each of them. */
struct spmm_layer {
    int64_t rows, columns;
    int64_t block_rows; /* of the packed weights: 1, 2 or 4 */
    int64_t nonzeros;   /* stored values of the block-CSR matrix */
    const struct spmm_isa* isa;
    const spmm_kernel* kernels; /* by number of vectors - 1 */
    int vectors;                /* widest pixel tile for this packing's K-blocks */
    int64_t strip_vectors;      /* tiles side by side that fill the L1 data cache, in vectors */
    int64_t staging_floats;     /* of SPMM_STAGING_FLOATS, those that this machine's L2 holds */
    int64_t l2_bytes;           /* of this machine */

    int64_t chunk_count, block_count, block_columns;
    struct spmm_chunk* chunks; /* chunk_count */
    struct spmm_part* parts;   /* chunk_count * block_count */
    int64_t group_count, step_count;
    float* values;         /* step_count * SPMM_GROUP_ROWS, 64-byte aligned */
    uint16_t* channels;    /* step_count * SPMM_GROUP_ROWS / block_rows; within the K-block */
    uint16_t* group_steps; /* group_count */
    uint16_t* group_rows;  /* group_count * SPMM_GROUP_ROWS / block_rows; block rows of the chunk */

    enum spmm_activation activation;
    float minimum, maximum, alpha;
    float *bias, *slope; /* rows floats each; slope NULL unless SPMM_PRELU */
};

/* Work of computing so many pixels: nonzeros times cache lines of pixels, where filling the panel
 * counts as two nonzeros a channel, and writing Y as one a row. */
static inline int64_t spmm_work(const struct spmm_layer* layer, int64_t pixels) {
    int64_t lines = (pixels + SPMM_LINE_FLOATS - 1) / SPMM_LINE_FLOATS;
    return (layer->nonzeros + 2 * layer->columns + layer->rows) * lines;
}

/* Fills the packed arrays of a layer whose tiling is chosen. Returns whether memory sufficed; the
 * caller frees in either case. */
int spmm_pack(struct spmm_layer*, const struct spmm_matrix*);

/* Bytes of this machine's L2 cache. */
int64_t spmm_l2_bytes(void);

/* Bytes of panel that this machine's L1 data cache holds, and of staging area that half its L2
 * holds beside the panel. */
int64_t spmm_panel_budget(void);
int64_t spmm_staging_budget(void);

/* 64-byte aligned memory, or NULL. */
void* spmm_allocate(int64_t count, size_t size);
void spmm_free(void*);

#endif
