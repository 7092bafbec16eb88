"""MobileNetV1."""

from __future__ import annotations

from ort_sparse.zoo.layers import Layers, Tensor, divisible

__all__ = ["mobilenet_v1"]

_BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)
"""Output channels at width 1 and stride of each block."""


def mobilenet_v1(net: Layers, *, width: float = 1.0, last_block_rows: int = 1) -> Tensor:
    """Build MobileNetV1 (Howard et al. 2017, arXiv:1704.04861, table 1).

    Pruned: the 1x1 convolution of each block. Channel counts are multiples of 8; the paper does
    not say how it rounds 1.4 times 1024.
    """
    x = net.conv(net.image, divisible(32 * width), 3, stride=2, act="relu")
    for block, (channels, stride) in enumerate(_BLOCKS):
        x = net.depthwise(x, stride=stride, act="relu")
        last = block == len(_BLOCKS) - 1
        x = net.pointwise(
            x,
            divisible(channels * width),
            block_rows=last_block_rows if last else 1,
            act="relu",
        )
    return net.fully_connected(net.global_pool(x), 1000)
