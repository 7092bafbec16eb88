/* Reading the windows of convolutions and pools. */
#include "base/arithmetic.h"
#include "region/read.h"

/* Sizes above this make no sense, and could overflow. */
enum { MOST = 1 << 16 };

/* One number for each spatial axis, or `otherwise` for all where the attribute is absent. */
static int read_sizes(struct region_reader* r, const char* name, int count, int64_t least,
                      int64_t otherwise, int64_t* sizes) {
    const struct model_attribute* attribute = model_attribute(r->node, name);
    for (int i = 0; i < count; i++) sizes[i] = otherwise;
    if (attribute == NULL || (attribute->type == MODEL_ATTRIBUTE_INTS && attribute->count == 0)) {
        return 1;
    }
    if (attribute->type != MODEL_ATTRIBUTE_INTS || attribute->count != count) {
        return status_fail(r->why, STATUS_INVALID, "%s must be %d integers, but is not", name,
                           count);
    }
    for (int i = 0; i < count; i++) {
        sizes[i] = attribute->ints[i];
        if (sizes[i] < least || sizes[i] > MOST) {
            return status_fail(r->why, STATUS_INVALID, "%s must lie in %lld..%d, but is %lld", name,
                               LL(least), MOST, LL(sizes[i]));
        }
    }
    return 1;
}

/* As ONNX says for SAME_UPPER and SAME_LOWER: as many windows as strides fit the axis. */
static int pad_same(struct region_reader* r, int64_t size, int64_t extent, int64_t stride,
                    int upper, int64_t* begin, int64_t* end) {
    int64_t padding = extent - 1;
    if (stride != 1) {
        if (size < 0) {
            return status_fail(r->why, STATUS_INVALID,
                               "auto_pad with strides needs known sizes of X");
        }
        padding = larger(0, (divide_up(size, stride) - 1) * stride + extent - size);
    }
    *begin = upper ? padding / 2 : padding - padding / 2;
    *end = padding - *begin;
    return 1;
}

static int read_pads(struct region_reader* r, const struct region_shape* x,
                     struct region_windows* w) {
    const char* automatic = model_string(r->node, "auto_pad", "NOTSET");
    const int spatial = x->rank - 2, first = 2 - spatial;
    int64_t pads[4] = {0};
    if (strcmp(automatic, "VALID") == 0) return 1;
    if (strcmp(automatic, "NOTSET") == 0 || automatic[0] == '\0') {
        if (!read_sizes(r, "pads", 2 * spatial, 0, 0, pads)) return 0;
        for (int i = 0; i < spatial; i++) {
            w->pad_begin[first + i] = pads[i];
            w->pad_end[first + i] = pads[spatial + i];
        }
        return 1;
    }
    const int upper = strcmp(automatic, "SAME_UPPER") == 0;
    if (!upper && strcmp(automatic, "SAME_LOWER") != 0) {
        return status_fail(r->why, STATUS_INVALID, "auto_pad must be one of ONNX's, but is %.64s",
                           automatic);
    }
    for (int i = first; i < 2; i++) {
        int64_t extent = w->dilation[i] * (w->kernel[i] - 1) + 1;
        if (!pad_same(r, x->dims[x->rank - 2 + i], extent, w->stride[i], upper, &w->pad_begin[i],
                      &w->pad_end[i])) {
            return 0;
        }
    }
    return 1;
}

int region_read_windows(struct region_reader* r, int x, const int64_t* kernel,
                        struct region_windows* w) {
    const struct region_shape* shape = &r->graph->values[x].shape;
    const int spatial = shape->rank - 2, first = 2 - spatial;
    *w = (struct region_windows){{1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}};
    const struct {
        const char* name;
        int64_t* sizes;
    } attributes[] = {
        {"kernel_shape", w->kernel}, {"strides", w->stride}, {"dilations", w->dilation}};
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        int64_t* sizes = attributes[i].sizes + first;
        if (!read_sizes(r, attributes[i].name, spatial, 1, 1, sizes)) return 0;
    }
    const struct model_attribute* said = model_attribute(r->node, "kernel_shape");
    for (int i = 0; i < spatial && kernel != NULL; i++) {
        if (said != NULL && said->count > 0 && w->kernel[first + i] != kernel[i]) {
            return status_fail(r->why, STATUS_INVALID, "kernel_shape must be that of the weights");
        }
        w->kernel[first + i] = kernel[i];
        if (kernel[i] < 1 || kernel[i] > MOST) {
            return status_fail(r->why, STATUS_INVALID, "the kernel must have 1..%d cells, not %lld",
                               MOST, LL(kernel[i]));
        }
    }
    if (said == NULL && kernel == NULL) {
        return status_fail(r->why, STATUS_INVALID, "kernel_shape must be given, but is missing");
    }
    return read_pads(r, shape, w);
}
