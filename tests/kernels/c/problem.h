/* A random layer, and arrays to run it on: planes anywhere in memory, with guards all round. */
#ifndef PROBLEM_H
#define PROBLEM_H

#include "spmm/spmm.h"

/* --- Random numbers, the same in each run of a program. */

uint32_t random_below(uint32_t bound);
float random_float(void); /* in [-1, 1] */

/* Zeroed memory for one element more than `count`; ends the program if there is none. */
void* allocate(int64_t count, size_t size);

/* --- The layer. */

struct problem {
    const struct isa* isa;
    int vectors; /* forced tile, or 0 */
    int64_t pixels_hint;
    double density;
    struct block_csr matrix;
    struct epilogue epilogue;
    struct spmm_shape shape;
    int64_t plane, input_plane; /* pixels of Y's and X's; set_shape sets them */
    int has_residual;
};

void make_matrix(struct problem*, int64_t rows, int64_t columns, int64_t block_rows);
void make_epilogue(struct problem*, enum activation, int has_bias);
/* With sizes of X and strides set: works out the rest of the shape. */
void set_shape(struct problem*);
void release_problem(struct problem*);

/* Prints the problem, and ends the program. */
_Noreturn void fail(const struct problem*, const char* rule, double found);

/* --- The arrays. */

/* How planes lie in memory. */
enum layout {
    LAYOUT_DENSE,    /* one after the other, from a cache line on */
    LAYOUT_ODD,      /* the same, from any float on */
    LAYOUT_RING,     /* rows of larger planes, each of which starts at a cache line */
    LAYOUT_GAPS,     /* from any float on, with any gaps */
    LAYOUT_CHANNELS, /* all images of a channel together */
    LAYOUT_COUNT,
};

struct planes {
    float* memory;
    int64_t floats; /* of memory */
    int64_t batch, channels, plane;
    struct view view; /* its pixels are NULL where there are no planes */
};

struct arrays {
    struct planes x, residual, y;
    int in_place; /* Y takes the residual's place */
    struct spmm_operands operands;
};

/* Random numbers in planes of these layouts. */
void make_arrays(struct arrays*, const struct problem*, enum layout x, enum layout residual,
                 enum layout y, int in_place);
void make_random_arrays(struct arrays*, const struct problem*);
/* Puts guards where Y is to be, or the residual if it is to be computed in place. */
void prepare_y(struct arrays*);
/* Whether no float outside the planes of Y has changed. Y is lost. */
int is_only_y_written(struct arrays*);
void release_arrays(struct arrays*);

/* A pixel of planes. */
float* pixel_of_planes(const struct planes*, int64_t image, int64_t channel, int64_t pixel);

#endif
