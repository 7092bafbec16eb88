/* One sparse layer, Y = act(W X + b + R): packed once, then run as independent tasks.
 *
 * Pure computation: knows neither ONNX Runtime nor Python nor threads. Callers validate; the
 * functions here trust their arguments, except that an allocation may fail.
 */
#ifndef ORT_SPARSE_SPMM_H
#define ORT_SPARSE_SPMM_H

#include <stddef.h>
#include <stdint.h>

enum spmm_activation {
    SPMM_NONE,
    SPMM_CLIP,
    SPMM_HARD_SWISH,
    SPMM_SILU,
    SPMM_SIGMOID,
    SPMM_LEAKY_RELU,
    SPMM_PRELU,
};

/* Block-CSR weights as in ort_sparse/bcsr.py, widened: float32 values, int32 indices. */
struct spmm_matrix {
    int64_t rows, columns, block_rows;
    const float* values;    /* indptr[rows / block_rows] * block_rows */
    const int32_t* indices; /* strictly increasing within a block row */
    const int32_t* indptr;  /* rows / block_rows + 1 */
};

struct spmm_epilogue {
    const float* bias; /* rows floats, or NULL */
    enum spmm_activation activation;
    float minimum, maximum; /* SPMM_CLIP */
    float alpha;            /* SPMM_LEAKY_RELU */
    const float* slope;     /* SPMM_PRELU: rows floats */
};

/* The arrays of one run, in elements. Up to three spatial axes, the last one innermost; missing
 * axes have size 1. Y is contiguous (batch, rows, output plane); so is residual, which may be Y
 * itself. X is contiguous (batch, columns, input plane). */
struct spmm_run {
    const float* x;
    const float* residual; /* or NULL */
    float* y;
    int64_t batch;
    int64_t input_size[3], output_size[3], stride[3];
};

struct spmm_layer;

/* Names the instruction sets that this CPU can run, best first; NULL ends the list. */
const char* const* spmm_supported_isas(void);

/* Whether `isa` names an instruction set of this library on any CPU: tells a misspelt name from
 * one that this CPU cannot run. */
int spmm_is_known_isa(const char* isa);

/* Packs the weights for one instruction set (NULL: the best one that this CPU has). Copies
 * everything it needs. `pixels` is the expected size of one image's output plane, by which the
 * packing is chosen, or 0 when unknown; any other size runs as correctly, if not as fast.
 * `vectors` forces the pixel tile, so that tests and benchmarks reach every microkernel; 0 leaves
 * the choice to the cost model. Returns NULL when memory is short, `isa` is no supported name, or
 * there is no such tile. */
struct spmm_layer* spmm_layer_create(const struct spmm_matrix*, const struct spmm_epilogue*,
                                     int64_t pixels, const char* isa, int vectors);
void spmm_layer_destroy(struct spmm_layer*); /* NULL is allowed */
const char* spmm_layer_isa(const struct spmm_layer*);
size_t spmm_layer_packed_bytes(const struct spmm_layer*);

/* Number of independent tasks of a run; each writes its own part of Y, in a fixed order of
 * additions, so that results do not depend on how tasks are spread over threads. 1 means that
 * the work is too small to split. */
int64_t spmm_task_count(const struct spmm_layer*, const struct spmm_run*);
void spmm_run_task(const struct spmm_layer*, const struct spmm_run*, int64_t task);

/* One row of the microkernel table, for tests and benchmarks. */
struct spmm_kernel_info {
    const char* isa;
    const char* features; /* CPU features that it requires, as /proc/cpuinfo names them */
    int block_rows;       /* output channels that share an input channel: NR */
    int vectors;          /* pixel tile in vectors: MR */
    int lanes;            /* floats in a vector */
};

/* Every microkernel compiled into this library, best instruction set first. */
const struct spmm_kernel_info* spmm_kernel_table(int* count);

#endif
