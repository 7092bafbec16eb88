/* Where the values of a region lie in a run.
 *
 * Planes are not moved where a name suffices: a slice lies in what it is a slice of, a reshaped
 * value in what it was before, and what is concatenated is computed in its place. */
#include <stdlib.h>

#include "base/arithmetic.h"
#include "base/cache.h"
#include "region/plan.h"

static struct region_place contiguous(int storage, int64_t offset,
                                      const struct region_shape* shape) {
    const int64_t plane = region_plane(shape);
    struct region_place place = {storage, offset, shape->rank >= 1, 0};
    if (shape->rank >= 2) {
        place.image_stride = shape->dims[1] * plane;
        place.channel_stride = plane;
    }
    return place;
}

int region_is_contiguous(const struct region_place* place, const struct region_shape* shape) {
    if (shape->rank < 2) return 1;
    const int64_t plane = region_plane(shape);
    return (shape->dims[1] <= 1 || place->channel_stride == plane) &&
           (shape->dims[0] <= 1 || place->image_stride == shape->dims[1] * plane);
}

static int is_same_place(const struct region_place* a, const struct region_place* b) {
    return a->storage == b->storage && a->offset == b->offset &&
           a->image_stride == b->image_stride && a->channel_stride == b->channel_stride;
}

static int add_storage(struct region_plan* plan, enum region_storage_kind kind, int number,
                       int64_t floats) {
    plan->storages[plan->storage_count] = (struct region_storage){
        .kind = kind, .number = number, .floats = floats, .first_op = -1, .inside = -1};
    return plan->storage_count++;
}

/* A storage for one value. */
static void place_alone(struct region_plan* plan, int value) {
    const struct region_value* v = &plan->graph->values[value];
    const struct region_shape* shape = &plan->shapes[value];
    int storage;
    if (v->constant != NULL) {
        storage = add_storage(plan, REGION_CONSTANT, value, 0);
    } else if (v->input >= 0) {
        storage = add_storage(plan, REGION_INPUT, v->input, region_count(shape));
    } else if (v->output >= 0) {
        storage = add_storage(plan, REGION_OUTPUT, v->output, region_count(shape));
    } else {
        storage = add_storage(plan, REGION_MEMORY, 0, region_count(shape));
    }
    plan->places[value] = contiguous(storage, 0, shape);
}

/* Whether a value may still be placed where its reader wants it. */
static int is_free(const struct region_plan* plan, int value) {
    const struct region_value* v = &plan->graph->values[value];
    return v->constant == NULL && v->input < 0 && v->output < 0 && !v->contiguous &&
           plan->places[value].storage < 0;
}

/* Where input `index` of a concatenation belongs. */
static struct region_place place_in_concat(const struct region_plan* plan,
                                           const struct region_op* op, int index) {
    struct region_place place = plan->places[op->output];
    for (int i = 0; i < index; i++) {
        place.offset += plan->shapes[op->inputs[i]].dims[1] * place.channel_stride;
    }
    return place;
}

/* From the last operator to the first: outputs choose where inputs lie. */
static void place_backwards(struct region_plan* plan, const struct region_op* op) {
    if (plan->steps[op - plan->graph->ops].kind == REGION_STEP_INSIDE) return;
    const int renames = op->kind == REGION_RESHAPE || op->kind == REGION_SLICE;
    struct region_place* place = &plan->places[op->output];
    if (place->storage < 0 && (!renames || plan->graph->values[op->output].output >= 0)) {
        place_alone(plan, op->output);
    }
    if (op->kind == REGION_CONCAT) {
        struct region_place part = *place;
        for (int i = 0; i < op->input_count; i++) {
            const int input = op->inputs[i];
            if (is_free(plan, input)) plan->places[input] = part;
            part.offset += plan->shapes[input].dims[1] * part.channel_stride;
        }
    } else if (op->kind == REGION_RESHAPE && place->storage >= 0 && is_free(plan, op->inputs[0]) &&
               region_is_contiguous(place, &plan->shapes[op->output])) {
        plan->places[op->inputs[0]] =
            contiguous(place->storage, place->offset, &plan->shapes[op->inputs[0]]);
    }
}

/* The place of a renamed value in that of its input; returns whether there is one. */
static int rename_place(const struct region_plan* plan, const struct region_op* op,
                        struct region_place* out) {
    const struct region_place* in = &plan->places[op->inputs[0]];
    const struct region_shape *before = &plan->shapes[op->inputs[0]],
                              *after = &plan->shapes[op->output];
    *out = *in;
    if (op->kind == REGION_SLICE) {
        if (op->is.slice.axis != 1) return 0;
        out->offset += smaller(op->is.slice.first, before->dims[1]) * in->channel_stride;
        return !plan->graph->values[op->output].contiguous || region_is_contiguous(out, after);
    }
    if (region_is_contiguous(in, before)) {
        *out = contiguous(in->storage, in->offset, after);
        return 1;
    }
    return !plan->graph->values[op->output].contiguous && after->rank >= 2 && before->rank >= 2 &&
           before->dims[0] == after->dims[0] && before->dims[1] == after->dims[1];
}

/* From the first operator to the last: what is left is renamed or copied. */
static void place_forwards(struct region_plan* plan, int op_number) {
    const struct region_op* op = &plan->graph->ops[op_number];
    struct region_step* step = &plan->steps[op_number];
    struct region_place *place = &plan->places[op->output], renamed;
    if (op->kind == REGION_CONCAT) {
        step->kind = REGION_STEP_NONE;
        for (int i = 0; i < op->input_count; i++) {
            const struct region_place part = place_in_concat(plan, op, i);
            if (!is_same_place(&part, &plan->places[op->inputs[i]])) step->kind = REGION_STEP_COPY;
        }
        return;
    }
    if (op->kind != REGION_RESHAPE && op->kind != REGION_SLICE) return;
    const int can = rename_place(plan, op, &renamed);
    if (place->storage < 0 && can) *place = renamed;
    if (place->storage < 0) place_alone(plan, op->output);
    step->kind = can && is_same_place(place, &renamed) ? REGION_STEP_NONE : REGION_STEP_COPY;
}

/* --- Life times, and memory that one storage takes over from another. */

static void read_by(struct region_plan* plan, int value, int op) {
    const int storage = plan->places[value].storage;
    if (storage >= 0) plan->storages[storage].last_op = op;
}

static void find_lives(struct region_plan* plan) {
    for (int i = 0; i < plan->graph->op_count; i++) {
        const struct region_op* op = &plan->graph->ops[i];
        struct region_step* step = &plan->steps[i];
        if (step->kind == REGION_STEP_INSIDE) continue;
        if (step->kind == REGION_STEP_CHAIN) {
            struct region_chain* chain = &step->plan.chain;
            read_by(plan, chain->input, i);
            chain->storage = add_storage(plan, REGION_MEMORY, 0, chain_plan_floats(chain->plan));
            plan->storages[chain->storage].first_op = i;
            plan->storages[chain->storage].last_op = i;
        }
        struct region_storage* out = &plan->storages[plan->places[op->output].storage];
        if (out->first_op < 0) out->first_op = i;
        out->last_op = i;
        for (int k = 0; k < op->input_count; k++) read_by(plan, op->inputs[k], i);
    }
}

/* Lets a function of each number write where an operand dies. */
static void reuse_operand(struct region_plan* plan, int op_number) {
    const struct region_op* op = &plan->graph->ops[op_number];
    if (op->kind != REGION_UNARY && op->kind != REGION_BINARY && op->kind != REGION_PRELU) return;
    const struct region_place* to = &plan->places[op->output];
    const struct region_shape* shape = &plan->shapes[op->output];
    struct region_storage* out = &plan->storages[to->storage];
    if (out->kind != REGION_MEMORY || out->inside >= 0 || out->first_op != op_number ||
        out->floats != region_count(shape)) {
        return;
    }
    for (int i = 0; i < op->input_count; i++) {
        const struct region_place* from = &plan->places[op->inputs[i]];
        struct region_storage* in = &plan->storages[from->storage];
        if (in == out || in->kind != REGION_MEMORY || in->last_op != op_number ||
            !region_same_shape(&plan->shapes[op->inputs[i]], shape) ||
            !region_is_contiguous(from, shape)) {
            continue;
        }
        out->offset = from->offset;
        out->inside = from->storage;
        if (in->inside >= 0) { /* then that one is inside of nothing */
            out->offset += in->offset;
            out->inside = in->inside;
        }
        in = &plan->storages[out->inside];
        in->last_op = (int)larger(in->last_op, out->last_op);
        return;
    }
}

/* The lowest gap between live storages, which are sorted by offset, that has the room. */
static void allocate(struct region_plan* plan, int storage, int* live, int live_count) {
    struct region_storage* wanted = &plan->storages[storage];
    const int64_t floats = divide_up(wanted->floats, CACHE_LINE_FLOATS) * CACHE_LINE_FLOATS;
    int64_t end = 0;
    int at = 0;
    for (; at < live_count; at++) {
        const struct region_storage* other = &plan->storages[live[at]];
        if (other->offset - end >= floats) break;
        end = other->offset + divide_up(other->floats, CACHE_LINE_FLOATS) * CACHE_LINE_FLOATS;
    }
    for (int i = live_count; i > at; i--) live[i] = live[i - 1];
    live[at] = storage;
    wanted->offset = end;
    plan->floats = larger(plan->floats, end + floats);
}

/* Storages by their first operator: `next` chains those of one, `first` starts a chain. */
static void allocate_all(struct region_plan* plan, int* first, int* next, int* live) {
    int live_count = 0;
    for (int i = 0; i < plan->graph->op_count; i++) first[i] = -1;
    for (int s = plan->storage_count - 1; s >= 0; s--) {
        const struct region_storage* storage = &plan->storages[s];
        if (storage->kind != REGION_MEMORY || storage->inside >= 0) continue;
        next[s] = first[storage->first_op];
        first[storage->first_op] = s;
    }
    for (int i = 0; i < plan->graph->op_count; i++) {
        for (int s = first[i]; s >= 0; s = next[s]) allocate(plan, s, live, live_count++);
        int kept = 0;
        for (int k = 0; k < live_count; k++) {
            if (plan->storages[live[k]].last_op > i) live[kept++] = live[k];
        }
        live_count = kept;
    }
    for (int s = 0; s < plan->storage_count; s++) {
        struct region_storage* storage = &plan->storages[s];
        if (storage->inside >= 0) storage->offset += plan->storages[storage->inside].offset;
    }
}

int region_place_values(struct region_plan* plan) {
    const struct region_graph* graph = plan->graph;
    for (int i = 0; i < graph->value_count; i++) plan->places[i].storage = -1;
    for (int i = graph->op_count - 1; i >= 0; i--) place_backwards(plan, &graph->ops[i]);
    for (int i = 0; i < graph->value_count; i++) {
        if (graph->values[i].constant != NULL || graph->values[i].input >= 0) place_alone(plan, i);
    }
    for (int i = 0; i < graph->op_count; i++) place_forwards(plan, i);
    find_lives(plan);
    for (int i = 0; i < graph->op_count; i++) reuse_operand(plan, i);
    int* lists = malloc((size_t)(graph->op_count + 2 * plan->storage_count + 1) * sizeof *lists);
    if (lists == NULL) return 0;
    allocate_all(plan, lists, lists + graph->op_count,
                 lists + graph->op_count + plan->storage_count);
    free(lists);
    return 1;
}
