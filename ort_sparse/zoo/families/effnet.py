"""EffNet."""

from __future__ import annotations

from ort_sparse.zoo.layers import Layers, Tensor

__all__ = ["effnet"]

_CHANNELS = ((32, 64), (64, 128), (128, 256))
"""Channels within and after each block."""


def effnet(net: Layers) -> Tensor:
    """Build EffNet for CIFAR-10 (Freeman et al. 2018, arXiv:1801.06434, table 3).

    A block halves the height by a max pool between its two depthwise convolutions, 1x3 and 3x1,
    and the width by a strided convolution with two taps. Pruned: the 1x1 convolutions, but for
    that on the image, and the fully connected layer. The slope of the leaky ReLU, 0.1, is an
    assumption.
    """
    x = net.image
    for inner, outer in _CHANNELS:
        if x is net.image:
            x = net.conv(x, inner, 1, act="leaky_relu")
        else:
            x = net.pointwise(x, inner, act="leaky_relu")
        x = net.depthwise(x, (1, 3), act="leaky_relu")
        x = net.max_pool(x, (2, 1), (2, 1))
        x = net.depthwise(x, (3, 1), act="leaky_relu")
        x = net.conv(x, outer, (1, 2), stride=(1, 2), act="leaky_relu")
    return net.fully_connected(net.flatten(x), 10, pruned=True)
