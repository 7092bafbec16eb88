/* Batches of large images: a plan for one image serves all of them in turn, so that what lies
 * between two layers is still in the caches when it is read. */
#include <stdlib.h>
#include <string.h>

#include "base/arithmetic.h"
#include "base/cache.h"
#include "region/plan.h"

static int64_t image_count(const struct region_plan* plan) {
    const struct region_shape* first = &plan->inputs[0];
    return plan->graph->input_count > 0 && first->rank > 0 ? first->dims[0] : 0;
}

/* Whether a value of the whole batch is more than the cache holds, and one of an image so large
 * that reading weights anew for each image costs little beside it. */
static int is_large(const struct region_plan* plan, int64_t images) {
    const int64_t l2_floats = cache_l2_bytes() / (int64_t)sizeof(float);
    int64_t most = 0;
    for (int i = 0; i < plan->graph->op_count; i++) {
        most = larger(most, region_count(&plan->shapes[plan->graph->ops[i].output]));
    }
    return most > l2_floats && most / images > l2_floats / 4;
}

/* Whether the numbers of an image meet those of the same image only, or what is the same for all.
 */
static int pairs_by_image(const struct region_graph* graph, const struct region_op* op) {
    const int rank = graph->values[op->output].shape.rank;
    for (int i = 0; i < op->input_count; i++) {
        const struct region_value* operand = &graph->values[op->inputs[i]];
        if (operand->constant == NULL) {
            if (operand->shape.rank != rank) return 0;
        } else if (operand->shape.rank == rank && rank > 0 && operand->shape.dims[0] != 1) {
            return 0;
        }
    }
    return 1;
}

/* Whether an operator computes each image from that image, if axis 0 of its inputs and of its
 * output counts images. */
static int keeps_images(const struct region_graph* graph, const struct region_op* op) {
    switch (op->kind) {
        case REGION_BINARY:
            return pairs_by_image(graph, op);
        case REGION_SOFTMAX:
            return graph->values[op->output].shape.rank > 1;
        case REGION_TRANSPOSE:
            return op->is.transpose[0] == 0;
        case REGION_SLICE:
            return op->is.slice.axis != 0;
        case REGION_PAD:
            return op->is.pad.before[0] == 0 && op->is.pad.after[0] == 0;
        default:
            return 1;
    }
}

/* Whether axis 0 of a value counts images, by its shapes for all images and for one. */
static int counts_images(const struct region_shape* all, const struct region_shape* one,
                         int64_t images) {
    return all->rank > 0 && all->rank == one->rank && all->dims[0] == images && one->dims[0] == 1 &&
           memcmp(&all->dims[1], &one->dims[1], (size_t)(all->rank - 1) * sizeof all->dims[0]) == 0;
}

/* Infers the shapes for one image. Returns whether each image is computed from itself alone. */
static int infer_one_image(struct region_plan* plan, const struct region_shape* all,
                           int64_t images) {
    const struct region_graph* graph = plan->graph;
    struct status why;
    for (int i = 0; i < graph->input_count; i++) {
        plan->shapes[graph->inputs[i]].dims[0] = 1;
        if (!counts_images(&plan->inputs[i], &plan->shapes[graph->inputs[i]], images)) return 0;
    }
    if (!region_infer_shapes(plan, &why)) return 0;
    for (int i = 0; i < graph->op_count; i++) {
        const int value = graph->ops[i].output;
        if (!keeps_images(graph, &graph->ops[i]) ||
            !counts_images(&all[value], &plan->shapes[value], images)) {
            return 0;
        }
    }
    return 1;
}

int region_split_images(struct region_plan* plan, struct status* why) {
    const int64_t images = image_count(plan);
    plan->images = 1;
    if (images < 2 || !is_large(plan, images)) return 1;
    const size_t bytes = ((size_t)plan->graph->value_count + 1) * sizeof *plan->shapes;
    struct region_shape* all = malloc(bytes);
    if (all == NULL) return status_fail(why, STATUS_NO_MEMORY, "not enough memory for a plan");
    memcpy(all, plan->shapes, bytes);
    if (infer_one_image(plan, all, images)) {
        plan->images = images;
    } else {
        memcpy(plan->shapes, all, bytes);
    }
    free(all);
    return 1;
}
