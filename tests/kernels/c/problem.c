#include "problem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

static uint64_t random_state = 88172645463325252u;

uint32_t random_below(uint32_t bound) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 20) % bound);
}

float random_float(void) { return (float)random_below(2000001) / 1e6f - 1.0f; }

void* allocate(int64_t count, size_t size) {
    void* memory = calloc((size_t)count + 1, size);
    if (memory == NULL) {
        fprintf(stderr, "test_spmm: out of memory\n");
        exit(2);
    }
    return memory;
}

/* --- The layer. */

void make_matrix(struct problem* p, int64_t rows, int64_t columns, int64_t block_rows) {
    int64_t block_count = rows / block_rows;
    float* values = allocate(rows * columns, sizeof *values);
    int32_t* indices = allocate(block_count * columns, sizeof *indices);
    int32_t* indptr = allocate(block_count + 1, sizeof *indptr);
    int32_t blocks = 0;
    for (int64_t b = 0; b < block_count; b++) {
        int empty = p->density < 1.0 && random_below(8) == 0;
        for (int64_t k = 0; k < columns && !empty; k++) {
            if (random_below(1000) >= (uint32_t)(1000 * p->density)) continue;
            indices[blocks] = (int32_t)k;
            for (int64_t i = 0; i < block_rows; i++) {
                values[blocks * block_rows + i] = random_float();
            }
            blocks++;
        }
        indptr[b + 1] = blocks;
    }
    p->matrix = (struct block_csr){rows, columns, block_rows, values, indices, indptr};
}

static float* random_floats(int64_t count) {
    float* values = allocate(count, sizeof *values);
    for (int64_t i = 0; i < count; i++) values[i] = random_float();
    return values;
}

void make_epilogue(struct problem* p, enum activation activation, int has_bias) {
    p->epilogue = (struct epilogue){
        .activation = activation,
        .minimum = random_below(2) ? 0.0f : -INFINITY,
        .maximum = random_below(2) ? 6.0f : INFINITY,
        .alpha = 0.1f,
        .bias = has_bias ? random_floats(p->matrix.rows) : NULL,
        .slope = random_floats(p->matrix.rows),
    };
}

void set_shape(struct problem* p) {
    struct spmm_shape* shape = &p->shape;
    p->plane = p->input_plane = 1;
    for (int axis = 0; axis < SPMM_AXES; axis++) {
        shape->output_size[axis] =
            (shape->input_size[axis] + shape->stride[axis] - 1) / shape->stride[axis];
        p->plane *= shape->output_size[axis];
        p->input_plane *= shape->input_size[axis];
    }
}

void release_problem(struct problem* p) {
    free((void*)p->matrix.values);
    free((void*)p->matrix.indices);
    free((void*)p->matrix.indptr);
    free((void*)p->epilogue.bias);
    free((void*)p->epilogue.slope);
}

_Noreturn void fail(const struct problem* p, const char* rule, double found) {
    const struct spmm_shape* s = &p->shape;
    fprintf(stderr,
            "test_spmm: %s, but found %g: isa %s, vectors %d, %lld x %lld, block rows %lld, "
            "density %.2f, activation %s, bias %d, residual %d, batch %lld, input %lld %lld %lld, "
            "stride %lld %lld %lld, hint %lld\n",
            rule, found, p->isa->name, p->vectors, (long long)p->matrix.rows,
            (long long)p->matrix.columns, (long long)p->matrix.block_rows, p->density,
            activation_name(p->epilogue.activation), p->epilogue.bias != NULL, p->has_residual,
            (long long)s->batch, (long long)s->input_size[0], (long long)s->input_size[1],
            (long long)s->input_size[2], (long long)s->stride[0], (long long)s->stride[1],
            (long long)s->stride[2], (long long)p->pixels_hint);
    exit(1);
}

/* --- The arrays. */

enum { MARGIN = 64, LINE = MEMORY_ALIGNMENT / sizeof(float) };

/* Round X and the residual nothing may be read: a NaN would be seen in Y. */
static const float guard_of_y = 12345.0f;

static int64_t any_gap(void) { return random_below(3) ? random_below(40) : 0; }

static int64_t next_line(int64_t floats) { return (floats + LINE - 1) / LINE * LINE; }

float* pixel_of_planes(const struct planes* p, int64_t image, int64_t channel, int64_t pixel) {
    return p->view.pixels + image * p->view.image_stride + channel * p->view.channel_stride + pixel;
}

static void make_planes(struct planes* p, enum layout layout, int64_t batch, int64_t channels,
                        int64_t plane, float guard) {
    int64_t first = layout == LAYOUT_DENSE || layout == LAYOUT_RING ? 0 : random_below(LINE);
    int64_t channel_stride = plane, image_stride = channels * plane;
    if (layout == LAYOUT_RING) {
        const int64_t row = random_below((uint32_t)(plane < 64 ? plane + 1 : 64));
        first = row / LINE * LINE;
        channel_stride = next_line(first + plane + any_gap());
        image_stride = channels * channel_stride;
    } else if (layout == LAYOUT_GAPS) {
        channel_stride = plane + any_gap();
        image_stride = channels * channel_stride + any_gap();
    } else if (layout == LAYOUT_CHANNELS) {
        image_stride = plane + any_gap();
        channel_stride = batch * image_stride + any_gap();
    }
    *p = (struct planes){.batch = batch, .channels = channels, .plane = plane};
    const int64_t last = (batch > 0 ? (batch - 1) * image_stride : 0) +
                         (channels > 0 ? (channels - 1) * channel_stride : 0) + plane;
    p->floats = next_line(MARGIN + first + last + MARGIN);
    p->memory = aligned_alloc(MEMORY_ALIGNMENT, (size_t)p->floats * sizeof *p->memory);
    if (p->memory == NULL) exit(2);
    for (int64_t i = 0; i < p->floats; i++) p->memory[i] = guard;
    p->view = (struct view){p->memory + MARGIN + first, image_stride, channel_stride};
}

static void fill_planes(struct planes* p, float scale) {
    for (int64_t n = 0; n < p->batch; n++) {
        for (int64_t c = 0; c < p->channels; c++) {
            float* pixels = pixel_of_planes(p, n, c, 0);
            for (int64_t i = 0; i < p->plane; i++) pixels[i] = scale * random_float();
        }
    }
}

void make_arrays(struct arrays* arrays, const struct problem* p, enum layout x,
                 enum layout residual, enum layout y, int in_place) {
    const int64_t batch = p->shape.batch;
    *arrays = (struct arrays){.in_place = in_place && p->has_residual};
    make_planes(&arrays->x, x, batch, p->matrix.columns, p->input_plane, NAN);
    make_planes(&arrays->y, y, batch, p->matrix.rows, p->plane, guard_of_y);
    fill_planes(&arrays->x, 4.0f);
    if (p->has_residual) {
        make_planes(&arrays->residual, residual, batch, p->matrix.rows, p->plane, NAN);
        fill_planes(&arrays->residual, 1.0f);
    }
    arrays->operands = (struct spmm_operands){
        .x = arrays->x.view,
        .residual = arrays->in_place ? arrays->y.view : arrays->residual.view,
        .y = arrays->y.view,
    };
    prepare_y(arrays);
}

void make_random_arrays(struct arrays* arrays, const struct problem* p) {
    enum layout layouts[3];
    for (int i = 0; i < 3; i++) layouts[i] = (enum layout)random_below(LAYOUT_COUNT);
    make_arrays(arrays, p, layouts[0], layouts[1], layouts[2], (int)random_below(2));
}

void prepare_y(struct arrays* arrays) {
    struct planes* y = &arrays->y;
    for (int64_t n = 0; n < y->batch; n++) {
        for (int64_t c = 0; c < y->channels; c++) {
            float* pixels = pixel_of_planes(y, n, c, 0);
            for (int64_t i = 0; i < y->plane; i++) {
                pixels[i] =
                    arrays->in_place ? *pixel_of_planes(&arrays->residual, n, c, i) : guard_of_y;
            }
        }
    }
}

int is_only_y_written(struct arrays* arrays) {
    struct planes* y = &arrays->y;
    for (int64_t n = 0; n < y->batch; n++) {
        for (int64_t c = 0; c < y->channels; c++) {
            float* pixels = pixel_of_planes(y, n, c, 0);
            for (int64_t i = 0; i < y->plane; i++) pixels[i] = guard_of_y;
        }
    }
    for (int64_t i = 0; i < y->floats; i++) {
        if (y->memory[i] != guard_of_y) return 0;
    }
    return 1;
}

void release_arrays(struct arrays* arrays) {
    free(arrays->x.memory);
    free(arrays->residual.memory);
    free(arrays->y.memory);
}
