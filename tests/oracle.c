#include "oracle.h"

#include <math.h>
#include <stdlib.h>

double oracle_activate(const struct epilogue* epilogue, int64_t row, double x) {
    switch (epilogue->activation) {
        case ACTIVATION_NONE:
            return x;
        case ACTIVATION_CLIP:
            return x < epilogue->minimum ? epilogue->minimum
                                         : (x > epilogue->maximum ? epilogue->maximum : x);
        case ACTIVATION_HARD_SWISH: {
            double gate = x / 6 + 0.5;
            return x * (gate < 0 ? 0 : (gate > 1 ? 1 : gate));
        }
        case ACTIVATION_SILU:
            return x * (1 / (1 + exp(-x)));
        case ACTIVATION_SIGMOID:
            return 1 / (1 + exp(-x));
        case ACTIVATION_LEAKY_RELU:
            return x < 0 ? epilogue->alpha * x : x;
        case ACTIVATION_PRELU:
            return x < 0 ? epilogue->slope[row] * x : x;
    }
    abort();
}

static float pixel_of(const struct view* view, int64_t image, int64_t channel, int64_t pixel) {
    return view->pixels[image * view->image_stride + channel * view->channel_stride + pixel];
}

/* What the error of one element counts as. */
static double error_of(double found, double expected, double magnitude) {
    if (isnan(expected)) return isnan(found) ? 0 : INFINITY;
    if (isinf(expected)) return found == expected ? 0 : INFINITY;
    if (!isfinite(found)) return INFINITY;
    double difference = fabs(found - expected);
    magnitude += fabs(expected);
    return isfinite(magnitude) ? difference / magnitude : difference;
}

/* The pixel `y_pixel` of Y in all images and rows, which is made of the pixel `x_pixel` of X. */
static double worst_of_pixel(const struct block_csr* matrix, const struct epilogue* epilogue,
                             int64_t batch, const struct spmm_operands* operands, int64_t x_pixel,
                             int64_t y_pixel) {
    const int64_t block_rows = matrix->block_rows;
    double worst = 0;
    for (int64_t image = 0; image < batch; image++) {
        for (int64_t row = 0; row < matrix->rows; row++) {
            double sum = epilogue->bias != NULL ? epilogue->bias[row] : 0;
            if (operands->residual.pixels != NULL) {
                sum += pixel_of(&operands->residual, image, row, y_pixel);
            }
            double magnitude = fabs(sum) + 1e-3;
            int64_t end = matrix->indptr[row / block_rows + 1];
            for (int64_t j = matrix->indptr[row / block_rows]; j < end; j++) {
                double weight = matrix->values[j * block_rows + row % block_rows];
                double term = weight * pixel_of(&operands->x, image, matrix->indices[j], x_pixel);
                sum += term;
                magnitude += fabs(term);
            }
            double error = error_of(pixel_of(&operands->y, image, row, y_pixel),
                                    oracle_activate(epilogue, row, sum), magnitude);
            if (error > worst) worst = error;
        }
    }
    return worst;
}

double oracle_worst_error(const struct block_csr* matrix, const struct epilogue* epilogue,
                          const struct spmm_shape* shape, const struct spmm_operands* operands) {
    const int64_t *in = shape->input_size, *stride = shape->stride;
    int64_t y_pixel = 0;
    double worst = 0;
    for (int64_t i = 0; i < in[0]; i += stride[0]) {
        for (int64_t j = 0; j < in[1]; j += stride[1]) {
            for (int64_t k = 0; k < in[2]; k += stride[2]) {
                int64_t x_pixel = (i * in[1] + j) * in[2] + k;
                double error =
                    worst_of_pixel(matrix, epilogue, shape->batch, operands, x_pixel, y_pixel++);
                if (error > worst) worst = error;
            }
        }
    }
    return worst;
}
