/* Who runs tasks: the threads of a session, or an OpenMP team. */
#ifndef ORT_SPARSE_DRIVERS_DRIVERS_H
#define ORT_SPARSE_DRIVERS_DRIVERS_H

#include "base/status.h"
#include "base/task.h"
#include "dense/conv.h"
#include "dense/pool.h"
#include "spmm/spmm.h"

/* What `ort_sparse.threading` asks for. */
enum threading { THREADING_SESSION, THREADING_OPENMP };

/* Returns whether there is such a way. */
int threading_from_name(const char* name, enum threading*, struct status*);
const char* threading_name(enum threading);

/* One run of a layer, for whatever runs its tasks. */
struct spmm_job {
    struct spmm_plan plan;
    struct spmm_operands operands;
};

struct conv_job {
    struct conv_plan plan;
    struct conv_operands operands;
};

struct pool_job {
    struct pool_plan plan;
    struct pool_operands operands;
};

/* Run one task of a job in the scratch of this thread. */
void spmm_job_task(void* job, size_t task);
void conv_job_task(void* job, size_t task);
void pool_job_task(void* job, size_t task);

/* Loads OpenMP's runtime, once for the process. Returns whether it is there. */
int openmp_load(struct status*);

/* Runs all tasks on a team of threads (OMP_NUM_THREADS), after `openmp_load` has succeeded. */
void openmp_run(task_function, void* data, size_t count);

#endif
