/* A region: made of a model's nodes, planned for shapes, run. */
#include "region/region.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/scratch.h"
#include "region/plan.h"
#include "region/timing.h"

/* Plans that are kept for later runs; those that are held do not count. */
enum { KEPT_PLANS = 8 };

struct region {
    struct region_graph graph;
    pthread_mutex_t lock; /* of what follows */
    struct region_plan* plans[KEPT_PLANS];
    int64_t clock;                /* counts plans held */
    struct region_timing* timing; /* or NULL: runs are not timed */
};

/* --- Creation. */

static int add_input(struct region_reader* r, int value, int number) {
    const struct model_value* input = &r->model->values[value];
    struct region_graph* graph = r->graph;
    if (input->rank < 0) {
        return status_fail(r->why, STATUS_INVALID, "an input of a region must have a known rank");
    }
    const struct region_shape shape = region_shape_of(input, graph->sizes);
    if (!region_add_value(graph, &shape, NULL, &r->values[value])) {
        return status_fail(r->why, STATUS_NO_MEMORY, "not enough memory");
    }
    graph->values[r->values[value]].input = number;
    graph->inputs[number] = r->values[value];
    return 1;
}

static int add_output(struct region_reader* r, int value, int number) {
    struct region_graph* graph = r->graph;
    const int found = r->values[value];
    if (found == REGION_NO_VALUE || graph->values[found].output >= 0 ||
        graph->values[found].input >= 0) {
        return status_fail(r->why, STATUS_INVALID,
                           "'%.64s' must be computed by the region to be an output",
                           r->model->values[value].name);
    }
    graph->values[found].output = number;
    graph->outputs[number] = found;
    return 1;
}

static int build(struct region_reader* r, const int* inputs, int input_count, const int* outputs,
                 int output_count) {
    struct region_graph* graph = r->graph;
    graph->inputs = malloc((size_t)(input_count + 1) * sizeof *graph->inputs);
    graph->outputs = malloc((size_t)(output_count + 1) * sizeof *graph->outputs);
    r->values = malloc((size_t)(r->model->value_count + 1) * sizeof *r->values);
    if (graph->inputs == NULL || graph->outputs == NULL || r->values == NULL) {
        return status_fail(r->why, STATUS_NO_MEMORY, "not enough memory");
    }
    for (int i = 0; i < r->model->value_count; i++) r->values[i] = REGION_NO_VALUE;
    for (int i = 0; i < input_count; i++) {
        if (!add_input(r, inputs[i], i)) return 0;
        graph->input_count++;
    }
    for (int i = 0; i < r->model->node_count; i++) {
        if (region_read_node(r, i)) continue;
        const struct model_node* node = &r->model->nodes[i];
        return status_prefix(r->why, "%.64s '%.64s': ", node->op_type, node->name);
    }
    for (int i = 0; i < output_count; i++) {
        if (!add_output(r, outputs[i], i)) return 0;
        graph->output_count++;
    }
    return 1;
}

static int keep_names(struct region_reader* r) {
    return region_keep_names(r->graph, r->model) ||
           status_fail(r->why, STATUS_NO_MEMORY, "not enough memory");
}

struct region* region_create(const struct model* model, const int* inputs, int input_count,
                             const int* outputs, int output_count, const struct isa* isa,
                             struct status* why) {
    struct region* region = calloc(1, sizeof *region);
    if (region == NULL || !region_graph_init(&region->graph)) {
        free(region);
        status_fail(why, STATUS_NO_MEMORY, "not enough memory for a region");
        return NULL;
    }
    pthread_mutex_init(&region->lock, NULL);
    region->graph.isa = isa;
    struct region_reader reader = {.graph = &region->graph, .model = model, .why = why};
    const int made = build(&reader, inputs, input_count, outputs, output_count) &&
                     keep_names(&reader) && region_fuse(&region->graph, why) &&
                     region_pack(&region->graph, isa, why);
    free(reader.values);
    if (made) return region;
    region_destroy(region);
    return NULL;
}

int region_check(const struct model* model, const int* inputs, int input_count, const int* outputs,
                 int output_count, struct status* why) {
    struct region_graph graph;
    struct region_reader reader = {.graph = &graph, .model = model, .why = why};
    if (!region_graph_init(&graph)) {
        return status_fail(why, STATUS_NO_MEMORY, "not enough memory for a region");
    }
    const int made = build(&reader, inputs, input_count, outputs, output_count);
    free(reader.values);
    region_graph_release(&graph);
    return made;
}

void region_destroy(struct region* region) {
    if (region == NULL) return;
    for (int i = 0; i < KEPT_PLANS; i++) region_plan_destroy(region->plans[i]);
    if (region->timing != NULL) region_timing_release(region->timing);
    free(region->timing);
    region_graph_release(&region->graph);
    pthread_mutex_destroy(&region->lock);
    free(region);
}

/* --- Plans. */

static int is_for(const struct region_plan* plan, const struct region_shape* inputs) {
    int same = 1;
    for (int i = 0; same && i < plan->graph->input_count; i++) {
        same = region_same_shape(&plan->inputs[i], &inputs[i]);
    }
    return same;
}

static void hold(struct region* region, struct region_plan* plan) {
    plan->holders++;
    plan->last_held = ++region->clock;
}

/* The plan for these inputs that is kept, held; or NULL. */
static struct region_plan* hold_kept(struct region* region, const struct region_shape* inputs) {
    for (int i = 0; i < KEPT_PLANS; i++) {
        struct region_plan* plan = region->plans[i];
        if (plan == NULL || !is_for(plan, inputs)) continue;
        hold(region, plan);
        return plan;
    }
    return NULL;
}

/* Keeps a plan instead of the one that was held longest ago and is not in use; returns the latter,
 * or NULL. */
static struct region_plan* keep(struct region* region, struct region_plan* plan) {
    int oldest = -1;
    for (int i = 0; i < KEPT_PLANS; i++) {
        const struct region_plan* other = region->plans[i];
        if (other == NULL) {
            oldest = i;
            break;
        }
        if (other->holders == 0 &&
            (oldest < 0 || other->last_held < region->plans[oldest]->last_held)) {
            oldest = i;
        }
    }
    hold(region, plan);
    if (oldest < 0) return NULL; /* released by its last holder */
    struct region_plan* dropped = region->plans[oldest];
    region->plans[oldest] = plan;
    return dropped;
}

const struct region_plan* region_plan_hold(struct region* region, const struct region_shape* inputs,
                                           struct status* why) {
    pthread_mutex_lock(&region->lock);
    struct region_plan* plan = hold_kept(region, inputs);
    pthread_mutex_unlock(&region->lock);
    if (plan != NULL) return plan;
    struct region_plan* made = region_plan_create(&region->graph, inputs, why);
    if (made == NULL) return NULL;
    pthread_mutex_lock(&region->lock);
    plan = hold_kept(region, inputs); /* another thread may have been quicker */
    struct region_plan* dropped = plan != NULL ? made : keep(region, made);
    if (plan == NULL && region->timing != NULL) {
        made->record = region_timing_record(region->timing, made);
    }
    pthread_mutex_unlock(&region->lock);
    region_plan_destroy(dropped);
    return plan != NULL ? plan : made;
}

void region_plan_release(struct region* region, const struct region_plan* held) {
    struct region_plan* plan = (struct region_plan*)held;
    int kept = 0;
    pthread_mutex_lock(&region->lock);
    plan->holders--;
    for (int i = 0; i < KEPT_PLANS; i++) kept |= region->plans[i] == plan;
    pthread_mutex_unlock(&region->lock);
    if (!kept) region_plan_destroy(plan);
}

const struct region_shape* region_plan_output(const struct region_plan* plan, int output) {
    return &plan->outputs[output];
}

size_t region_plan_bytes(const struct region_plan* plan) {
    return (size_t)plan->floats * sizeof(float);
}

struct region_timing* region_time_runs(struct region* region) {
    if (region->timing == NULL) region->timing = calloc(1, sizeof *region->timing);
    return region->timing;
}

/* --- Running. */

struct region_job {
    struct region_run run;
    int op;
};

static void run_task(void* data, size_t task) {
    const struct region_job* job = data;
    region_run_task(&job->run, job->op, (int64_t)task, scratch_of_thread());
}

static void run_image(struct region_job* job, const struct region_runner* runner) {
    const struct region_plan* plan = job->run.plan;
    int64_t* moments = plan->record != NULL ? region_begin_moments(plan->record) : NULL;
    for (job->op = 0; job->op < plan->graph->op_count; job->op++) {
        const int64_t tasks = plan->steps[job->op].task_count;
        region_begin_step(&job->run, job->op);
        if (tasks == 1) {
            run_task(job, 0);
        } else if (tasks > 1) {
            runner->run(runner->self, run_task, job, (size_t)tasks);
        }
        if (moments != NULL) moments[job->op + 1] = region_moment();
    }
    if (moments != NULL) region_end_moments(plan->record, moments);
}

void region_plan_run(const struct region_plan* plan, const float* const* inputs,
                     float* const* outputs, void* memory, const struct region_runner* runner) {
    struct region_job job = {
        .run = {.plan = plan, .inputs = inputs, .outputs = outputs, .memory = memory}};
    for (; job.run.image < plan->images; job.run.image++) run_image(&job, runner);
}
