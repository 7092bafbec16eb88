/* What the files of this room know of a convolution's layer. Callers use conv.h. */
#ifndef ORT_SPARSE_DENSE_CONV_LAYER_H
#define ORT_SPARSE_DENSE_CONV_LAYER_H

#include "dense/conv.h"

enum { HEIGHT, WIDTH };

struct conv_layer {
    struct conv_geometry geometry;
    int64_t group_in, group_out; /* channels of a group */
    int64_t group_weights;       /* floats */
    int64_t taps;
    int64_t cache_floats; /* the input of a block should fit into them */
    int lanes;
    int takes_blocks; /* of output channels, CONV_BLOCK at once */
    conv_kernel kernel, any_kernel;
    conv_row_kernel row_kernel; /* or NULL */
    conv_fill_kernel fill;
    float* weights;
    struct epilogue epilogue; /* its arrays are the layer's own */
};

/* conv_lines.c: the kernel that computes rows from lines, if the layer is one that has it. */
conv_row_kernel conv_find_row_kernel(const struct conv_layer*, const struct microkernel_set*);

#endif
