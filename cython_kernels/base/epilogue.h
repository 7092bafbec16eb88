/* What happens to the sums of a layer before they are stored: act(sum + bias + residual). */
#ifndef ORT_SPARSE_BASE_EPILOGUE_H
#define ORT_SPARSE_BASE_EPILOGUE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* X(enumerator, name in model files): the one list. simd/activations.h computes them. */
#define ACTIVATION_LIST(X)                 \
    X(ACTIVATION_NONE, "none")             \
    X(ACTIVATION_CLIP, "clip")             \
    X(ACTIVATION_HARD_SWISH, "hard_swish") \
    X(ACTIVATION_SILU, "silu")             \
    X(ACTIVATION_SIGMOID, "sigmoid")       \
    X(ACTIVATION_LEAKY_RELU, "leaky_relu") \
    X(ACTIVATION_PRELU, "prelu")

#define ACTIVATION_ENUMERATOR(enumerator, name) enumerator,
enum activation { ACTIVATION_LIST(ACTIVATION_ENUMERATOR) };
#undef ACTIVATION_ENUMERATOR

#define ACTIVATION_ONE(enumerator, name) +1
enum { ACTIVATION_COUNT = 0 ACTIVATION_LIST(ACTIVATION_ONE) };
#undef ACTIVATION_ONE

struct epilogue {
    enum activation activation;
    float minimum, maximum; /* of ACTIVATION_CLIP, or infinite */
    float alpha;            /* of ACTIVATION_LEAKY_RELU: the slope below 0 */
    const float* bias;      /* a number for each row */
    const float* slope;     /* of ACTIVATION_PRELU: a number for each row; else NULL */
};

/* The epilogue of the rows from `first` on. */
static inline struct epilogue epilogue_from_row(const struct epilogue* epilogue, int64_t first) {
    struct epilogue moved = *epilogue;
    moved.bias += first;
    if (moved.slope != NULL) moved.slope += first;
    return moved;
}

/* Makes `to` a copy with arrays of its own, of `rows` numbers: zeros where there is no bias. Bounds
 * become infinite unless the activation is ACTIVATION_CLIP. Returns whether memory sufficed;
 * epilogue_release frees what there is in either case. */
int epilogue_copy(struct epilogue* to, const struct epilogue* from, int64_t rows);
void epilogue_release(struct epilogue*);

const char* activation_name(enum activation);

/* Returns whether there is an activation of this name. */
int activation_from_name(const char* name, enum activation*, struct status*);

#endif
