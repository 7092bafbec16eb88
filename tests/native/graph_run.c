/* All regions of a graph: claimed, made, planned, run and judged. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fake_ort.h"
#include "graph_case.h"
#include "region/describe.h"
#include "region/profile.h"
#include "region/region.h"

enum { MOST_FLOATS = 1 << 20 /* of one run's memory or output */, GUARD_FLOATS = 16 };

/* Caches so small that planes of these graphs do not fit them. */
int64_t __wrap_cache_l1_bytes(void);
int64_t __wrap_cache_l2_bytes(void);
int64_t __wrap_cache_l1_bytes(void) { return 12 << 10; }
int64_t __wrap_cache_l2_bytes(void) { return 16 << 10; }

static atomic_long compared;

long graph_compared_numbers(void) { return atomic_load(&compared); }

static const float guard = 12345.0f;

static _Noreturn void refuse(const char* rule, const char* found) {
    fprintf(stderr, "graph_run: %s, but found: %s\n", rule, found);
    abort();
}

static void require(int holds, const char* rule, const char* found) {
    if (!holds) refuse(rule, found);
}

/* --- Threads. */

struct share {
    task_function task;
    void* data;
    size_t count;
    atomic_size_t next;
};

static void* run_share(void* argument) {
    struct share* share = argument;
    for (size_t i; (i = atomic_fetch_add(&share->next, 1)) < share->count;) {
        share->task(share->data, i);
    }
    return NULL;
}

static void run_in_order(void* self, task_function task, void* data, size_t count) {
    (void)self;
    for (size_t i = 0; i < count; i++) task(data, i);
}

static void run_backwards(void* self, task_function task, void* data, size_t count) {
    (void)self;
    while (count > 0) task(data, --count);
}

static void run_on_threads(void* self, task_function task, void* data, size_t count) {
    enum { MOST_THREADS = 8 };
    pthread_t threads[MOST_THREADS];
    struct share share = {.task = task, .data = data, .count = count};
    int started = 0;
    while (started < *(int*)self - 1 && started < MOST_THREADS &&
           pthread_create(&threads[started], NULL, run_share, &share) == 0) {
        started++;
    }
    run_share(&share);
    while (started > 0) pthread_join(threads[--started], NULL);
}

/* --- A region as a model of its own. */

struct part {
    const struct graph_case* c;
    struct model model;
    struct model_node nodes[GRAPH_MOST_NODES];
    int members[GRAPH_MOST_NODES];
    int inputs[GRAPH_MOST_VALUES], outputs[GRAPH_MOST_VALUES];
    int input_count, output_count;
};

static int has(const int* list, int count, int value) {
    for (int i = 0; i < count; i++) {
        if (list[i] == value) return 1;
    }
    return 0;
}

static int is_read_outside(const struct graph_case* c, const struct claim* claim, int region,
                           int value) {
    if (c->values[value].leaves) return 1;
    for (int i = 0; i < c->model.node_count; i++) {
        if (claim->nodes[i].region == region) continue;
        if (has(c->nodes[i].inputs, c->nodes[i].input_count, value)) return 1;
    }
    return 0;
}

static void add_borders(struct part* part, const struct claim* claim, int region, int node) {
    const struct graph_case* c = part->c;
    for (int k = 0; k < c->nodes[node].input_count; k++) {
        const int value = c->nodes[node].inputs[k];
        if (value == MODEL_NO_VALUE || c->values[value].constant.given) continue;
        const int producer = c->values[value].producer;
        if (producer != MODEL_NO_NODE && claim->nodes[producer].region == region) continue;
        if (!has(part->inputs, part->input_count, value)) {
            part->inputs[part->input_count++] = value;
        }
    }
    for (int k = 0; k < c->nodes[node].output_count; k++) {
        const int value = c->nodes[node].outputs[k];
        if (value != MODEL_NO_VALUE && is_read_outside(c, claim, region, value)) {
            part->outputs[part->output_count++] = value;
        }
    }
}

static void make_part(struct part* part, const struct graph_case* c, const struct claim* claim,
                      int region) {
    *part = (struct part){.c = c, .model = c->model};
    part->model.node_count = 0;
    for (int i = 0; i < c->model.node_count; i++) {
        if (claim->nodes[i].region != region) continue;
        part->members[part->model.node_count] = i;
        part->nodes[part->model.node_count++] = c->nodes[i];
        add_borders(part, claim, region, i);
    }
    part->model.nodes = part->nodes;
}

/* No path may leave the region and come back. */
static void check_convex(const struct graph_case* c, const struct claim* claim, int region) {
    char is_behind[GRAPH_MOST_NODES] = {0};
    for (int i = 0; i < c->model.node_count; i++) {
        const int is_member = claim->nodes[i].region == region;
        for (int k = 0; k < c->nodes[i].input_count; k++) {
            const int value = c->nodes[i].inputs[k];
            const int producer =
                value == MODEL_NO_VALUE ? MODEL_NO_NODE : c->values[value].producer;
            if (producer == MODEL_NO_NODE) continue;
            require(!is_member || !is_behind[producer], "a region must be convex",
                    c->node_names[i]);
            is_behind[i] |=
                !is_member && (is_behind[producer] || claim->nodes[producer].region == region);
        }
    }
}

/* --- Runs. */

struct arrays {
    float *inputs[GRAPH_MOST_VALUES], *outputs[GRAPH_MOST_VALUES];
    int64_t counts[GRAPH_MOST_VALUES]; /* of outputs */
    void* memory;
};

/* Exactly as long as they are, from any float on. */
static void make_inputs(const struct part* part, int run, struct arrays* arrays) {
    for (int i = 0; i < part->input_count; i++) {
        const struct oracle_tensor* x = &part->c->tensors[run][part->inputs[i]];
        arrays->inputs[i] = fake_allocate((size_t)x->count + 1, sizeof(float));
        for (int64_t k = 0; k < x->count; k++) {
            arrays->inputs[i][1 + k] = isfinite(x->bounds[k]) ? (float)x->values[k]
                                       : k % 3 == 0           ? NAN
                                       : k % 3 == 1           ? INFINITY
                                                              : -1e38f;
        }
    }
}

/* Shape of an output, and memory for it. */
static int make_output(const struct part* part, const struct region_plan* plan, int output,
                       struct arrays* arrays) {
    const struct region_shape* shape = region_plan_output(plan, output);
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++) {
        require(shape->dims[i] >= 0, "sizes must be known in a plan", "a negative one");
        if (__builtin_mul_overflow(count, shape->dims[i], &count)) return 0;
    }
    if (count > MOST_FLOATS) return 0;
    (void)part;
    arrays->counts[output] = count;
    arrays->outputs[output] = fake_allocate((size_t)count + 2 * GUARD_FLOATS, sizeof(float));
    for (int64_t i = 0; i < count + 2 * GUARD_FLOATS; i++) arrays->outputs[output][i] = guard;
    return 1;
}

static void check_guards(const struct part* part, const struct arrays* arrays) {
    for (int i = 0; i < part->output_count; i++) {
        const float* floats = arrays->outputs[i];
        for (int k = 0; k < GUARD_FLOATS; k++) {
            require(floats[k] == guard && floats[GUARD_FLOATS + arrays->counts[i] + k] == guard,
                    "nothing outside an output may be written", part->c->names[part->outputs[i]]);
        }
    }
}

static void release_arrays(const struct part* part, struct arrays* arrays) {
    for (int i = 0; i < part->input_count; i++) free(arrays->inputs[i]);
    for (int i = 0; i < part->output_count; i++) free(arrays->outputs[i]);
    free(arrays->memory);
}

/* Runs a plan; returns 0 if it wants more memory than there is here. What is in the memory before
 * must not matter. */
static int run_plan(const struct part* part, const struct region_plan* plan, int run, int garbage,
                    const struct region_runner* runner, struct arrays* arrays) {
    const float* inputs[GRAPH_MOST_VALUES];
    float* outputs[GRAPH_MOST_VALUES];
    const size_t bytes = region_plan_bytes(plan);
    *arrays = (struct arrays){.memory = NULL};
    int fits = bytes <= MOST_FLOATS * sizeof(float);
    for (int i = 0; fits && i < part->output_count; i++) fits = make_output(part, plan, i, arrays);
    if (!fits) {
        release_arrays(part, arrays);
        return 0;
    }
    make_inputs(part, run, arrays);
    for (int i = 0; i < part->input_count; i++) inputs[i] = arrays->inputs[i] + 1;
    for (int i = 0; i < part->output_count; i++) outputs[i] = arrays->outputs[i] + GUARD_FLOATS;
    if (posix_memalign(&arrays->memory, MEMORY_ALIGNMENT, bytes + 1) != 0) abort();
    memset(arrays->memory, garbage, bytes);
    region_plan_run(plan, inputs, outputs, arrays->memory, runner);
    check_guards(part, arrays);
    return 1;
}

static void check_shape(const struct part* part, const struct region_plan* plan, int output,
                        const struct oracle_tensor* wanted) {
    const struct region_shape* shape = region_plan_output(plan, output);
    const char* name = part->c->names[part->outputs[output]];
    require(shape->rank == wanted->rank, "an output must have the right rank", name);
    for (int i = 0; i < shape->rank; i++) {
        require(shape->dims[i] == wanted->dims[i], "an output must have the right shape", name);
    }
}

static void check_numbers(const struct part* part, int output, const struct oracle_tensor* wanted,
                          const float* floats) {
    for (int64_t i = 0; i < wanted->count; i++) {
        const double bound = wanted->bounds[i];
        /* A float32 sum on the way may be infinite where its average is not. */
        if (!isfinite(bound) || fabs(wanted->values[i]) > 1e30) continue;
        if (fabs((double)floats[i] - wanted->values[i]) <= 4 * bound) {
            atomic_fetch_add(&compared, 1);
            continue;
        }
        char found[200];
        snprintf(found, sizeof found, "%s[%lld] = %.9g, not %.9g within %g",
                 part->c->names[part->outputs[output]], (long long)i, (double)floats[i],
                 wanted->values[i], bound);
        refuse("numbers must be right", found);
    }
}

static void check_bits(const struct part* part, const struct arrays* a, const struct arrays* b) {
    for (int i = 0; i < part->output_count; i++) {
        for (int64_t k = GUARD_FLOATS; k < GUARD_FLOATS + a->counts[i]; k++) {
            /* A NaN's bits may come from either operand. */
            if (isnan(a->outputs[i][k]) && isnan(b->outputs[i][k])) continue;
            require(memcmp(&a->outputs[i][k], &b->outputs[i][k], sizeof(float)) == 0,
                    "threads and garbage must not change bits", part->c->names[part->outputs[i]]);
        }
    }
}

static int are_known(const struct graph_case* c, int run, const int* values, int count) {
    for (int i = 0; i < count; i++) {
        if (!c->tensors[run][values[i]].known) return 0;
    }
    return 1;
}

/* Whether the oracle computed all that the region computes. */
static int is_computed(const struct part* part, int run) {
    for (int m = 0; m < part->model.node_count; m++) {
        const struct model_node* node = &part->nodes[m];
        for (int i = 0; i < node->output_count; i++) {
            if (node->outputs[i] != MODEL_NO_VALUE &&
                !part->c->tensors[run][node->outputs[i]].known) {
                return 0;
            }
        }
    }
    return 1;
}

static int run_twice(const struct part* part, const struct region_plan* plan, int run,
                     int threads) {
    const struct region_runner in_order = {run_in_order, NULL};
    const struct region_runner other = threads > 0
                                           ? (struct region_runner){run_on_threads, &threads}
                                           : (struct region_runner){run_backwards, NULL};
    struct arrays first, second;
    const int is_right = !part->c->is_changed && is_computed(part, run);
    for (int i = 0; is_right && i < part->output_count; i++) {
        check_shape(part, plan, i, &part->c->tensors[run][part->outputs[i]]);
    }
    if (!run_plan(part, plan, run, 0xff, &in_order, &first)) return 0;
    for (int i = 0; is_right && i < part->output_count; i++) {
        check_numbers(part, i, &part->c->tensors[run][part->outputs[i]],
                      first.outputs[i] + GUARD_FLOATS);
    }
    if (run_plan(part, plan, run, 0x7e, &other, &second)) {
        check_bits(part, &first, &second);
        release_arrays(part, &second);
    }
    release_arrays(part, &first);
    return 1;
}

static int run_shapes(const struct part* part, struct region* region, int run, int threads) {
    struct region_shape shapes[GRAPH_MOST_VALUES];
    struct status status = {.message = ""};
    if (!are_known(part->c, run, part->inputs, part->input_count)) return 0;
    for (int i = 0; i < part->input_count; i++) {
        const struct oracle_tensor* x = &part->c->tensors[run][part->inputs[i]];
        shapes[i] = (struct region_shape){.rank = x->rank};
        memcpy(shapes[i].dims, x->dims, sizeof x->dims);
    }
    const struct region_plan* plan = region_plan_hold(region, shapes, &status);
    if (plan == NULL) {
        require(status.message[0] != 0, "an error must have a message", "none");
        require(fake_has_failed() || part->c->is_changed || !is_computed(part, run),
                "shapes that fit must be planned", status.message);
        return 0;
    }
    const int succeeded = run_twice(part, plan, run, threads);
    region_plan_release(region, plan);
    return succeeded;
}

/* --- All regions. */

/* One of several that run the same region at the same time, some of them with the same shapes. */
struct user {
    const struct part* part;
    struct region* region;
    int run, threads, succeeded;
};

static void* use_region(void* argument) {
    struct user* user = argument;
    user->succeeded = run_shapes(user->part, user->region, user->run, user->threads);
    return NULL;
}

static int run_all_shapes(const struct part* part, struct region* region, int threads) {
    enum { MOST_USERS = 4 };
    struct user users[MOST_USERS];
    pthread_t running[MOST_USERS];
    const int count = threads > 0 ? MOST_USERS : part->c->run_count;
    int succeeded = 1;
    for (int i = 0; i < count; i++) {
        users[i] = (struct user){part, region, i % part->c->run_count, threads, 0};
        if (threads == 0) {
            use_region(&users[i]);
        } else if (pthread_create(&running[i], NULL, use_region, &users[i]) != 0) {
            abort();
        }
    }
    for (int i = 0; i < count; i++) {
        if (threads > 0) pthread_join(running[i], NULL);
        succeeded &= users[i].succeeded;
    }
    return succeeded;
}

static int run_region(const struct part* part, int threads) {
    struct status status = {.message = ""};
    struct region* region = region_create(&part->model, part->inputs, part->input_count,
                                          part->outputs, part->output_count, part->c->isa, &status);
    if (region == NULL) {
        require(fake_has_failed(), "a claimed region must be made", status.message);
        require(status.code == STATUS_NO_MEMORY, "only memory may be short", status.message);
        return 0;
    }
    struct region_profile* profile = region_profile_create();
    if (profile != NULL) region_profile_add(profile, region, "region"); /* else it is not timed */
    const int succeeded = run_all_shapes(part, region, threads);
    region_destroy(region);
    region_profile_destroy(profile);
    return succeeded;
}

/* What it says is tested elsewhere: here it must only not fail. */
static void describe(const struct claim_region* region) {
    static char text[1 << 12];
    FILE* file = region->plan != NULL ? fmemopen(text, sizeof text, "w") : NULL;
    if (file == NULL) return;
    struct json json = {file, 0};
    region_describe_steps(&json, region->plan);
    fclose(file);
}

int graph_run(const struct graph_case* c, int threads) {
    struct claim claim;
    struct status status = {.message = ""};
    int succeeded = claim_make(&claim, &c->model, c->mode, c->isa, 1, &status);
    if (!succeeded) {
        require(fake_has_failed() && status.code == STATUS_NO_MEMORY, "claiming must succeed",
                status.message);
    }
    for (int region = 0; succeeded && region < claim.region_count; region++) {
        struct part part;
        if (!claim.regions[region].claimed) continue;
        require(c->mode != CLAIM_OFF, "nothing may be claimed where regions are off", "a region");
        check_convex(c, &claim, region);
        make_part(&part, c, &claim, region);
        require(part.model.node_count == claim.regions[region].node_count,
                "a claim must count its nodes", "another number");
        describe(&claim.regions[region]);
        succeeded &= run_region(&part, threads);
    }
    claim_release(&claim);
    return succeeded;
}
