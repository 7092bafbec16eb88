"""MobileNetV2, and the cache-aware variant of Fast Sparse ConvNets."""

from __future__ import annotations

import math

from ort_sparse.zoo.layers import Layers, Tensor, divisible

__all__ = ["mobilenet_v2", "mobilenet_v2_cache_aware"]

# Each row: expansion, output channels at width 1, repeats, stride of the first.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_CACHE_AWARE_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (5, 96, 4, 1),
    (3, 160, 6, 2),
    (3, 320, 1, 1),
)


def mobilenet_v2(
    net: Layers, *, width: float = 1.0, blocks_of_two_from: int | None = None
) -> Tensor:
    """Build MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381, table 2).

    Pruned: every 1x1 convolution. From inverted residual block ``blocks_of_two_from`` on,
    counted from 0, zeros come in blocks of two output channels, also in the 1x1 convolution after
    the last block, which the published table leaves open. The last layer keeps its 1280 channels
    at widths below 1, as in the authors' code.
    """
    return _inverted_residuals(net, _STAGES, width, blocks_of_two_from)


def mobilenet_v2_cache_aware(net: Layers) -> Tensor:
    """Build the cache-aware MobileNetV2 (Elsen et al. 2019, arXiv:1911.09723).

    The channel list is an assumption. The paper keeps the inputs of its 1x1 convolutions within
    the L1 cache by lower expansions and more blocks. Here no block expands to more than 480
    channels, since 512 channels of 16 pixels fill 32 KiB, and the blocks added in the last
    stages keep the number of parameters near that of MobileNetV2 1.0.
    """
    return _inverted_residuals(net, _CACHE_AWARE_STAGES, 1.0, None)


def _inverted_residuals(
    net: Layers,
    stages: tuple[tuple[int, int, int, int], ...],
    width: float,
    blocks_of_two_from: int | None,
) -> Tensor:
    x = net.conv(net.image, divisible(32 * width), 3, stride=2, act="relu6")
    first_blocked = math.inf if blocks_of_two_from is None else blocks_of_two_from
    block = 0
    for expansion, channels, repeats, first_stride in stages:
        for repeat in range(repeats):
            block_rows = 2 if block >= first_blocked else 1
            stride = first_stride if repeat == 0 else 1
            x = _inverted_residual(
                net, x, expansion, divisible(channels * width), stride, block_rows
            )
            block += 1
    block_rows = 2 if block >= first_blocked else 1
    x = net.pointwise(x, divisible(1280 * max(1, width)), block_rows=block_rows, act="relu6")
    return net.fully_connected(net.global_pool(x), 1000)


def _inverted_residual(
    net: Layers, x: Tensor, expansion: int, channels: int, stride: int, block_rows: int
) -> Tensor:
    y = x
    if expansion > 1:
        y = net.pointwise(y, expansion * x.shape[-1], block_rows=block_rows, act="relu6")
    y = net.depthwise(y, stride=stride, act="relu6")
    y = net.pointwise(y, channels, block_rows=block_rows)
    return net.add(x, y) if stride == 1 and x.shape[-1] == channels else y
