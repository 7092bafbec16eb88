/* One sparse layer, Y = act(W X + b + R): packed once, planned for a shape, run as tasks.
 *
 * Pure computation: knows neither ONNX Runtime nor Python nor threads. Callers validate; the
 * functions here trust their arguments, except that an allocation may fail.
 *
 * Glossary, from the outside in:
 *
 *   layer    weights and epilogue, packed for one instruction set
 *   plan     how a layer's work on arrays of one shape is divided into tasks
 *   task     what one thread does at a time: a range of pixels by a range of chunks
 *   row      of W: an output channel. A block is `block_rows` rows that share an input channel
 *   chunk    rows that are packed on their own, so that tasks can split them
 *   slab     input channels whose panel fits the L1 cache: a layer of many channels has several
 *   section  the weights of one chunk in one slab, as groups
 *   group    SPMM_GROUP_ROWS rows of similar length, whose sums stay in registers
 *   step     one nonzero of each row of a group
 *   plane    the pixels of one channel of one image
 *   span     pixels that are numbered through: a plane's, or the odd ones of all images
 *   strip    tiles side by side in a span, whose panel is filled at once
 *   tile     `vectors` vectors of pixels: what a microkernel holds in registers for a group
 *   panel    a copy of X, slab by strip, contiguous and aligned
 *   staging  a copy of Y, chunk by strip, where pixels of several images share a vector
 *
 *              W                                X: one plane a channel
 *        slab 0   slab 1                   strip 0          strip 1
 *      +--------+--------+              +----+----+----+----+----+----+
 *      |section |section | chunk 0      |tile|tile|tile|    |    |    |  slab 0 -> panel
 *      | groups |        |              +----+----+----+----+----+----+
 *      +--------+--------+              |    |    |    |    |    |    |  slab 1 -> panel
 *      |section |section | chunk 1      +----+----+----+----+----+----+
 *      +--------+--------+              |<------------ span --------->|
 */
#ifndef ORT_SPARSE_SPMM_SPMM_H
#define ORT_SPARSE_SPMM_SPMM_H

#include <stddef.h>
#include <stdint.h>

#include "base/block_csr.h"
#include "base/epilogue.h"
#include "base/isa.h"
#include "base/status.h"
#include "base/tensor.h"

struct spmm_layer;

struct spmm_options {
    const struct isa* isa;
    /* Expected size of one image's output plane, by which the packing is chosen, or 0 when unknown;
     * any other size runs as correctly, if not as fast. */
    int64_t pixels;
    /* Forces the tile, so that tests and benchmarks reach every microkernel; 0 leaves the choice to
     * the cost model. */
    int vectors;
};

/* Packs the weights; copies everything it needs. The bias may be NULL for zeros. Returns NULL with
 * the status filled in where memory is short or no microkernel has the tile. */
struct spmm_layer* spmm_layer_create(const struct block_csr*, const struct epilogue*,
                                     const struct spmm_options*, struct status*);
void spmm_layer_destroy(struct spmm_layer*); /* NULL is allowed */
const struct isa* spmm_layer_isa(const struct spmm_layer*);
int64_t spmm_layer_rows(const struct spmm_layer*);
int64_t spmm_layer_columns(const struct spmm_layer*);
size_t spmm_layer_packed_bytes(const struct spmm_layer*);

/* Up to three spatial axes, the last one innermost; missing axes come first and have size 1. */
enum { SPMM_AXES = 3 };

struct spmm_shape {
    int64_t batch;
    int64_t input_size[SPMM_AXES], output_size[SPMM_AXES], stride[SPMM_AXES];
};

/* A range of pixels of each image, all divided in the same way. Its spans are the range in one
 * image, or, if joined, the ranges of all images one after the other, so that few pixels of many
 * images fill whole vectors. */
struct spmm_zone {
    int64_t first, pixels; /* of each image's output plane */
    int joined;
    int direct;    /* kernels may read X itself instead of a panel, where it is aligned */
    int vectors;   /* widest tile */
    int64_t strip; /* widest strip, in vectors */
    int64_t spans, span_pixels;
    int64_t span_splits;    /* tasks along a span, if spans are split */
    int64_t spans_per_task; /* if they are not, else 1 */
    int64_t chunk_splits;   /* tasks that share the pixels and split the chunks */
    int64_t tasks;
};

/* Depends on the layer and the shape only, not on where arrays lie: made once, it serves any
 * number of runs, at the same time too. The layer must outlive it. */
struct spmm_plan {
    const struct spmm_layer* layer;
    struct spmm_shape shape;
    int64_t plane, input_plane; /* pixels of an image of Y and X; 0 if Y has no element */
    int strided;
    int wide_strips; /* whether strips are wider than a tile */
    int prefetch;    /* whether kernels prefetch Y */
    int one_pixel;   /* whether planes have one pixel, which is computed in a way of its own */
    int zone_count;
    struct spmm_zone zones[2];
    /* Each task writes its own part of Y, in a fixed order of additions, so that results do not
     * depend on how tasks are spread over threads. 0 if Y has no element; 1 means that the work is
     * too small to split. */
    int64_t task_count;
};

void spmm_plan_make(struct spmm_plan*, const struct spmm_layer*, const struct spmm_shape*);

/* The arrays of one run. The residual has Y's shape; it is Y itself, or does not overlap it, or is
 * absent (no pixels). */
struct spmm_operands {
    struct view x, residual, y;
};

/* Floats of scratch that a task needs, aligned to a cache line. */
enum { SPMM_PANEL_FLOATS = 16 << 10, SPMM_STAGING_FLOATS = 16 << 10 };
enum { SPMM_SCRATCH_FLOATS = SPMM_PANEL_FLOATS + SPMM_STAGING_FLOATS };

void spmm_run_task(const struct spmm_plan*, const struct spmm_operands*, int64_t task,
                   float* scratch);

/* --- Strips whose panel somebody else fills, panel.c. */

/* Writes pixels of input channels [first, first + channels) to a panel; strides count floats. What
 * lies between the pixels of a channel and those of the next one does not matter. */
typedef void (*spmm_fill)(void* data, int64_t first, int64_t channels, float* panel,
                          int64_t stride);

struct spmm_strip {
    int64_t pixels;
    spmm_fill fill;
    void* data;
    float* y; /* of the first row; pixels are contiguous */
    int64_t y_stride;
    const float* residual; /* or NULL */
    int64_t residual_stride;
    int prefetch; /* whether kernels ask for the cache lines of Y before they write them */
};

/* The panel of a slab must fit SPMM_PANEL_FLOATS. */
int64_t spmm_strip_floats(const struct spmm_layer*, int64_t pixels);

/* Computes all rows of a strip. */
void spmm_run_strip(const struct spmm_layer*, const struct spmm_strip*, float* scratch);

#endif
