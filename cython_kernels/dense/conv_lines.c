/* Depthwise layers whose input is a ring of lines. */
#include "dense/conv_layer.h"

conv_row_kernel conv_find_row_kernel(const struct conv_layer* layer,
                                     const struct microkernel_set* set) {
    const struct conv_geometry* g = &layer->geometry;
    int fits = layer->group_in == 1 && layer->group_out == 1;
    for (int axis = 0; axis < CONV_AXES; axis++) {
        fits &= g->kernel[axis] == g->kernel[HEIGHT] && g->stride[axis] == g->stride[HEIGHT] &&
                g->dilation[axis] == 1 && g->pad_begin[axis] < g->kernel[axis] &&
                g->pad_end[axis] < g->kernel[axis] && g->kernel[axis] <= CONV_MAX_CELLS &&
                g->stride[axis] <= 2;
    }
    if (!fits) return NULL;
    const struct microkernel* found =
        microkernel_find(set, MICROKERNEL_CONV_ROW, g->kernel[HEIGHT], (int)g->stride[HEIGHT]);
    return found != NULL ? found->run.conv_row : NULL;
}

int conv_layer_takes_lines(const struct conv_layer* layer) { return layer->row_kernel != NULL; }

const struct conv_geometry* conv_layer_geometry(const struct conv_layer* layer) {
    return &layer->geometry;
}

void conv_run_lines(const struct conv_layer* layer, const struct conv_lines* lines) {
    const struct conv_row_call call = {
        .input = lines->input + lines->first_channel * lines->input_stride,
        .input_stride = lines->input_stride,
        .lines = lines->lines,
        .weights = layer->weights + lines->first_channel * layer->taps,
        .channels = lines->channels,
        .y = lines->y.pixels,
        .y_step = lines->y.row_stride,
        .y_stride = lines->y.channel_stride,
        .rows = lines->rows,
        .width = lines->width,
        .spill = lines->spill,
        .epilogue = epilogue_from_row(&layer->epilogue, lines->first_channel),
    };
    layer->row_kernel(&call);
}
