/* Channel shuffles: a layer before one computes its rows in the other order instead. */
#include <string.h>

#include "base/memory.h"
#include "region/fuse.h"
#include "region/matrix.h"

/* Whether a reshape, transpose, reshape turns channel q * n + i of a value into i * g + q; gives g.
 */
static int is_shuffle(const struct region_graph* graph, const struct region_op* split,
                      const struct region_op* swap, const struct region_op* join, int64_t* groups) {
    const struct region_shape* x = &graph->values[split->inputs[0]].shape;
    const struct region_shape* parts = &graph->values[split->output].shape;
    if (x->rank < 2 || parts->rank < 3 || x->dims[0] != parts->dims[0] || parts->dims[1] <= 0 ||
        parts->dims[2] <= 0 || x->dims[1] <= 0 || x->dims[1] / parts->dims[1] != parts->dims[2] ||
        x->dims[1] % parts->dims[1] != 0 ||
        !region_same_shape(x, &graph->values[join->output].shape)) {
        return 0;
    }
    for (int axis = 0; axis < parts->rank; axis++) {
        const int from = axis == 1 ? 2 : axis == 2 ? 1 : axis;
        if (swap->is.transpose[axis] != from) return 0;
    }
    *groups = parts->dims[1];
    return 1;
}

static int permute_floats(const float** numbers, int64_t count, int64_t groups) {
    if (*numbers == NULL) return 1;
    float* permuted = memory_allocate(count, sizeof *permuted);
    if (permuted == NULL) return 0;
    for (int64_t i = 0; i < count; i++) {
        permuted[i] = (*numbers)[i % groups * (count / groups) + i / groups];
    }
    memory_release((void*)*numbers);
    *numbers = permuted;
    return 1;
}

int region_take_shuffle(struct region_graph* graph, struct region_op* join) {
    if (join->kind != REGION_RESHAPE) return 1;
    struct region_op* swap = region_sole_producer(graph, join->inputs[0]);
    if (swap == NULL || swap->kind != REGION_TRANSPOSE) return 1;
    struct region_op* split = region_sole_producer(graph, swap->inputs[0]);
    if (split == NULL || split->kind != REGION_RESHAPE) return 1;
    struct region_op* layer =
        region_only_producer(graph, split->inputs[0], join->input_count /* the last one like it */);
    int64_t groups;
    /* Rows of a block stay together, and those of a residual would have to move too. */
    if (layer == NULL || (join->input_count == 2 && join->inputs[1] != split->inputs[0]) ||
        layer->kind != REGION_POINTWISE || layer->input_count != 1 ||
        layer->is.pointwise.matrix.block_rows != 1 ||
        !is_shuffle(graph, split, swap, join, &groups)) {
        return 1;
    }
    struct region_pointwise* pointwise = &layer->is.pointwise;
    const int64_t rows = pointwise->matrix.rows;
    if (!permute_floats(&pointwise->epilogue.bias, rows, groups) ||
        !permute_floats(&pointwise->epilogue.slope, rows, groups) ||
        !region_matrix_shuffle_rows(&pointwise->matrix, groups)) {
        return 0;
    }
    region_drop(graph, split, join);
    region_drop(graph, swap, join);
    region_take_place(graph, layer, join);
    return 1;
}
