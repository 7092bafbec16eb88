"""One function for each kind of layer: adds it after a value with random attributes.

Each takes a `Maker` and a value and returns the layer's output, or None where the value's rank or
the opset does not allow the layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from oracle import random_op
from region_models import Maker, Value

from ort_sparse.op import ACTIVATIONS, Activation

Layer = Callable[[Maker, Value], Value | None]

# --- Convolutions.


def _windows(
    m: Maker, x: Value, *, kernel: int, dilation: int, stride: int
) -> tuple[tuple[int, ...], dict[str, object]] | None:
    """Choose a window for each spatial axis; return the output's sizes and the attributes."""
    sizes, kernels, strides, dilations, begins, ends = [], [], [], [], [], []
    for size in x.spatial:
        k, s, d = m.rng.randint(1, kernel), m.rng.randint(1, stride), m.rng.randint(1, dilation)
        begin, end = m.rng.randint(0, k - 1), m.rng.randint(0, k - 1)
        extent = d * (k - 1) + 1
        if size + begin + end < extent:
            return None
        sizes.append((size + begin + end - extent) // s + 1)
        kernels.append(k), strides.append(s), dilations.append(d)
        begins.append(begin), ends.append(end)
    attributes: dict[str, object] = {"kernel_shape": kernels, "strides": strides}
    if dilation > 1 and max(dilations) > 1:
        attributes["dilations"] = dilations
    padding = m.rng.choice(["pads", "pads", "VALID", "SAME_UPPER", "SAME_LOWER"])
    if padding == "VALID" and all(
        size >= d * (k - 1) + 1 for size, k, d in zip(x.spatial, kernels, dilations, strict=True)
    ):
        sizes = [
            (size - d * (k - 1) - 1) // s + 1
            for size, k, s, d in zip(x.spatial, kernels, strides, dilations, strict=True)
        ]
        attributes["auto_pad"] = padding
    elif padding.startswith("SAME") and max(dilations) == 1:
        sizes = [-(-size // s) for size, s in zip(x.spatial, strides, strict=True)]
        attributes["auto_pad"] = padding
    elif any(begins + ends):
        attributes["pads"] = begins + ends
    return tuple(sizes), attributes


def _conv(m: Maker, x: Value, *, rows: int, groups: int, sparse: bool, **limits: int):
    found = _windows(m, x, **limits)
    if found is None:
        return None
    spatial, attributes = found
    kernel = attributes["kernel_shape"]
    weights = m.weights(rows, x.channels // groups, *kernel, sparse=sparse)
    bias = m.constant(m.floats(rows)) if m.chance(0.6) else ""
    if m.chance(0.3):
        del attributes["kernel_shape"]
    return m.node(
        "Conv",
        [x.name, m.constant(weights), bias],
        (x.shape[0], rows, *spatial),
        group=groups if groups > 1 or m.chance(0.5) else None,
        **attributes,
    )


def _is_image(x: Value) -> bool:
    return x.rank in (3, 4) and x.channels > 0


def _divisor(m: Maker, number: int) -> int:
    return m.rng.choice([n for n in range(1, number + 1) if number % n == 0])


def pointwise_sparse(m: Maker, x: Value) -> Value | None:
    if not _is_image(x):
        return None
    rows = m.rng.choice([4, 8, 16, 24, 33])
    return _conv(m, x, rows=rows, groups=1, sparse=True, kernel=1, dilation=1, stride=1)


def pointwise_strided(m: Maker, x: Value) -> Value | None:
    if not _is_image(x):
        return None
    return _conv(
        m, x, rows=m.rng.randint(1, 40), groups=1, sparse=True, kernel=1, dilation=1, stride=3
    )


def pointwise_dense(m: Maker, x: Value) -> Value | None:
    if not _is_image(x):
        return None
    rows = m.rng.randint(1, 40)
    return _conv(m, x, rows=rows, groups=1, sparse=False, kernel=1, dilation=1, stride=2)


def pointwise_grouped(m: Maker, x: Value) -> Value | None:
    if not _is_image(x):
        return None
    groups = _divisor(m, x.channels)
    rows = groups * m.rng.randint(1, 5)
    sparse = m.chance(0.5)
    return _conv(m, x, rows=rows, groups=groups, sparse=sparse, kernel=1, dilation=1, stride=2)


def depthwise(m: Maker, x: Value) -> Value | None:
    if not _is_image(x):
        return None
    kernel = m.rng.choice([3, 3, 5, 7])
    rows = x.channels * m.rng.choice([1, 1, 1, 2, 3])
    sparse = m.chance(0.2)
    return _conv(
        m, x, rows=rows, groups=x.channels, sparse=sparse, kernel=kernel, dilation=3, stride=3
    )


def small_conv(m: Maker, x: Value) -> Value | None:
    """Return the output of a dense convolution of few channels, in groups where there are many."""
    if not _is_image(x):
        return None
    groups = next(
        g for g in range(1, x.channels + 1) if x.channels % g == 0 and x.channels // g < 8
    )
    rows = groups * m.rng.randint(1, 12)
    return _conv(m, x, rows=rows, groups=groups, sparse=False, kernel=5, dilation=2, stride=2)


def sparse_op(m: Maker, x: Value) -> Value | None:
    """Return the output of a SparseConv1x1, with any of its options."""
    if x.rank not in (2, 3, 4) or m.opset < 11:  # `densify` writes 11 or later
        return None
    rows = m.rng.choice([4, 8, 12, 16, 40])
    residuals = [value for value in m.values if value.shape == (x.shape[0], rows, *x.spatial)]
    residual = m.rng.choice(residuals) if residuals and m.chance(0.7) else None
    strides = () if residual else tuple(m.rng.randint(1, 2) for _ in x.spatial)
    name = m.rng.choice(sorted(ACTIVATIONS))
    activation = Activation(name, 0, 6) if name == "clip" else Activation(name)
    op = random_op(
        np.random.default_rng(m.rng.getrandbits(32)),
        rows,
        x.channels,
        block_rows=m.rng.choice([1, 2, 4]),
        dtype=m.rng.choice([np.float32, np.float16]),
        activation=activation,
        bias=m.chance(0.5),
        strides=strides if m.chance(0.5) else (),
    )
    return m.sparse_node(op, x, residual)


# --- Pools.


def _pool(m: Maker, x: Value, op: str, *, dilation: int, **extra: object) -> Value | None:
    if not _is_image(x):
        return None
    found = _windows(m, x, kernel=4, dilation=dilation, stride=3)
    if found is None:
        return None
    spatial, attributes = found
    if str(attributes.get("auto_pad")).startswith("SAME") and any(
        stride > size
        for stride, size in zip(attributes["strides"], attributes["kernel_shape"], strict=True)
    ):
        return None  # ONNX Runtime would pad by less than nothing
    if m.opset >= 10 and "auto_pad" not in attributes and m.chance(0.3):
        attributes["ceil_mode"] = 1
        spatial = _ceiled(x, attributes)
    return m.node(op, [x.name], (*x.shape[:2], *spatial), **attributes, **extra)


def _ceiled(x: Value, attributes: dict[str, object]) -> tuple[int, ...]:
    axes = len(x.spatial)
    pads = attributes.get("pads", [0] * 2 * axes)
    dilations = attributes.get("dilations", [1] * axes)
    sizes = []
    for axis, size in enumerate(x.spatial):
        k, s, d = attributes["kernel_shape"][axis], attributes["strides"][axis], dilations[axis]
        begin, end = pads[axis], pads[axes + axis]
        count = -(-(size + begin + end - d * (k - 1) - 1) // s) + 1
        if (count - 1) * s >= size + begin:  # the last window would lie in the padding
            count -= 1
        sizes.append(count)
    return tuple(sizes)


def max_pool(m: Maker, x: Value) -> Value | None:
    return _pool(m, x, "MaxPool", dilation=2 if m.opset >= 10 else 1)


def average_pool(m: Maker, x: Value) -> Value | None:
    return _pool(
        m,
        x,
        "AveragePool",
        dilation=2 if m.opset >= 19 else 1,
        count_include_pad=m.rng.choice([None, 0, 1]),
    )


def global_average_pool(m: Maker, x: Value) -> Value | None:
    shape = (*x.shape[:2], *[1] * len(x.spatial))
    return m.node("GlobalAveragePool", [x.name], shape) if _is_image(x) else None


def global_max_pool(m: Maker, x: Value) -> Value | None:
    shape = (*x.shape[:2], *[1] * len(x.spatial))
    return m.node("GlobalMaxPool", [x.name], shape) if _is_image(x) else None


def reduce_mean(m: Maker, x: Value) -> Value | None:
    if not _is_image(x):
        return None
    axes = [axis - (x.rank if m.opset >= 11 and m.chance(0.5) else 0) for axis in range(2, x.rank)]
    keep = m.chance(0.5)
    shape = (*x.shape[:2], *[1] * len(x.spatial)) if keep else x.shape[:2]
    keepdims = m.rng.choice([None, 1]) if keep else 0
    if m.opset >= 18:
        names = [x.name, m.constant(np.array(axes, np.int64))]
        return m.node("ReduceMean", names, shape, keepdims=keepdims)
    return m.node("ReduceMean", [x.name], shape, axes=axes, keepdims=keepdims)


# --- Element by element.


def _vector(m: Maker, x: Value, low: float, high: float) -> str:
    """Return a constant that stretches to the shape of x: of channels, or one number."""
    ones = [1] * len(x.spatial)
    shapes = [(x.channels, *ones), (1, x.channels, *ones), (1,), (), (1, 1, *ones)]
    array = m.uniform(low, high, *m.rng.choice(shapes))
    return m.constant(array * (m.rng.choice([-1, 1]) if low > 0 else 1))


def add_same(m: Maker, x: Value) -> Value | None:
    op = m.rng.choice(["Add", "Sub", "Mul", "Max", "Min"])
    names = [x.name, m.like(x).name]
    m.rng.shuffle(names)
    return m.node(op, names, x.shape)


def add_vector(m: Maker, x: Value) -> Value | None:
    op = m.rng.choice(["Add", "Sub", "Mul", "Div", "Max", "Min"])
    if op in ("Max", "Min") and m.opset < 8:
        return None  # they did not stretch constants
    names = [x.name, _vector(m, x, 0.5 if op == "Div" else -1, 2)]
    if op != "Div":
        m.rng.shuffle(names)
    return m.node(op, names, x.shape) if x.rank >= 2 else None


def many_inputs(m: Maker, x: Value) -> Value | None:
    op = m.rng.choice(["Max", "Min"])
    names = [x.name] + [m.like(x).name for _ in range(m.rng.randint(1, 3))]
    return m.node(op, names, x.shape)


def _gate(m: Maker, x: Value) -> Value:
    """Return numbers between 0 and 1 for each channel and image, as in squeeze and excite."""
    pooled = global_average_pool(m, x)
    assert pooled is not None
    few = max(1, x.channels // 4)
    one = [1] * len(x.spatial)
    sparse = m.chance(0.5)
    for rows, op in ((few, "Relu"), (x.channels, m.rng.choice(["Sigmoid", "HardSigmoid"]))):
        weights = m.constant(m.weights(rows, pooled.channels, *one, sparse=sparse))
        layer = m.node("Conv", [pooled.name, weights], (x.shape[0], rows, *one))
        pooled = m.node(op, [layer.name], layer.shape)
    return pooled


def gated(m: Maker, x: Value) -> Value | None:
    if not _is_image(x):
        return None
    op = m.rng.choice(["Mul", "Mul", "Add", "Sub"])
    names = [x.name, _gate(m, x).name]
    if m.chance(0.5):
        names.reverse()
    return m.node(op, names, x.shape)


def divided(m: Maker, x: Value) -> Value | None:
    """Return x divided by numbers between 1 and 2 that are computed."""
    share = m.node("Sigmoid", [m.like(x).name], x.shape)
    divisor = m.node("Add", [share.name, m.constant(np.ones((), np.float32))], x.shape)
    return m.node("Div", [x.name, divisor.name], x.shape)


def batch_normalization(m: Maker, x: Value) -> Value | None:
    if x.rank < 2:
        return None
    count = x.channels
    arrays = [m.uniform(0.5, 2, count), m.floats(count), m.floats(count), m.uniform(0.3, 2, count)]
    names = [x.name, *(m.constant(array) for array in arrays)]
    epsilon = m.rng.choice([None, 1e-3])
    return m.node("BatchNormalization", names, x.shape, epsilon=epsilon)


# --- Activations.


def _plain(op: str, since: int = 7, **attributes: object) -> Layer:
    def layer(m: Maker, x: Value) -> Value | None:
        chosen = {
            key: m.rng.choice([None, value]) if value is not None else None
            for key, value in attributes.items()
        }
        return m.node(op, [x.name], x.shape, **chosen) if m.opset >= since else None

    return layer


def clip(m: Maker, x: Value) -> Value | None:
    low = round(m.rng.uniform(-1, 0.5), 3)
    bounds = m.rng.choice([(low, low + 1), (low, None), (None, low), (0.0, 6.0), (None, None)])
    if m.opset < 11:
        return m.node("Clip", [x.name], x.shape, min=bounds[0], max=bounds[1])
    names = ["" if b is None else m.constant(np.array(b, np.float32)) for b in bounds]
    return m.node("Clip", [x.name, *names], x.shape)


def prelu(m: Maker, x: Value) -> Value | None:
    if x.rank < 2:
        return None
    ones = [1] * len(x.spatial)
    shapes = [(x.channels, *ones), (1, x.channels, *ones), (1,), (1, *ones)]
    if m.opset < 9:
        shapes = shapes[:1]
    slope = m.constant(m.uniform(-0.5, 0.8, *m.rng.choice(shapes)))
    return m.node("PRelu", [x.name, slope], x.shape)


def gelu(m: Maker, x: Value) -> Value | None:
    approximate = m.rng.choice([None, "none", "tanh"])
    return m.node("Gelu", [x.name], x.shape, approximate=approximate) if m.opset >= 20 else None


def gelu_of_erf(m: Maker, x: Value) -> Value | None:
    """Return Gelu as exporters wrote it before there was such an operator."""
    if m.opset < 9:
        return None

    def number(value: float) -> str:
        return m.constant(np.array(value, np.float32))

    scaled = m.node("Div", [x.name, number(math.sqrt(2))], x.shape)
    erf = m.node("Erf", [scaled.name], x.shape)
    added = m.node("Add", [erf.name, number(1)], x.shape)
    product = m.node("Mul", [x.name, added.name], x.shape)
    return m.node("Mul", [product.name, number(0.5)], x.shape)


def silu(m: Maker, x: Value) -> Value | None:
    gate = m.node("Sigmoid", [x.name], x.shape)
    names = [x.name, gate.name]
    m.rng.shuffle(names)
    return m.node("Mul", names, x.shape)


# --- Planes that are only renamed, and other orders.


def concat(m: Maker, x: Value) -> Value | None:
    if x.rank < 2:
        return None
    fitting = [v for v in m.values if v.rank == x.rank and v.spatial == x.spatial]
    fitting = [v for v in fitting if v.shape[0] == x.shape[0] and v.channels < 100]
    parts = [x] + [m.rng.choice(fitting) for _ in range(m.rng.randint(1, 2)) if fitting]
    m.rng.shuffle(parts)
    channels = sum(part.channels for part in parts)
    axis = m.rng.choice([1, 1 - x.rank]) if m.opset >= 11 else 1
    names = [part.name for part in parts]
    return m.node("Concat", names, (x.shape[0], channels, *x.spatial), axis=axis)


def split(m: Maker, x: Value) -> Value | None:
    if x.rank < 2 or x.channels < 2:
        return None
    count = m.rng.choice([n for n in (2, 3) if n <= x.channels])
    if m.chance(0.5) and x.channels % count == 0:
        sizes, said = [x.channels // count] * count, False
    else:
        first = m.rng.randint(1, x.channels - count + 1)
        sizes, said = [first, x.channels - first - (count - 2), *[1] * (count - 2)], True
    names, attributes = [x.name], {"axis": 1}
    if m.opset >= 13 and said:
        names.append(m.constant(np.array(sizes, np.int64)))
    elif m.opset >= 18:
        attributes["num_outputs"] = count
    elif said:
        attributes["split"] = sizes
    before = len(m.values)
    m.node("Split", names, *((x.shape[0], n, *x.spatial) for n in sizes), **attributes)
    return m.rng.choice(m.values[before:])


def slice_channels(m: Maker, x: Value) -> Value | None:
    if x.rank < 2 or x.channels < 1:
        return None
    first = m.rng.randint(0, x.channels - 1)
    end = m.rng.randint(first + 1, x.channels)
    shape = (x.shape[0], end - first, *x.spatial)
    if m.chance(0.3):
        first -= x.channels
    if end == x.channels and m.chance(0.5):
        end = m.rng.choice([2**31 - 1, 2**63 - 1])
    if m.opset < 10:
        return m.node("Slice", [x.name], shape, starts=[first], ends=[end], axes=[1])
    axis = m.rng.choice([1, 1 - x.rank])
    bounds = [[first], [end], [axis], *([[1]] if m.chance(0.5) else [])]
    names = [m.constant(np.array(bound, np.int64)) for bound in bounds]
    return m.node("Slice", [x.name, *names], shape)


def shuffle(m: Maker, x: Value) -> Value | None:
    """Return the channels in another order: Reshape, Transpose, Reshape."""
    if not _is_image(x):
        return None
    groups = _divisor(m, x.channels)
    each = x.channels // groups
    batch = m.rng.choice([0, -1])
    apart = np.array([batch, groups, each, *x.spatial], np.int64)
    together = np.array([batch, x.channels, *x.spatial], np.int64)
    order = [0, 2, 1, *range(3, x.rank + 1)]
    shape = (x.shape[0], groups, each, *x.spatial)
    h = m.node("Reshape", [x.name, m.constant(apart)], shape)
    h = m.node("Transpose", [h.name], (x.shape[0], each, groups, *x.spatial), perm=order)
    return m.node("Reshape", [h.name, m.constant(together)], x.shape)


def identity(m: Maker, x: Value) -> Value | None:
    return m.node("Identity", [x.name], x.shape)


def dropout(m: Maker, x: Value) -> Value | None:
    if m.opset < 12:
        return m.node("Dropout", [x.name], x.shape, ratio=0.3)
    return m.node("Dropout", [x.name, m.constant(np.array(0.3, np.float32))], x.shape)


def flatten(m: Maker, x: Value) -> Value | None:
    if not _is_image(x):
        return None
    return m.node("Flatten", [x.name], (x.shape[0], math.prod(x.shape[1:])))


def reshape_flat(m: Maker, x: Value) -> Value | None:
    if not _is_image(x) or 0 in x.shape[1:]:
        return None
    count = math.prod(x.shape[1:])
    target = m.rng.choice([(0, -1), (-1, count), (0, count)])
    return m.node("Reshape", [x.name, m.constant(np.array(target))], (x.shape[0], count))


def squeeze(m: Maker, x: Value) -> Value | None:
    """Return x without its spatial axes, which are pooled before where need be."""
    if not _is_image(x):
        return None
    if any(size != 1 for size in x.spatial):
        x = global_average_pool(m, x) or x
    axes = list(range(2, x.rank))
    if m.opset >= 13:
        names = [x.name, m.constant(np.array(axes, np.int64))]
        return m.node("Squeeze", names, x.shape[:2])
    return m.node("Squeeze", [x.name], x.shape[:2], axes=axes)


def unsqueeze(m: Maker, x: Value) -> Value | None:
    if x.rank not in (2, 3):
        return None
    axes = list(range(x.rank, 4))
    shape = (*x.shape, *[1] * len(axes))
    if m.opset >= 13:
        return m.node("Unsqueeze", [x.name, m.constant(np.array(axes, np.int64))], shape)
    return m.node("Unsqueeze", [x.name], shape, axes=axes)


def channels_last_and_back(m: Maker, x: Value) -> Value | None:
    if not _is_image(x):
        return None
    last, first = [0, *range(2, x.rank), 1], [0, x.rank - 1, *range(1, x.rank - 1)]
    h = m.node("Transpose", [x.name], (x.shape[0], *x.spatial, x.channels), perm=last)
    h = m.node("Tanh", [h.name], h.shape)
    return m.node("Transpose", [h.name], x.shape, perm=first)


# --- Fully connected.


def gemm(m: Maker, x: Value) -> Value | None:
    if x.rank != 2 or x.channels < 1:
        return None
    rows, across = m.rng.randint(1, 40), m.chance(0.6)
    weights = m.weights(rows, x.channels, sparse=m.chance(0.5))
    bias = ""
    if m.opset < 11 or m.chance(0.7):
        bias = m.constant(m.floats(*m.rng.choice([(rows,), (1, rows), (1,)])))
    return m.node(
        "Gemm",
        [x.name, m.constant(weights if across else np.ascontiguousarray(weights.T)), bias],
        (x.shape[0], rows),
        transB=int(across),
        alpha=m.rng.choice([None, 0.5]),
        beta=m.rng.choice([None, 2.0]),
    )


def matmul(m: Maker, x: Value) -> Value | None:
    if x.rank != 2 or x.channels < 1:
        return None
    weights = m.weights(m.rng.randint(1, 40), x.channels, sparse=m.chance(0.5)).T
    names = [x.name, m.constant(np.ascontiguousarray(weights))]
    return m.node("MatMul", names, (x.shape[0], weights.shape[1]))


def softmax(m: Maker, x: Value) -> Value | None:
    if x.rank != 2:
        return None
    op = m.rng.choice(["Softmax", "Softmax", "LogSoftmax"])
    return m.node(op, [x.name], x.shape, axis=m.rng.choice([1, -1]) if m.opset >= 11 else 1)


LAYERS: dict[str, Layer] = {
    layer.__name__: layer
    for layer in (
        pointwise_sparse,
        pointwise_strided,
        pointwise_dense,
        pointwise_grouped,
        depthwise,
        small_conv,
        sparse_op,
        max_pool,
        average_pool,
        global_average_pool,
        global_max_pool,
        reduce_mean,
        add_same,
        add_vector,
        many_inputs,
        gated,
        divided,
        batch_normalization,
        clip,
        prelu,
        gelu,
        gelu_of_erf,
        silu,
        concat,
        split,
        slice_channels,
        shuffle,
        identity,
        dropout,
        flatten,
        reshape_flat,
        squeeze,
        unsqueeze,
        channels_last_and_back,
        gemm,
        matmul,
        softmax,
    )
} | {
    "relu": _plain("Relu"),
    "leaky_relu": _plain("LeakyRelu", alpha=0.2),
    "sigmoid": _plain("Sigmoid"),
    "hard_sigmoid": _plain("HardSigmoid", alpha=0.15, beta=0.4),
    "hard_swish": _plain("HardSwish", since=14),
    "elu": _plain("Elu", alpha=0.7),
    "tanh": _plain("Tanh"),
    "mish": _plain("Mish", since=18),
    "softplus": _plain("Softplus"),
}
