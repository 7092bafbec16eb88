/* A cost is a sum of amounts of work times constants. What decides is the ratio of two costs, which
 * differs much less from machine to machine than the costs do. */
#include "claim/cost.h"

struct rates {
    double of[COST_SIDES][CLAIM_TERM_COUNT];
};

/* Microseconds for a unit of each term, in the order of CLAIM_TERM_LIST: first in a region, then in
 * ONNX Runtime. benchmarks/fit_region_costs.py measures and prints them, but for borders, which
 * whole networks do not tell: with AVX2 these are what keeps SqueezeNet and face detection, which
 * have several regions, from getting slower. */
static const struct rates avx512 = {{
    {1.0, 0.0125, 0.0085, 0.0165, 0.05, 0.02, 0.02, 0.03, 0.05, 2.0, 0.04},
    {1.0, 0, 0.0063, 0.033, 0.087, 0.01, 0.01, 0.10, 0.15, 2.0, 0.04},
}};
static const struct rates avx2 = {{
    {2.0, 0.062, 0.032, 0.040, 0.30, 0.04, 0.04, 0.10, 0.10, 2.0, 0.20},
    {1.0, 0, 0.0225, 0.100, 0.40, 0.01, 0.01, 0.25, 0.30, 2.0, 0.20},
}};

static double thousands(int64_t count) { return (double)count / 1000; }

static void add_layer(struct claim_work* work, const struct region_work* w, int is_sparse,
                      enum cost_side side) {
    if (w->kind == REGION_WORK_CONV && (w->depthwise || side == COST_REGION)) {
        work->amount[CLAIM_CONV] += thousands(w->multiply_adds);
    } else if (side == COST_REGION && is_sparse) {
        work->amount[CLAIM_SPARSE] += thousands(w->stored) * (double)w->pixels;
    } else {
        work->amount[CLAIM_DENSE] += thousands(w->multiply_adds);
    }
    work->amount[CLAIM_WEIGHTS] += thousands(side == COST_REGION ? w->stored : w->weights);
    work->amount[CLAIM_INPUTS] += thousands(w->inputs);
    work->amount[CLAIM_OUTPUTS] += thousands(w->outputs);
}

void cost_add_node(struct claim_work* work, const struct survey_node* node, enum cost_side side) {
    const struct region_work* w = &node->work;
    if (w->kind == REGION_WORK_MOVE && side == COST_REGION) return;
    /* Both sides compute simple functions with the layer before them, and a region all that it
     * has an epilogue for. */
    const int is_joined = node->joins && (side == COST_REGION || w->functions == 0);
    work->amount[CLAIM_FUNCTIONS] += thousands(w->functions);
    if (is_joined) return;
    work->amount[CLAIM_NODES] += 1;
    if (w->kind == REGION_WORK_POINTWISE || w->kind == REGION_WORK_CONV) {
        add_layer(work, w, node->is_sparse, side);
    } else {
        work->amount[CLAIM_ELEMENTS] += thousands(w->inputs) + thousands(w->outputs);
    }
}

void cost_add_border(struct claim_work* work, int64_t numbers) {
    work->amount[CLAIM_BORDERS] += 1;
    work->amount[CLAIM_BORDER_ELEMENTS] += thousands(numbers);
}

double cost_of(const struct claim_work* work, enum cost_side side, const struct isa* isa) {
    const struct rates* rates = isa->id == ISA_avx512 ? &avx512 : &avx2;
    double cost = 0;
    for (int i = 0; i < CLAIM_TERM_COUNT; i++) cost += work->amount[i] * rates->of[side][i];
    return cost;
}
