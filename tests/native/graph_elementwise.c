/* The oracle of functions of each number, and of two numbers. */
#include <math.h>
#include <string.h>

#include "graph_oracle.h"

/* --- Functions of one number. */

static double identity_of(double x, double a, double b) { return (void)a, (void)b, x; }
static double relu(double x, double a, double b) { return (void)a, (void)b, x > 0 ? x : 0; }
static double leaky(double x, double a, double b) { return (void)b, x < 0 ? a * x : x; }
static double elu(double x, double a, double b) { return (void)b, x < 0 ? a * expm1(x) : x; }
static double clip(double x, double a, double b) { return x < a ? a : x > b ? b : x; }
static double hard_sigmoid(double x, double a, double b) { return clip(a * x + b, 0, 1); }
static double hard_swish(double x, double a, double b) {
    return (void)a, (void)b, x * clip(x / 6 + 0.5, 0, 1);
}
static double sigmoid(double x, double a, double b) { return (void)a, (void)b, 1 / (1 + exp(-x)); }
static double tanh_of(double x, double a, double b) { return (void)a, (void)b, tanh(x); }
static double softplus(double x, double a, double b) {
    return (void)a, (void)b, x > 30 ? x : log1p(exp(x));
}
static double mish(double x, double a, double b) { return x * tanh(softplus(x, a, b)); }
static double abs_of(double x, double a, double b) { return (void)a, (void)b, fabs(x); }
static double neg(double x, double a, double b) { return (void)a, (void)b, -x; }
static double sqrt_of(double x, double a, double b) { return (void)a, (void)b, sqrt(x); }
static double exp_of(double x, double a, double b) { return (void)a, (void)b, exp(x); }
static double log_of(double x, double a, double b) { return (void)a, (void)b, log(x); }
static double erf_of(double x, double a, double b) { return (void)a, (void)b, erf(x); }
static double reciprocal(double x, double a, double b) { return (void)a, (void)b, 1 / x; }
static double gelu(double x, double a, double b) {
    return (void)a, (void)b, x * (1 + erf(x / sqrt(2))) / 2;
}
static double gelu_tanh(double x, double a, double b) {
    return (void)a, (void)b,
           x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x))) / 2;
}
static double sine(double x, double a, double b) { return (void)a, (void)b, sin(x); }
static double twice(double x, double a, double b) { return (void)a, (void)b, 2 * x; }

typedef double (*function)(double x, double a, double b);

/* Attributes that give a and b, and what they are otherwise. */
static const struct unary {
    const char* op_type;
    function run;
    const char *name_a, *name_b;
    float a, b;
} unaries[] = {
    {"Relu", relu, "", "", 0, 0},
    {"LeakyRelu", leaky, "alpha", "", 0.01f, 0},
    {"Elu", elu, "alpha", "", 1, 0},
    {"HardSigmoid", hard_sigmoid, "alpha", "beta", 0.2f, 0.5f},
    {"HardSwish", hard_swish, "", "", 0, 0},
    {"Sigmoid", sigmoid, "", "", 0, 0},
    {"Tanh", tanh_of, "", "", 0, 0},
    {"Softplus", softplus, "", "", 0, 0},
    {"Mish", mish, "", "", 0, 0},
    {"Abs", abs_of, "", "", 0, 0},
    {"Neg", neg, "", "", 0, 0},
    {"Sqrt", sqrt_of, "", "", 0, 0},
    {"Exp", exp_of, "", "", 0, 0},
    {"Log", log_of, "", "", 0, 0},
    {"Erf", erf_of, "", "", 0, 0},
    {"Reciprocal", reciprocal, "", "", 0, 0},
    {"Sin", sine, "", "", 0, 0}, /* which regions do not have */
    {"Identity", identity_of, "", "", 0, 0},
    {"Dropout", identity_of, "", "", 0, 0},
};

/* How far f may be off at x, which is off by `bound` itself. The functions are smooth or have a
 * kink, so their ends tell; near a pole nothing is known. */
static double bound_of(function f, double x, double bound, double a, double b) {
    if (!isfinite(bound)) return INFINITY; /* of a NaN, too */
    const double y = f(x, a, b), low = f(x - bound, a, b), high = f(x + bound, a, b);
    const double spread = fmax(fabs(y - low), fabs(y - high));
    if (!isfinite(low) || !isfinite(high) || !isfinite(y)) return INFINITY;
    if (f == reciprocal && fabs(x) <= 2 * bound) return INFINITY;
    /* Approximations are exact to a few millionths of the result, or of x where that is smaller. */
    return 2 * spread + bound * 1e-3 + oracle_rounded(y, 30) + 3e-6 * fmin(fabs(x), 1);
}

static enum oracle_verdict apply(const struct oracle_node* n, function f, double a, double b) {
    const struct oracle_tensor* x = oracle_input(n, 0);
    if (x == NULL) return ORACLE_REFUSED;
    struct oracle_tensor* y = oracle_output(n, 0, x->rank, x->dims);
    if (y == NULL) return ORACLE_REFUSED;
    for (int64_t i = 0; i < x->count; i++) {
        y->values[i] = f(x->values[i], a, b);
        y->bounds[i] =
            f == identity_of ? x->bounds[i] : bound_of(f, x->values[i], x->bounds[i], a, b);
    }
    return ORACLE_COMPUTED;
}

static const struct unary* find_unary(const struct model_node* node) {
    for (size_t i = 0; i < sizeof unaries / sizeof unaries[0]; i++) {
        if (model_is(node, unaries[i].op_type)) return &unaries[i];
    }
    return NULL;
}

static enum oracle_verdict run_unary(const struct oracle_node* n) {
    const struct unary* u = find_unary(n->node);
    return apply(n, u->run, model_float(n->node, u->name_a, u->a),
                 model_float(n->node, u->name_b, u->b));
}

static enum oracle_verdict run_other(const struct oracle_node* n) { return apply(n, twice, 0, 0); }

static enum oracle_verdict run_gelu(const struct oracle_node* n) {
    const char* how = model_string(n->node, "approximate", "none");
    return apply(n, strcmp(how, "tanh") == 0 ? gelu_tanh : gelu, 0, 0);
}

static enum oracle_verdict run_clip(const struct oracle_node* n) {
    double bounds[2] = {model_float(n->node, "min", -INFINITY),
                        model_float(n->node, "max", INFINITY)};
    for (int i = 0; i < 2; i++) {
        if (model_input(n->node, 1 + i) == MODEL_NO_VALUE) continue;
        const struct oracle_tensor* bound = oracle_input(n, 1 + i);
        if (bound == NULL || bound->count != 1) return ORACLE_REFUSED;
        bounds[i] = bound->values[0];
    }
    return apply(n, clip, bounds[0], bounds[1]);
}

/* --- Functions of two numbers. */

static double two(const char* op, double a, double b) {
    switch (op[0]) {
        case 'A':
            return a + b;
        case 'S':
            return a - b;
        case 'D':
            return a / b;
        case 'P': /* PRelu */
            return a < 0 ? a * b : a;
        default:
            return op[1] == 'u' ? a * b : op[1] == 'a' ? fmax(a, b) : fmin(a, b);
    }
}

static double bound_of_two(const char* op, double a, double bound_a, double b, double bound_b) {
    const double y = two(op, a, b);
    double bound = bound_a + bound_b;
    if (op[0] == 'D') {
        if (fabs(b) <= 2 * bound_b) return INFINITY;
        bound = 2 * (bound_a + fabs(y) * bound_b) / fabs(b);
    } else if ((op[0] == 'M' && op[1] == 'u') || op[0] == 'P') {
        bound = bound_a * fmax(1, fabs(b)) + fabs(a) * bound_b + bound_a * bound_b;
    }
    return bound + oracle_rounded(y, 2) + oracle_rounded(bound, 2);
}

/* The index of an operand for an element of the output, by NumPy's broadcasting. */
static int64_t operand_index(const struct oracle_tensor* operand, const struct oracle_tensor* y,
                             int64_t element) {
    int64_t index = 0, step = 1;
    for (int i = 1; i <= y->rank; i++) {
        const int64_t at = element % y->dims[y->rank - i];
        element /= y->dims[y->rank - i];
        if (i > operand->rank) continue;
        const int64_t size = operand->dims[operand->rank - i];
        if (size != 1) index += at * step;
        step *= size;
    }
    return index;
}

static int broadcast(const struct oracle_tensor* a, const struct oracle_tensor* b, int64_t* dims) {
    const int rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= rank; i++) {
        const int64_t first = i <= a->rank ? a->dims[a->rank - i] : 1;
        const int64_t second = i <= b->rank ? b->dims[b->rank - i] : 1;
        if (first != second && first != 1 && second != 1) return -1;
        dims[rank - i] = first == 1 ? second : first;
    }
    return rank;
}

/* Combines two tensors into a new one. */
static int combine(const char* op, const struct oracle_tensor* a, const struct oracle_tensor* b,
                   struct oracle_tensor* y) {
    int64_t dims[MODEL_MAX_RANK];
    const int rank = broadcast(a, b, dims);
    if (rank < 0 || !oracle_allocate(y, rank, dims)) return 0;
    for (int64_t i = 0; i < y->count; i++) {
        const int64_t k = operand_index(a, y, i), l = operand_index(b, y, i);
        y->values[i] = two(op, a->values[k], b->values[l]);
        y->bounds[i] = bound_of_two(op, a->values[k], a->bounds[k], b->values[l], b->bounds[l]);
    }
    return 1;
}

static enum oracle_verdict run_binary(const struct oracle_node* n) {
    struct oracle_tensor sum = {.known = 0}, next;
    const char* op = n->node->op_type;
    const int may_have_more = op[0] == 'M' && op[1] != 'u';
    const struct oracle_tensor *first = oracle_input(n, 0), *second = oracle_input(n, 1);
    if (first == NULL || second == NULL || (n->node->input_count != 2 && !may_have_more)) {
        return ORACLE_REFUSED;
    }
    if (!combine(op, first, second, &sum)) return ORACLE_REFUSED;
    for (int i = 2; i < n->node->input_count; i++) {
        const struct oracle_tensor* more = oracle_input(n, i);
        const int combined = more != NULL && combine(op, &sum, more, &next);
        oracle_release(&sum);
        if (!combined) return ORACLE_REFUSED;
        sum = next;
    }
    const int output = model_output(n->node, 0);
    if (output == MODEL_NO_VALUE || n->tensors[output].known ||
        (op[0] == 'P' && (sum.rank != first->rank || sum.count != first->count))) {
        oracle_release(&sum);
        return ORACLE_REFUSED;
    }
    n->tensors[output] = sum;
    return ORACLE_COMPUTED;
}

/* --- Batch normalization. */

static enum oracle_verdict run_normalization(const struct oracle_node* n) {
    const struct oracle_tensor* in[5];
    for (int i = 0; i < 5; i++) {
        in[i] = oracle_input(n, i);
        if (in[i] == NULL ||
            (i > 0 && (in[i]->rank != 1 || in[0]->rank < 2 || in[i]->dims[0] != in[0]->dims[1]))) {
            return ORACLE_REFUSED;
        }
    }
    const struct oracle_tensor* x = in[0];
    struct oracle_tensor* y = oracle_output(n, 0, x->rank, x->dims);
    if (y == NULL) return ORACLE_REFUSED;
    const double epsilon = model_float(n->node, "epsilon", 1e-5f);
    int64_t plane = 1;
    for (int i = 2; i < x->rank; i++) plane *= x->dims[i];
    for (int64_t i = 0; i < y->count; i++) {
        const int64_t c = i / plane % x->dims[1];
        const double scale = in[1]->values[c] / sqrt(in[4]->values[c] + epsilon);
        const double shift = in[2]->values[c], mean = in[3]->values[c];
        y->values[i] = (x->values[i] - mean) * scale + shift;
        y->bounds[i] = x->bounds[i] * fabs(scale) +
                       oracle_rounded((fabs(x->values[i]) + fabs(mean)) * fabs(scale), 12) +
                       oracle_rounded(shift, 12);
    }
    return ORACLE_COMPUTED;
}

oracle_rule oracle_elementwise(const struct model_node* node) {
    static const char* const binaries[] = {"Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu"};
    for (size_t i = 0; i < sizeof binaries / sizeof binaries[0]; i++) {
        if (model_is(node, binaries[i])) return run_binary;
    }
    if (model_is(node, "Gelu")) return run_gelu;
    if (model_is(node, "Clip")) return run_clip;
    if (model_is(node, "BatchNormalization")) return run_normalization;
    if (strcmp(node->domain, "other") == 0) return run_other;
    return find_unary(node) != NULL ? run_unary : NULL;
}
