/* How long each step of a region takes, for the profile. Private to this room. */
#ifndef ORT_SPARSE_REGION_TIMING_H
#define ORT_SPARSE_REGION_TIMING_H

#include "region/plan.h"

enum {
    REGION_SAMPLES = 256,    /* of the last runs, that are kept of each step */
    REGION_MOST_RECORDS = 16 /* of a region */
};

/* Nanoseconds that something took in all runs; the median is of the last REGION_SAMPLES. */
struct region_time {
    int64_t median, minimum, total;
};

/* The runs of plans for the same inputs. */
struct region_record;

/* The records of a region. Its functions are called by one thread at a time, except those of runs.
 */
struct region_timing {
    int count;
    struct region_record* records[REGION_MOST_RECORDS];
    int64_t left_out; /* plans that have no record: there were too many, or memory was short */
};

/* region.c: from now on runs of the region are timed; gives the records. NULL where memory is
 * short. */
struct region_timing* region_time_runs(struct region*);

void region_timing_release(struct region_timing*);

/* The record of the plan's inputs; a new one where there is none yet. Or NULL. */
struct region_record* region_timing_record(struct region_timing*, const struct region_plan*);

const struct region_shape* region_record_inputs(const struct region_record*);
int64_t region_record_runs(const struct region_record*);

/* The time of an operator's step, or of the whole run for op_count. Returns whether memory
 * sufficed. */
int region_record_time(const struct region_record*, int op, struct region_time*);

/* --- Runs, by any number of threads. */

/* Moments of a run: the first is its begin, the next is for the caller to write after each step.
 * NULL where memory is short; then the run is not recorded. */
int64_t* region_begin_moments(const struct region_record*);
int64_t region_moment(void);

/* Adds a run to its record; releases the moments. */
void region_end_moments(struct region_record*, int64_t* moments);

#endif
