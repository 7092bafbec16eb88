#include "region/timing.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arithmetic.h"

struct region_record {
    int input_count, op_count;
    struct region_shape* inputs;
    pthread_mutex_t lock; /* of what follows */
    int64_t runs;
    /* Of each operator, then of the whole run. */
    int64_t *minimum, *total;
    int64_t* samples; /* REGION_SAMPLES rows, of which the oldest is written next */
};

static void destroy(struct region_record* record) {
    free(record->inputs);
    free(record->minimum);
    free(record->total);
    free(record->samples);
    pthread_mutex_destroy(&record->lock);
    free(record);
}

static struct region_record* create(const struct region_plan* plan) {
    const size_t inputs = (size_t)plan->graph->input_count;
    const size_t times = (size_t)plan->graph->op_count + 1;
    struct region_record* record = calloc(1, sizeof *record);
    if (record == NULL) return NULL;
    pthread_mutex_init(&record->lock, NULL);
    record->input_count = plan->graph->input_count;
    record->op_count = plan->graph->op_count;
    record->inputs = malloc((inputs + 1) * sizeof *record->inputs);
    record->minimum = malloc(times * sizeof *record->minimum);
    record->total = calloc(times, sizeof *record->total);
    record->samples = malloc(REGION_SAMPLES * times * sizeof *record->samples);
    if (record->inputs == NULL || record->minimum == NULL || record->total == NULL ||
        record->samples == NULL) {
        destroy(record);
        return NULL;
    }
    memcpy(record->inputs, plan->inputs, inputs * sizeof *record->inputs);
    return record;
}

void region_timing_release(struct region_timing* timing) {
    while (timing->count > 0) destroy(timing->records[--timing->count]);
}

static int is_for(const struct region_record* record, const struct region_plan* plan) {
    int same = 1;
    for (int i = 0; same && i < record->input_count; i++) {
        same = region_same_shape(&record->inputs[i], &plan->inputs[i]);
    }
    return same;
}

struct region_record* region_timing_record(struct region_timing* timing,
                                           const struct region_plan* plan) {
    for (int i = 0; i < timing->count; i++) {
        if (is_for(timing->records[i], plan)) return timing->records[i];
    }
    struct region_record* made = timing->count < REGION_MOST_RECORDS ? create(plan) : NULL;
    if (made == NULL) {
        timing->left_out++;
    } else {
        timing->records[timing->count++] = made;
    }
    return made;
}

const struct region_shape* region_record_inputs(const struct region_record* record) {
    return record->inputs;
}

int64_t region_record_runs(const struct region_record* record) { return record->runs; }

static int compare(const void* a, const void* b) {
    const int64_t x = *(const int64_t*)a, y = *(const int64_t*)b;
    return (x > y) - (x < y);
}

int region_record_time(const struct region_record* record, int op, struct region_time* time) {
    const int64_t times = record->op_count + 1, count = smaller(record->runs, REGION_SAMPLES);
    *time = (struct region_time){0};
    if (count == 0) return 1;
    int64_t* column = malloc((size_t)count * sizeof *column);
    if (column == NULL) return 0;
    for (int64_t i = 0; i < count; i++) column[i] = record->samples[i * times + op];
    qsort(column, (size_t)count, sizeof *column, compare);
    time->median = (column[(count - 1) / 2] + column[count / 2]) / 2;
    time->minimum = record->minimum[op];
    time->total = record->total[op];
    free(column);
    return 1;
}

/* --- Runs. */

int64_t region_moment(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t* region_begin_moments(const struct region_record* record) {
    int64_t* moments = malloc(((size_t)record->op_count + 1) * sizeof *moments);
    if (moments != NULL) moments[0] = region_moment();
    return moments;
}

static void add_time(struct region_record* record, int64_t* row, int op, int64_t time) {
    if (record->runs == 0 || time < record->minimum[op]) record->minimum[op] = time;
    record->total[op] += time;
    row[op] = time;
}

void region_end_moments(struct region_record* record, int64_t* moments) {
    const int count = record->op_count;
    pthread_mutex_lock(&record->lock);
    int64_t* row = record->samples + record->runs % REGION_SAMPLES * (count + 1);
    for (int op = 0; op < count; op++) {
        add_time(record, row, op, moments[op + 1] - moments[op]);
    }
    add_time(record, row, count, moments[count] - moments[0]);
    record->runs++;
    pthread_mutex_unlock(&record->lock);
    free(moments);
}
