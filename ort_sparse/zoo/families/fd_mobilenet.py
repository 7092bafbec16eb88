"""FD-MobileNet."""

from __future__ import annotations

from ort_sparse.zoo.layers import Layers, Tensor, divisible

__all__ = ["fd_mobilenet"]

_BLOCKS = ((64, 2), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 4, (1024, 1))
"""Output channels at width 1 and stride of each block."""


def fd_mobilenet(net: Layers, *, width: float = 1.0) -> Tensor:
    """Build FD-MobileNet (Qin et al. 2018, arXiv:1802.03750, table 1).

    MobileNetV1's blocks, but 32 times smaller within the first six layers. Pruned: the 1x1
    convolution of each block.
    """
    x = net.conv(net.image, divisible(32 * width), 3, stride=2, act="relu")
    for channels, stride in _BLOCKS:
        x = net.depthwise(x, stride=stride, act="relu")
        x = net.pointwise(x, divisible(channels * width), act="relu")
    return net.fully_connected(net.global_pool(x), 1000)
