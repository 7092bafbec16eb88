/* What a microkernel is, and the table of all of them.
 *
 * A family of microkernels has one generic body, `<family>_body.h`, over the vector primitives of
 * simd/. A thin file for each instruction set includes all bodies, and names the shapes to make. */
#ifndef ORT_SPARSE_MICROKERNELS_MICROKERNEL_H
#define ORT_SPARSE_MICROKERNELS_MICROKERNEL_H

#include <stdint.h>

#include "base/epilogue.h"
#include "base/isa.h"
#include "microkernels/elementwise.h"

enum {
    SPMM_GROUP_ROWS = 4,
    SPMM_MAX_LANES = 16,
    SPMM_MAX_VECTORS = 6,
    CONV_MAX_CELLS = 5,   /* of a column of a kernel that has a microkernel of its own */
    CONV_TILE_HEIGHT = 8, /* rows of pixels computed at once, at most */
    CONV_BLOCK = 4,       /* output channels computed at once from the same input */
    SPMM_AHEAD_STEPS = 4  /* for which channel numbers are loaded, past the last step too */
};

/* All groups of one section, over one tile of pixels, or over several that lie side by side
 * (spmm/spmm.h has the glossary). */
struct spmm_call {
    const float* panel;   /* pixels of the first channel of the slab */
    int64_t panel_stride; /* floats from one channel to the next */
    const float* values;
    const uint16_t* channels;
    const uint16_t* group_steps;
    const uint16_t* group_rows;
    int64_t groups;

    int64_t tiles; /* of `vectors` vectors each */
    int prefetch;  /* whether to ask for rows of Y ahead of writing them */
    int tail;      /* valid lanes of the last tile's last vector, 1 .. lanes */

    /* First row of the chunk, first pixel of the tile; strides count floats from row to row. */
    float* y;
    const float* residual; /* added in the first slab, or NULL */
    int64_t y_stride, residual_stride;

    int first, last;          /* whether this is the first and the last slab */
    struct epilogue epilogue; /* from the first row of the chunk on */
};

typedef void (*spmm_kernel)(const struct spmm_call*);

/* Sums of all groups of one section for planes of one pixel: no epilogue. */
typedef void (*one_pixel_kernel)(const struct spmm_call*);

/* Y of one pixel from `rows` of these sums. */
typedef void (*finish_kernel)(const struct spmm_call*, const float* sums, int64_t rows);

/* Copies `count` pixels of each of `planes` planes; strides count floats from plane to plane. If
 * `pad`, each plane of `to` has room for whole vectors, and what lies after the pixels does not
 * matter. */
typedef void (*copy_kernel)(float* to, int64_t to_stride, const float* from, int64_t from_stride,
                            int64_t planes, int64_t count, int pad);

/* The same for pixels that lie `step` floats apart in `from`. */
typedef void (*copy_every_kernel)(float* to, int64_t to_stride, const float* from,
                                  int64_t from_stride, int64_t planes, int64_t count, int64_t step);

/* Lines of planes, copied for a convolution: zeros wherever it is padded, and the pixels of a line
 * that lie a stride apart next to each other. Pixel i of a line goes to i / stride; zeros follow up
 * to `end`, a whole number of vectors. */
struct conv_fill {
    const float* from;
    int64_t from_step, from_stride; /* floats from line to line, from plane to plane */
    float* to;
    int64_t to_step, to_stride;
    int64_t stride; /* 1, 2: the kernel's own; else any: pixels in between are left out */
    int64_t odd;    /* stride 2: pixels 1, 3, ... go here, floats from `to` */
    int64_t count;  /* pixels of a line in `from` */
    int64_t end;
    int64_t zeros_before, lines, zeros_after; /* lines of zeros, of pixels, of zeros */
    int64_t planes;
};

typedef void (*conv_fill_kernel)(const struct conv_fill*);

/* Channels of a convolution: for each pixel of a rectangle, the sum over taps of a weight and a
 * pixel of the input, which is padded so that every tap reads inside it. */
struct conv_call {
    const float* input;     /* what tap offsets count from, for the first pixel */
    int64_t input_step;     /* floats from there to the same for the next row of pixels */
    int64_t input_stride;   /* floats from channel to channel, 0 where they share the input */
    const int32_t* offsets; /* floats, one for each tap: column by column of the kernel */
    const float* weights;   /* likewise, channel by channel; or blocks of CONV_BLOCK channels */
    int64_t taps;
    int64_t channels;

    float* y;
    int64_t y_step,
        y_stride; /* floats from one row of pixels to the next, from channel to channel */
    int64_t height, width;
    int64_t
        pixels; /* of the rectangle: the last row may be shorter if there is no gap between rows */
    struct epilogue epilogue; /* from the first channel on */
};

/* Reads whole vectors: up to lanes - 1 floats past the last pixel of a row. */
typedef void (*conv_kernel)(const struct conv_call*);

/* Rows of channels of a depthwise convolution, from lines that lie anywhere: each continues with
 * enough zeros on both sides. */
struct conv_row_call {
    const float* input;   /* of the first channel */
    int64_t input_stride; /* floats from channel to channel */
    const int32_t* lines; /* floats from there to what the first cell of a row's first pixel reads:
                             for each line of the kernel; the next row's are a stride further */
    const float* weights; /* column by column of the kernel, channel by channel */
    int64_t channels;

    float* y;
    int64_t y_step, y_stride; /* floats from row to row, from channel to channel */
    int64_t rows, width;
    int spill; /* whether whole vectors may be written at the end of a row */
    struct epilogue epilogue;
};

/* Reads up to two vectors past the last pixel of a line. */
typedef void (*conv_row_kernel)(const struct conv_row_call*);

enum reduction { REDUCE_SUM, REDUCE_MAXIMUM };

/* The sum of `count` floats, exact to 1e-6 of the sum of their absolute values, or the maximum; of
 * no float 0 or -infinity. NaN gives NaN. */
typedef float (*reduce_kernel)(const float* x, int64_t count);

/* The sum of exp(x[i] - shift), which are stored too if y is not NULL. y may be x. */
typedef float (*exp_sum_kernel)(float* y, const float* x, int64_t count, float shift);

/* Element (r, c) of a matrix goes to (c, r); strides count floats from row to row of each. May read
 * what lies between rows, and nothing beyond the last element. */
typedef void (*transpose_kernel)(float* to, int64_t to_stride, const float* from,
                                 int64_t from_stride, int64_t rows, int64_t columns);

/* Pooling of one line of output pixels. Lines of the windows are reduced into a line of scratch,
 * whose columns are reduced then; the caller has put padding there, on both sides. */
struct pool_call {
    const float* input; /* X's first pixel of the first line */
    int64_t line_step;  /* floats from one line of the windows to the next */
    int64_t lines, columns;

    float* line;
    float* inside; /* of the line: where X's columns go */
    int64_t stride, tap_step, taps;

    float* y;
    int64_t width;
    int first, last; /* whether these are the first and the last columns of the windows */
    float lines_counted;
    const float* counts; /* of an average: columns counted, for each pixel */
};

/* Reads whole vectors of `line` and `counts`: up to two vectors past the last column. */
typedef void (*pool_kernel)(const struct pool_call*);

/* X(enumerator, name): the families. */
#define MICROKERNEL_FAMILY_LIST(X)          \
    X(MICROKERNEL_SPMM, "spmm")             \
    X(MICROKERNEL_ONE_PIXEL, "one_pixel")   \
    X(MICROKERNEL_FINISH, "finish")         \
    X(MICROKERNEL_COPY, "copy")             \
    X(MICROKERNEL_COPY_EVERY, "copy_every") \
    X(MICROKERNEL_CONV_FILL, "conv_fill")   \
    X(MICROKERNEL_CONV, "conv")             \
    X(MICROKERNEL_CONV_BLOCK, "conv_block") \
    X(MICROKERNEL_CONV_ROW, "conv_row")     \
    X(MICROKERNEL_POOL, "pool")             \
    X(MICROKERNEL_UNARY, "unary")           \
    X(MICROKERNEL_BINARY, "binary")         \
    X(MICROKERNEL_REDUCE, "reduce")         \
    X(MICROKERNEL_EXP_SUM, "exp_sum")       \
    X(MICROKERNEL_TRANSPOSE, "transpose")

#define MICROKERNEL_ENUMERATOR(enumerator, name) enumerator,
enum microkernel_family { MICROKERNEL_FAMILY_LIST(MICROKERNEL_ENUMERATOR) };
#undef MICROKERNEL_ENUMERATOR

/* One entry of the table. What does not matter for a family is 0. */
struct microkernel {
    enum microkernel_family family;
    /* Rows that share an input channel: NR; of conv: height of the kernel; of pool: 1 if it
     * averages; of unary, binary and reduce: the function's enumerator. */
    int block_rows;
    /* Pixels of a tile, in vectors: MR; of conv and conv_row: stride along the height; of conv_fill
     * and pool: stride along the width, 0 for any; of binary: the shape's enumerator. */
    int vectors;
    union {
        spmm_kernel spmm;
        one_pixel_kernel one_pixel;
        finish_kernel finish;
        copy_kernel copy;
        copy_every_kernel copy_every;
        conv_fill_kernel conv_fill;
        conv_kernel conv;
        conv_row_kernel conv_row;
        unary_kernel unary;
        binary_kernel binary;
        reduce_kernel reduce;
        exp_sum_kernel exp_sum;
        transpose_kernel transpose;
        pool_kernel pool;
    } run;
};

/* The entries of one instruction set. */
struct microkernel_set {
    enum isa_id isa;
    int lanes; /* floats in a vector */
    int count;
    const struct microkernel* entries;
};

/* The table: a set for each instruction set of this architecture, best first; NULL ends the list.
 */
const struct microkernel_set* const* microkernel_table(void);

/* The set of an instruction set that this CPU can run. */
const struct microkernel_set* microkernel_set_of(const struct isa*);

/* The entry of this shape, or NULL. */
const struct microkernel* microkernel_find(const struct microkernel_set*, enum microkernel_family,
                                           int64_t block_rows, int vectors);

const char* microkernel_family_name(enum microkernel_family);

#endif
