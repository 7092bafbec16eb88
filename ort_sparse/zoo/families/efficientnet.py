"""EfficientNet."""

from __future__ import annotations

import math

from ort_sparse.zoo.layers import Layers, Tensor, divisible

__all__ = ["efficientnet"]

# Each row: expansion, output channels at width 1, repeats at depth 1, stride of the first,
# size of the depthwise kernel.
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


def efficientnet(net: Layers, *, width: float = 1.0, depth: float = 1.0) -> Tensor:
    """Build EfficientNet (Tan and Le 2019, arXiv:1905.11946, table 1).

    B0 is width 1 and depth 1, B1 is width 1 and depth 1.1. Pruned: every 1x1 convolution, those
    of the squeeze-excite blocks included, and the fully connected layer.
    """
    x = net.conv(net.image, divisible(32 * width), 3, stride=2, act="silu")
    for expansion, channels, repeats, first_stride, size in _STAGES:
        for repeat in range(math.ceil(repeats * depth)):
            stride = first_stride if repeat == 0 else 1
            x = _block(net, x, expansion, divisible(channels * width), stride, size)
    x = net.pointwise(x, divisible(1280 * width), act="silu")
    return net.fully_connected(net.global_pool(x), 1000, pruned=True)


def _block(net: Layers, x: Tensor, expansion: int, channels: int, stride: int, size: int) -> Tensor:
    inputs = x.shape[-1]
    y = x
    if expansion > 1:
        y = net.pointwise(y, expansion * inputs, act="silu")
    y = net.depthwise(y, size, stride=stride, act="silu")
    y = net.squeeze_excite(y, max(1, inputs // 4), act="silu", gate="sigmoid")
    y = net.pointwise(y, channels)
    return net.add(x, y) if stride == 1 and inputs == channels else y
