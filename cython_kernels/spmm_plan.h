/* How one run of a layer is divided. */
#ifndef ORT_SPARSE_SPMM_PLAN_H
#define ORT_SPARSE_SPMM_PLAN_H

#include "spmm_internal.h"

/* A range of pixels of each image. The kernels run over spans of them: the range in one image,
 * or, if flat, the ranges of all images one after the other, so that few pixels of many images
 * fill whole vectors. */
struct spmm_region {
    int64_t first, pixels; /* of each image's output plane */
    int flat;
    int direct;    /* kernels read X itself instead of a panel */
    int vectors;   /* widest tile */
    int64_t strip; /* widest strip: tiles whose panel is filled at once, in vectors */
    int64_t spans, span_pixels;
    int64_t parts;          /* tasks along a span, if spans are split */
    int64_t spans_per_task; /* if they are not, else 1 */
    int64_t chunk_parts;    /* tasks that share the pixels and split the rows */
    int64_t tasks;
};

struct spmm_plan {
    int64_t plane, input_plane; /* pixels of an image of Y and X */
    int strided;
    int wide_strips; /* whether strips are wider than a tile */
    int prefetch;    /* whether kernels prefetch Y */
    int one_pixel;   /* spmm_run_one_pixel() computes it all */
    int region_count;
    struct spmm_region regions[2];
};

/* Consecutive pixels of a span, and rows of the layer. */
struct spmm_piece {
    int64_t span, first, end;
    int64_t chunk, chunk_end;
};

/* Computes one piece, tile by tile. */
void spmm_run_piece(const struct spmm_layer*, const struct spmm_run*, const struct spmm_plan*,
                    const struct spmm_region*, const struct spmm_piece*);

/* Rows of the largest chunk, rounded up to whole groups. */
int64_t spmm_chunk_rows(const struct spmm_layer*);

/* Points a tile to the weights of one part, and to the bias and slope of its rows. */
void spmm_select_part(const struct spmm_layer*, int64_t chunk, int64_t block, struct spmm_tile*);

/* The calling thread's staging area, of which a layer uses staging_floats. */
float* spmm_staging(void);

/* Whether a run takes the way for one pixel, and its piece. */
int spmm_is_one_pixel(const struct spmm_layer*, const struct spmm_run*, const struct spmm_plan*);
void spmm_run_one_pixel(const struct spmm_layer*, const struct spmm_run*, const struct spmm_piece*);

static inline int64_t spmm_divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t spmm_smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t spmm_larger(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
