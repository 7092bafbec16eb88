/* Memory that a task works in. What runs a task hands it in; nothing in it outlives the task. */
#ifndef ORT_SPARSE_BASE_SCRATCH_H
#define ORT_SPARSE_BASE_SCRATCH_H

enum { SCRATCH_FLOATS = 32 << 10 /* 128 KiB */ };

/* The calling thread's own: SCRATCH_FLOATS floats, aligned to a cache line. */
float* scratch_of_thread(void);

#endif
