/* The OpenMP driver. */
#include <omp.h>
#include <pthread.h>

#include "drivers/drivers.h"

/* GNU OpenMP keeps a thread's team for its next region, and a child process would wait for ever for
 * the workers, which `fork` does not copy. So a team ends before a fork; parent and child start a
 * new one where they need it. */
static void end_team(void) { omp_pause_resource_all(omp_pause_hard); }

static void prepare_for_fork(void) { pthread_atfork(end_team, NULL, NULL); }

void openmp_run(task_function task, void* data, size_t count) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare_for_fork);
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < count; ++i) task(data, i);
}
