"""ESPNetv2."""

from __future__ import annotations

from ort_sparse.zoo.layers import Layers, Tensor

from .espnet import fuse_hierarchically

__all__ = ["espnet_v2"]

_BRANCHES = 4

# Each row: modules after the one that halves the resolution, then the limits of the receptive
# field in pixels, of that one and of the others.
_STAGES = ((0, 13, 13), (3, 11, 9), (7, 9, 7), (3, 7, 5))


def espnet_v2(net: Layers, *, width: float = 1.0) -> Tensor:
    """Build ESPNetv2 for ImageNet (Mehta et al. 2018, arXiv:1811.11431, table 1).

    Pruned: every 1x1 convolution, which are grouped but for those that bring the image back in.
    A dilated depthwise convolution of stride 2, which TensorFlow lacks, is one of stride 1 of
    which every second pixel is kept.
    """
    channels = round(32 * width / _BRANCHES) * _BRANCHES
    image = net.image
    x = net.conv(image, channels, 3, stride=2, act="prelu")
    image = net.avg_pool(image, 3, 2)
    for repeats, first_limit, limit in _STAGES:
        channels *= 2
        image = net.avg_pool(image, 3, 2)
        x = _down_module(net, x, image, channels, first_limit)
        for _ in range(repeats):
            y = _module(net, x, channels, limit, halve=False)
            x = net.activation(net.add(x, y), "prelu")
    x = net.depthwise(x, act="prelu")
    x = net.pointwise(x, 1024, groups=_BRANCHES, act="prelu")
    return net.fully_connected(net.global_pool(x), 1000)


def _down_module(net: Layers, x: Tensor, image: Tensor, channels: int, limit: int) -> Tensor:
    y = _module(net, x, channels - x.shape[-1], limit, halve=True)
    joined = net.concat(net.avg_pool(x, 3, 2), y)
    reinforcement = net.conv(image, 3, 3, act="prelu")
    reinforcement = net.pointwise(reinforcement, channels)
    return net.activation(net.add(joined, reinforcement), "prelu")


def _module(net: Layers, x: Tensor, channels: int, limit: int, *, halve: bool) -> Tensor:
    y = net.pointwise(x, channels // _BRANCHES, groups=_BRANCHES, act="prelu")
    branches = [net.depthwise(y, dilation=d, norm=False) for d in _dilations(limit)]
    if halve:
        branches = [net.max_pool(branch, 1, 2) for branch in branches]
    fused = net.batch_norm(fuse_hierarchically(net, branches))
    return net.pointwise(net.activation(fused, "prelu"), channels, groups=_BRANCHES)


def _dilations(limit: int) -> list[int]:
    """Return 1, 2, 3, 4, with 1 for each whose 3x3 kernel would span more than ``limit``."""
    return sorted(d if 2 * d + 1 <= limit else 1 for d in range(1, _BRANCHES + 1))
