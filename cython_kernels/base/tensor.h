/* Arrays from outside, as they are described to us, and views of float32 planes inside. */
#ifndef ORT_SPARSE_BASE_TENSOR_H
#define ORT_SPARSE_BASE_TENSOR_H

#include <stddef.h>
#include <stdint.h>

enum tensor_type { /* the numbers of ONNX's TensorProto.DataType */
                   TENSOR_FLOAT = 1,
                   TENSOR_UINT8 = 2,
                   TENSOR_UINT16 = 4,
                   TENSOR_INT32 = 6,
                   TENSOR_INT64 = 7,
                   TENSOR_FLOAT16 = 10,
};

enum { TENSOR_MAX_RANK = 5 };

/* An array of somebody else, C-contiguous. */
struct tensor {
    int given;        /* 0: an optional tensor that is absent */
    const void* data; /* may be NULL where there is no element */
    int element_type;
    size_t rank;
    int64_t dims[TENSOR_MAX_RANK];
};

/* An element of a float32 or float16 tensor, and of a uint8, uint16, int32 or int64 one. */
float tensor_float_at(const struct tensor*, int64_t index);
int64_t tensor_index_at(const struct tensor*, int64_t index);

/* All elements of such a tensor, in memory that memory_release frees; NULL if memory is short. */
float* tensor_widen_floats(const struct tensor*, int64_t count);
int32_t* tensor_widen_indices(const struct tensor*, int64_t count);

/* Planes of float32 pixels by image and channel. Within a plane pixels are contiguous; planes may
 * lie anywhere: of a whole tensor, of some of its channels, or of rows in a ring buffer. */
struct view {
    float* pixels;          /* of image 0, channel 0 */
    int64_t image_stride;   /* floats */
    int64_t channel_stride; /* floats */
};

/* The view of a contiguous array (images, channels, plane). */
static inline struct view view_of(const float* pixels, int64_t channels, int64_t plane) {
    return (struct view){(float*)(uintptr_t)pixels, channels * plane, plane};
}

#endif
