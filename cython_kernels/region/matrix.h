/* Block-CSR matrices from dense ones. Private to this room. */
#ifndef ORT_SPARSE_REGION_MATRIX_H
#define ORT_SPARSE_REGION_MATRIX_H

#include <stdint.h>

#include "base/block_csr.h"

/* Dense weights of a pointwise layer in groups: row r sees the columns of its group. The number at
 * row r and column c of the group is weights[r * row_step + c * column_step]. */
struct region_dense {
    const float* weights;
    int64_t rows, group_columns, groups;
    int64_t row_step, column_step;
};

/* Makes a matrix in memory of its own of the numbers that are not zero, with blocks of 4, 2 or 1
 * rows, whichever costs least. Returns whether memory sufficed. */
int region_matrix_create(struct block_csr*, const struct region_dense*);
void region_matrix_release(struct block_csr*);

/* Multiplies each row by a number. */
void region_matrix_scale_rows(struct block_csr*, const float* scale);

/* Makes row q * (rows / groups) + i of a matrix without taller blocks row i * groups + q. Returns
 * whether memory sufficed. */
int region_matrix_shuffle_rows(struct block_csr*, int64_t groups);

int64_t region_matrix_blocks(const struct block_csr*);

#endif
