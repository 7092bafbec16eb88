/* Block-CSR weights repacked for the microkernels.
 *
 * Within each chunk and slab, block rows are sorted by length and taken in groups of
 * SPMM_GROUP_ROWS rows (SELL: the length of a group then nearly equals that of its neighbours, so
 * that loop exits predict, and little padding is needed). A row shorter than its group is filled
 * up by splitting its last nonzero into equal parts, rather than by weights of 0, which would
 * turn an infinite X into NaN. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "spmm/layer.h"

struct block_row {
    int32_t length, row; /* row counts from the first one of the chunk */
    int64_t begin;       /* first block of the slab, in the matrix's arrays */
};

static int by_length_then_row(const void* a, const void* b) {
    const struct block_row *x = a, *y = b;
    if (x->length != y->length) return x->length > y->length ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Packed block rows that each block row of the matrix becomes. */
static int64_t split_of(const struct spmm_layer* layer, const struct block_csr* matrix) {
    return matrix->block_rows / layer->block_rows;
}

/* Repeats the last of rows [begin, end) until their number is a multiple of the group's; its
 * result is then written more than once. Returns the new end. */
static int64_t complete_group(struct block_row* rows, int64_t begin, int64_t end,
                              int64_t per_group) {
    for (; (end - begin) % per_group != 0; end++) rows[end] = rows[end - 1];
    return end;
}

/* Returns the first of blocks [begin, end), which are in one block row, at or after a column. */
static int64_t find_column(const struct block_csr* matrix, int64_t begin, int64_t end,
                           int64_t column) {
    while (begin < end) {
        int64_t middle = begin + (end - begin) / 2;
        if (matrix->indices[middle] < column) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

/* Lists the chunk's block rows in slab `slab`, longest first, in whole groups; rows without
 * a nonzero have groups of their own. Returns the number of groups. */
static int64_t sort_rows(const struct spmm_layer* layer, const struct block_csr* matrix,
                         const struct spmm_chunk* chunk, int64_t slab, struct block_row* rows) {
    int64_t nr = layer->block_rows, per_group = SPMM_GROUP_ROWS / nr;
    int64_t split = split_of(layer, matrix);
    int64_t first = chunk->first_row / nr, count = chunk->rows / nr, filled = 0;
    int64_t low = slab * layer->slab_columns, high = low + layer->slab_columns;
    for (int64_t i = 0; i < count; i++) {
        int64_t source = (first + i) / split;
        int64_t last = matrix->indptr[source + 1];
        int64_t begin = find_column(matrix, matrix->indptr[source], last, low);
        int64_t end = find_column(matrix, begin, last, high);
        rows[i] = (struct block_row){(int32_t)(end - begin), (int32_t)i, begin};
        filled += end > begin;
    }
    qsort(rows, (size_t)count, sizeof *rows, by_length_then_row);
    int64_t gap = (per_group - filled % per_group) % per_group;
    memmove(rows + filled + gap, rows + filled, (size_t)(count - filled) * sizeof *rows);
    complete_group(rows, 0, filled, per_group);
    return complete_group(rows, filled + gap, count + gap, per_group) / per_group;
}

static void pack_group(struct spmm_layer* layer, const struct block_csr* matrix,
                       const struct spmm_chunk* chunk, int64_t slab, const struct block_row* rows,
                       int64_t group, int64_t first_step) {
    int64_t nr = layer->block_rows, per_group = SPMM_GROUP_ROWS / nr;
    int64_t split = split_of(layer, matrix), steps = rows[0].length;
    layer->group_steps[group] = (uint16_t)steps;
    for (int64_t i = 0; i < per_group; i++) {
        const struct block_row* row = &rows[i];
        layer->group_rows[group * per_group + i] = (uint16_t)row->row;
        int64_t within = (chunk->first_row / nr + row->row) % split;
        for (int64_t s = 0; s < steps; s++) {
            int64_t last = row->length - 1, source = row->begin + (s < last ? s : last);
            float shares = s < last ? 1.0f : (float)(steps - last);
            const float* from = matrix->values + source * matrix->block_rows + within * nr;
            float* values = layer->values + (first_step + s) * SPMM_GROUP_ROWS + i * nr;
            for (int64_t r = 0; r < nr; r++) values[r] = from[r] / shares;
            layer->channels[(first_step + s) * per_group + i] =
                (uint16_t)(matrix->indices[source] - slab * layer->slab_columns);
        }
    }
}

/* Counts groups and steps, or, once the arrays exist, fills them. */
static void walk_sections(struct spmm_layer* layer, const struct block_csr* matrix,
                          struct block_row* rows) {
    int64_t per_group = SPMM_GROUP_ROWS / layer->block_rows, group = 0, step = 0;
    for (int64_t c = 0; c < layer->chunk_count; c++) {
        const struct spmm_chunk* chunk = &layer->chunks[c];
        for (int64_t s = 0; s < layer->slab_count; s++) {
            int64_t groups = sort_rows(layer, matrix, chunk, s, rows);
            layer->sections[c * layer->slab_count + s] =
                (struct spmm_section){(int32_t)group, (int32_t)groups, (int32_t)step};
            for (int64_t g = 0; g < groups; g++, group++) {
                const struct block_row* of_group = rows + g * per_group;
                if (layer->values != NULL) {
                    pack_group(layer, matrix, chunk, s, of_group, group, step);
                }
                step += of_group->length;
            }
        }
    }
    layer->group_count = group;
    layer->step_count = step;
}

static void split_rows(struct spmm_layer* layer) {
    int64_t unit = SPMM_GROUP_ROWS;
    int64_t units = divide_up(layer->rows, unit);
    for (int64_t c = 0; c < layer->chunk_count; c++) {
        int64_t begin = c * units / layer->chunk_count * unit;
        int64_t end = (c + 1) * units / layer->chunk_count * unit;
        if (end > layer->rows) end = layer->rows;
        layer->chunks[c] = (struct spmm_chunk){(int32_t)begin, (int32_t)(end - begin)};
    }
}

int spmm_pack(struct spmm_layer* layer, const struct block_csr* matrix) {
    int64_t per_group = SPMM_GROUP_ROWS / layer->block_rows;
    layer->chunks = memory_allocate(layer->chunk_count, sizeof *layer->chunks);
    layer->sections =
        memory_allocate(layer->chunk_count * layer->slab_count, sizeof *layer->sections);
    if (layer->chunks == NULL || layer->sections == NULL) return 0;
    split_rows(layer);
    int64_t longest = 0;
    for (int64_t c = 0; c < layer->chunk_count; c++) {
        if (layer->chunks[c].rows > longest) longest = layer->chunks[c].rows;
    }
    struct block_row* rows = memory_allocate(longest + 2 * SPMM_GROUP_ROWS, sizeof *rows);
    if (rows == NULL) return 0;
    walk_sections(layer, matrix, rows);
    if (layer->group_count > INT32_MAX || layer->step_count > INT32_MAX) {
        memory_release(rows);
        return 0;
    }
    /* The kernels load channels ahead of use. */
    int64_t channel_count = layer->step_count * per_group;
    layer->channels =
        memory_allocate(channel_count + SPMM_AHEAD_STEPS * per_group, sizeof *layer->channels);
    layer->group_steps = memory_allocate(layer->group_count, sizeof *layer->group_steps);
    layer->group_rows = memory_allocate(layer->group_count * per_group, sizeof *layer->group_rows);
    layer->values = memory_allocate(layer->step_count * SPMM_GROUP_ROWS, sizeof *layer->values);
    int complete = layer->channels != NULL && layer->group_steps != NULL &&
                   layer->group_rows != NULL && layer->values != NULL;
    if (complete) {
        memset(layer->channels + channel_count, 0,
               (size_t)(SPMM_AHEAD_STEPS * per_group) * sizeof *layer->channels);
        walk_sections(layer, matrix, rows);
    }
    memory_release(rows);
    return complete;
}
