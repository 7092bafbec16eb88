/* Packing the layers of a region for an instruction set. */
#include "base/memory.h"
#include "microkernels/microkernel.h"
#include "region/graph.h"
#include "region/matrix.h"

static int pack_pointwise(struct region_graph* graph, struct region_op* op, const struct isa* isa,
                          struct status* why) {
    struct region_pointwise* layer = &op->is.pointwise;
    const struct region_shape* y = &graph->values[op->output].shape;
    struct spmm_options options = {.isa = isa, .pixels = 1};
    for (int axis = 2; axis < y->rank; axis++) {
        if (y->dims[axis] <= 0 || options.pixels > INT32_MAX) options.pixels = 0;
        options.pixels *= y->dims[axis];
    }
    layer->layer = spmm_layer_create(&layer->matrix, &layer->epilogue, &options, why);
    layer->stored = region_matrix_blocks(&layer->matrix) * layer->matrix.block_rows;
    region_matrix_release(&layer->matrix);
    epilogue_release(&layer->epilogue);
    layer->epilogue.bias = layer->epilogue.slope = NULL;
    return layer->layer != NULL;
}

static int pack_conv(struct region_op* op, const struct isa* isa, struct status* why) {
    struct region_conv* conv = &op->is.conv;
    conv->layer = conv_layer_create(&conv->geometry, conv->weights, &conv->epilogue, isa, why);
    memory_release(conv->weights);
    epilogue_release(&conv->epilogue);
    conv->weights = NULL;
    conv->epilogue.bias = conv->epilogue.slope = NULL;
    return conv->layer != NULL;
}

static unary_kernel find_unary(const struct microkernel_set* set, enum unary function) {
    return microkernel_find(set, MICROKERNEL_UNARY, function, 0)->run.unary;
}

static binary_kernel find_binary(const struct microkernel_set* set, enum binary function,
                                 enum binary_shape shape) {
    return microkernel_find(set, MICROKERNEL_BINARY, function, (int)shape)->run.binary;
}

static int pack(struct region_graph* graph, struct region_op* op, const struct isa* isa,
                struct status* why) {
    const struct microkernel_set* set = microkernel_set_of(isa);
    struct region_binary* binary = &op->is.binary;
    switch (op->kind) {
        case REGION_POINTWISE:
            return pack_pointwise(graph, op, isa, why);
        case REGION_CONV:
            return pack_conv(op, isa, why);
        case REGION_POOL:
            op->is.pool.layer = pool_layer_create(&op->is.pool.geometry, isa, why);
            return op->is.pool.layer != NULL;
        case REGION_UNARY:
            op->is.unary.kernel = find_unary(set, op->is.unary.function);
            return 1;
        case REGION_PRELU:
            op->is.prelu.kernel = find_unary(set, UNARY_LEAKY_RELU);
            return 1;
        case REGION_BINARY:
            binary->vectors = find_binary(set, binary->function, BINARY_VECTORS);
            binary->second_number = find_binary(set, binary->function, BINARY_SECOND_IS_NUMBER);
            binary->first_number = find_binary(set, binary->function, BINARY_FIRST_IS_NUMBER);
            return 1;
        default:
            return 1;
    }
}

int region_pack(struct region_graph* graph, const struct isa* isa, struct status* why) {
    for (int i = 0; i < graph->op_count; i++) {
        if (!pack(graph, &graph->ops[i], isa, why)) return 0;
    }
    return 1;
}
