/* The one sparse matrix. */
#ifndef ORT_SPARSE_BASE_BLOCK_CSR_H
#define ORT_SPARSE_BASE_BLOCK_CSR_H

#include <stdint.h>

/* As BlockCSR in ort_sparse/bcsr.py, widened: a block is a column of `block_rows` rows. Valid:
 * indptr rises from 0, and indices rise within a block row and are columns. */
struct block_csr {
    int64_t rows, columns, block_rows;
    const float* values;    /* indptr[rows / block_rows] * block_rows */
    const int32_t* indices; /* a column for each block */
    const int32_t* indptr;  /* rows / block_rows + 1 */
};

#endif
