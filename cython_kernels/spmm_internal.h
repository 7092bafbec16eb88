/* What the parts of the sparse kernels share. Callers use spmm.h. */
#ifndef ORT_SPARSE_SPMM_INTERNAL_H
#define ORT_SPARSE_SPMM_INTERNAL_H

#include "microkernels/spmm_kernels.h"
#include "spmm.h"

enum {
    SPMM_LINE_FLOATS = 16,        /* of a 64-byte cache line */
    SPMM_PANEL_FLOATS = 11 << 10, /* 44 KiB: the panel stays in L1, its offsets fit 16 bits */
    SPMM_STAGING_FLOATS = 16 << 10,
};

/* A range of rows that is packed on its own, so that different tasks can compute different rows
 * of the same pixels. */
struct spmm_chunk {
    int64_t first_row, rows;
};

/* The weights of one chunk in one K-block (a range of input channels that fits the panel). */
struct spmm_part {
    int64_t first_group, groups;
    int64_t first_step;
};

/* Rows are taken SPMM_GROUP_ROWS at a time; a step multiplies one nonzero of each of them. */
struct spmm_layer {
    int64_t rows, columns;
    int64_t block_rows; /* of the packed weights: 1, 2 or 4 */
    int64_t nonzeros;   /* stored values of the block-CSR matrix */
    const struct spmm_isa* isa;
    const spmm_kernel* kernels; /* by number of vectors - 1 */
    int vectors;                /* widest pixel tile of this packing */

    int64_t chunk_count, block_count, block_columns;
    struct spmm_chunk* chunks; /* chunk_count */
    struct spmm_part* parts;   /* chunk_count * block_count */
    int64_t group_count, step_count;
    float* values;         /* step_count * SPMM_GROUP_ROWS, 64-byte aligned */
    uint16_t* offsets;     /* step_count * SPMM_GROUP_ROWS / block_rows; bytes from the panel */
    uint16_t* group_steps; /* group_count */
    uint16_t* group_rows;  /* group_count * SPMM_GROUP_ROWS / block_rows; block rows of the chunk */

    enum spmm_activation activation;
    float minimum, maximum, alpha;
    float *bias, *slope; /* rows floats each; slope NULL unless SPMM_PRELU */
};

/* Bytes of one channel in the panel. */
static inline int64_t spmm_panel_stride(const struct spmm_layer* layer) {
    return (int64_t)layer->vectors * layer->isa->lanes * (int64_t)sizeof(float);
}

/* Fills the packed arrays of a layer whose tiling is chosen. Returns
 * whether memory sufficed; the caller frees in either case. */
int spmm_pack(struct spmm_layer*, const struct spmm_matrix*);

/* 64-byte aligned memory, or NULL. */
void* spmm_allocate(int64_t count, size_t size);
void spmm_free(void*);

#endif
