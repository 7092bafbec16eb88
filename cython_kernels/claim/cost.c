/* Each cost is a sum of amounts of work times constants. What decides is the ratio of two costs,
 * which differs much less from machine to machine than the costs do. */
#include "claim/cost.h"

#include "base/arithmetic.h"

/* Microseconds for a thousand of each kind of work; `start` is for a node as a whole. */
struct rates {
    struct {
        double start, stored, conv, inputs, outputs, elements, functions;
    } region;
    struct {
        double start, multiply_adds, conv, weights, elements, functions, border_start, border;
    } runtime;
};

/* Measured by benchmarks/fit_region_costs.py. */
static const struct rates avx512 = {
    .region = {0.6, 0.0125, 0.0165, 0.02, 0.02, 0.03, 0.12},
    .runtime = {2.0, 0.0063, 0.033, 0.087, 0.045, 0.25, 2.0, 0.04},
};
static const struct rates avx2 = {
    .region = {0.6, 0.033, 0.040, 0.05, 0.05, 0.06, 0.30},
    .runtime = {2.0, 0.0215, 0.075, 0.10, 0.08, 0.60, 2.0, 0.07},
};

static const struct rates* rates_of(const struct isa* isa) {
    return isa->id == ISA_avx512 ? &avx512 : &avx2;
}

static double thousands(int64_t count) { return (double)count / 1000; }

static double region_cost(const struct survey_node* node, const struct rates* r) {
    const struct region_work* w = &node->work;
    const double both = thousands(w->inputs) + thousands(w->outputs);
    const double functions = r->region.functions * thousands(w->functions);
    switch (w->kind) {
        case REGION_WORK_POINTWISE:
            return r->region.start + functions +
                   r->region.stored * thousands(w->stored) * (double)w->pixels +
                   r->region.inputs * thousands(w->inputs) +
                   r->region.outputs * thousands(w->outputs);
        case REGION_WORK_CONV:
            return r->region.start + r->region.conv * thousands(w->multiply_adds) +
                   r->region.outputs * thousands(w->outputs);
        case REGION_WORK_POOL:
        case REGION_WORK_ELEMENTWISE:
            if (node->joins) return functions;
            return r->region.start + functions + r->region.elements * both;
        case REGION_WORK_MOVE:
            break;
    }
    return 0;
}

static double runtime_cost(const struct survey_node* node, const struct rates* r) {
    const struct region_work* w = &node->work;
    const double both = thousands(w->inputs) + thousands(w->outputs);
    const double functions = r->runtime.functions * thousands(w->functions);
    switch (w->kind) {
        case REGION_WORK_POINTWISE:
            return r->runtime.start + r->runtime.multiply_adds * thousands(w->multiply_adds) +
                   r->runtime.weights * thousands(w->weights) + r->runtime.elements / 2 * both;
        case REGION_WORK_CONV:
            return r->runtime.start + r->runtime.conv * thousands(w->multiply_adds) +
                   r->runtime.elements / 2 * both;
        case REGION_WORK_POOL:
        case REGION_WORK_ELEMENTWISE:
            if (node->joins && w->functions == 0) return 0;
            return r->runtime.start + functions + r->runtime.elements * both;
        case REGION_WORK_MOVE:
            return r->runtime.start + r->runtime.elements * both;
    }
    return 0;
}

struct cost cost_of_node(const struct survey_node* node, const struct isa* isa) {
    const struct rates* rates = rates_of(isa);
    struct cost cost = {.region = region_cost(node, rates), .dense = runtime_cost(node, rates)};
    cost.custom_op = cost.dense;
    if (node->is_sparse_op) cost.custom_op = cost.region + rates->runtime.start;
    return cost;
}

double cost_of_border(int64_t numbers, const struct isa* isa) {
    const struct rates* rates = rates_of(isa);
    return rates->runtime.border_start + rates->runtime.border * thousands(numbers);
}
