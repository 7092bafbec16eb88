#include "drivers/drivers.h"

#include <string.h>

#include "base/scratch.h"

_Static_assert((int)SCRATCH_FLOATS >= (int)SPMM_SCRATCH_FLOATS &&
                   (int)SCRATCH_FLOATS >= (int)CONV_SCRATCH_FLOATS &&
                   (int)SCRATCH_FLOATS >= (int)POOL_SCRATCH_FLOATS,
               "a thread's scratch must suffice");

static const char* const names[] = {"session", "openmp"};

const char* threading_name(enum threading threading) { return names[threading]; }

int threading_from_name(const char* name, enum threading* threading, struct status* status) {
    for (int i = THREADING_SESSION; i <= THREADING_OPENMP; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *threading = (enum threading)i;
        return 1;
    }
    return status_fail(status, STATUS_INVALID, "must be session or openmp, but is '%.64s'", name);
}

void spmm_job_task(void* job, size_t task) {
    const struct spmm_job* run = job;
    spmm_run_task(&run->plan, &run->operands, (int64_t)task, scratch_of_thread());
}

void conv_job_task(void* job, size_t task) {
    const struct conv_job* run = job;
    conv_run_task(&run->plan, &run->operands, (int64_t)task, scratch_of_thread());
}

void pool_job_task(void* job, size_t task) {
    const struct pool_job* run = job;
    pool_run_task(&run->plan, &run->operands, (int64_t)task, scratch_of_thread());
}
