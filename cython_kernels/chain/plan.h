/* Private to this room. */
#ifndef ORT_SPARSE_CHAIN_PLAN_H
#define ORT_SPARSE_CHAIN_PLAN_H

#include "chain/chain.h"

enum { HEIGHT, WIDTH };

/* Lines between two units. Each channel has `lines` of them, after each other, then one of zeros;
 * columns of zeros follow each, and come before the first. */
struct chain_ring {
    int64_t lines;
    int64_t line_floats, channel_floats;
    int64_t begin; /* floats from the begin of all rings to the first pixel */
};

struct chain_stage {
    struct chain_unit unit;
    int64_t channels, size[CONV_AXES]; /* of its output */
    int64_t band;                      /* rows that it computes at once */
    struct chain_ring ring;            /* of its output, unless it is the last */
};

struct chain_plan {
    int count;
    struct chain_stage stages[CHAIN_MOST_UNITS];
    int64_t input_size[CONV_AXES];
    struct conv_plan first; /* if the first unit is a convolution */
    int prefetch;           /* whether planes of Y are too large to stay in the L2 cache */
    int64_t bands;          /* of Y, in all images */
    int64_t image_bands;
    int64_t tasks;
    int64_t line_floats; /* of all lines of all rings, but for those of zeros */
    int64_t ring_floats, slot_floats;
};

/* Rings that a task holds, and how far they are. At the begin of a slot of memory. */
struct chain_slot {
    int is_held;                    /* accessed atomically */
    int has_zeros;                  /* where rings need them */
    int64_t next_band;              /* of Y, for which the rings are ready; or -1 */
    int64_t done[CHAIN_MOST_UNITS]; /* rows of each unit that are computed */
};

#endif
