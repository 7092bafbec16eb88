#include "region/matrix.h"

#include <stddef.h>

#include "base/memory.h"

static float weight_at(const struct region_dense* dense, int64_t row, int64_t column) {
    return dense->weights[row * dense->row_step + column * dense->column_step];
}

enum { HEIGHTS = 3 /* 1, 2, 4 */ };

/* Which of up to four rows have a number that is not zero (NaN is none) in a column: a bit each. */
static unsigned rows_with(const struct region_dense* dense, int64_t row, int64_t column, int rows) {
    const float* at = dense->weights + row * dense->row_step + column * dense->column_step;
    unsigned bits = 0;
    for (int i = 0; i < rows; i++) bits |= (unsigned)(at[i * dense->row_step] != 0.0f) << i;
    return bits;
}

/* Counts the blocks of 1, 2 and 4 rows that have a number; the tallest that fit the groups. */
static void count_blocks(const struct region_dense* dense, int tallest, int64_t counts[HEIGHTS]) {
    counts[0] = counts[1] = counts[2] = 0;
    for (int64_t row = 0; row < dense->rows; row += tallest) {
        for (int64_t column = 0; column < dense->group_columns; column++) {
            const unsigned bits = rows_with(dense, row, column, tallest);
            counts[0] += __builtin_popcount(bits);
            counts[1] += ((bits & 3) != 0) + ((bits & 12) != 0);
            counts[2] += bits != 0;
        }
    }
}

static int tallest_block(const struct region_dense* dense) {
    const int64_t group_rows = dense->rows / dense->groups;
    return group_rows % 4 == 0 ? 4 : group_rows % 2 == 0 ? 2 : 1;
}

/* Taller blocks share channel numbers and loads of pixels, but store zeros. */
static int choose_block_rows(const struct region_dense* dense, int64_t* count) {
    const double cost[HEIGHTS] = {1.0, 0.94, 0.88}; /* of a stored number */
    const int tallest = tallest_block(dense);
    int64_t counts[HEIGHTS];
    count_blocks(dense, tallest, counts);
    int best = 0;
    for (int i = 1; 1 << i <= tallest; i++) {
        if (cost[i] * (double)(counts[i] << i) < cost[best] * (double)(counts[best] << best)) {
            best = i;
        }
    }
    *count = counts[best];
    return 1 << best;
}

int region_matrix_create(struct block_csr* matrix, const struct region_dense* dense) {
    int64_t count;
    const int block_rows = choose_block_rows(dense, &count);
    float* values = memory_allocate(count * block_rows, sizeof *values);
    int32_t* indices = memory_allocate(count, sizeof *indices);
    int32_t* indptr = memory_allocate(dense->rows / block_rows + 1, sizeof *indptr);
    *matrix = (struct block_csr){.rows = dense->rows,
                                 .columns = dense->group_columns * dense->groups,
                                 .block_rows = block_rows,
                                 .values = values,
                                 .indices = indices,
                                 .indptr = indptr};
    if (values == NULL || indices == NULL || indptr == NULL) {
        region_matrix_release(matrix);
        return 0;
    }
    const int64_t group_rows = dense->rows / dense->groups;
    int32_t block = 0;
    indptr[0] = 0;
    for (int64_t row = 0; row < dense->rows; row += block_rows) {
        const int64_t first_column = row / group_rows * dense->group_columns;
        for (int64_t column = 0; column < dense->group_columns; column++) {
            if (rows_with(dense, row, column, block_rows) == 0) continue;
            for (int i = 0; i < block_rows; i++) {
                values[block * block_rows + i] = weight_at(dense, row + i, column);
            }
            indices[block++] = (int32_t)(first_column + column);
        }
        indptr[row / block_rows + 1] = block;
    }
    return 1;
}

void region_matrix_release(struct block_csr* matrix) {
    memory_release((void*)matrix->values);
    memory_release((void*)matrix->indices);
    memory_release((void*)matrix->indptr);
    matrix->values = NULL;
    matrix->indices = matrix->indptr = NULL;
}

int64_t region_matrix_blocks(const struct block_csr* matrix) {
    return matrix->indptr[matrix->rows / matrix->block_rows];
}

void region_matrix_scale_rows(struct block_csr* matrix, const float* scale) {
    float* values = (float*)matrix->values;
    for (int64_t row = 0; row < matrix->rows; row += matrix->block_rows) {
        const int64_t at = row / matrix->block_rows;
        for (int64_t block = matrix->indptr[at]; block < matrix->indptr[at + 1]; block++) {
            for (int64_t i = 0; i < matrix->block_rows; i++) {
                values[block * matrix->block_rows + i] *= scale[row + i];
            }
        }
    }
}

int region_matrix_shuffle_rows(struct block_csr* matrix, int64_t groups) {
    const int64_t rows = matrix->rows, group_rows = rows / groups;
    const int64_t count = matrix->indptr[rows];
    float* values = memory_allocate(count, sizeof *values);
    int32_t* indices = memory_allocate(count, sizeof *indices);
    int32_t* indptr = memory_allocate(rows + 1, sizeof *indptr);
    if (values == NULL || indices == NULL || indptr == NULL) {
        memory_release(values);
        memory_release(indices);
        memory_release(indptr);
        return 0;
    }
    indptr[0] = 0;
    for (int64_t row = 0; row < rows; row++) {
        const int64_t from = row % groups * group_rows + row / groups;
        const int32_t first = matrix->indptr[from], end = matrix->indptr[from + 1];
        for (int32_t i = first; i < end; i++) {
            values[indptr[row] + i - first] = matrix->values[i];
            indices[indptr[row] + i - first] = matrix->indices[i];
        }
        indptr[row + 1] = indptr[row] + end - first;
    }
    const struct block_csr shuffled = {rows, matrix->columns, 1, values, indices, indptr};
    region_matrix_release(matrix);
    *matrix = shuffled;
    return 1;
}
