/* The OpenMP driver.
 *
 * GNU OpenMP is loaded when somebody first asks for it: most applications never do, and slim images
 * lack it. So no pragmas here, but the call that GCC makes of them. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

#include "drivers/drivers.h"

enum { PAUSE_HARD = 2 /* omp_pause_hard */ };

static struct {
    /* Calls `work` on each thread of a team; 0 threads are as many as OMP_NUM_THREADS says. */
    void (*parallel)(void (*work)(void*), void* data, unsigned threads, unsigned flags);
    int (*pause_resource_all)(int kind);
    struct status failure; /* where the two above are NULL */
} runtime;

/* GNU OpenMP keeps a thread's team for its next region, and a child process would wait for ever for
 * the workers, which `fork` does not copy. So a team ends before a fork; parent and child start a
 * new one where they need it. */
static void end_team(void) { runtime.pause_resource_all(PAUSE_HARD); }

static void load(void) {
    void* library = dlopen("libgomp.so.1", RTLD_NOW | RTLD_LOCAL);
    void* parallel = library == NULL ? NULL : dlsym(library, "GOMP_parallel");
    void* pause = library == NULL ? NULL : dlsym(library, "omp_pause_resource_all");
    if (parallel == NULL || pause == NULL) {
        const char* why = dlerror();
        status_fail(&runtime.failure, STATUS_INVALID,
                    "openmp needs libgomp.so.1 of GCC 9 or later (package libgomp1 or libgomp), "
                    "which cannot be used: %.200s",
                    why == NULL ? "it is another library" : why);
        return;
    }
    runtime.parallel = (void (*)(void (*)(void*), void*, unsigned, unsigned))parallel;
    runtime.pause_resource_all = (int (*)(int))pause;
    pthread_atfork(end_team, NULL, NULL);
}

int openmp_load(struct status* status) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (runtime.parallel == NULL) *status = runtime.failure;
    return runtime.parallel != NULL;
}

struct team {
    task_function task;
    void* data;
    size_t count;
    atomic_size_t next;
};

static void take_tasks(void* data) {
    struct team* team = data;
    size_t i;
    while ((i = atomic_fetch_add(&team->next, 1)) < team->count) team->task(team->data, i);
}

void openmp_run(task_function task, void* data, size_t count) {
    struct team team = {.task = task, .data = data, .count = count};
    atomic_init(&team.next, 0);
    runtime.parallel(take_tasks, &team, 0, 0);
}
