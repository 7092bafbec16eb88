"""ShuffleNet v2."""

from __future__ import annotations

from ort_sparse.zoo.layers import Layers, Tensor

__all__ = ["shufflenet_v2"]

_REPEATS = (4, 8, 4)


def shufflenet_v2(net: Layers, *, channels: tuple[int, int, int] = (116, 232, 464)) -> Tensor:
    """Build ShuffleNet v2 (Ma et al. 2018, arXiv:1807.11164, table 5).

    ``channels`` are those of stages 2 to 4. Pruned: every 1x1 convolution.
    """
    x = net.conv(net.image, 24, 3, stride=2, act="relu")
    x = net.max_pool(x, 3, 2)
    for repeats, stage_channels in zip(_REPEATS, channels, strict=True):
        x = _down_unit(net, x, stage_channels // 2)
        for _ in range(repeats - 1):
            kept, changed = net.split(x)
            x = net.shuffle(net.concat(kept, _branch(net, changed, stage_channels // 2, 1)), 2)
    x = net.pointwise(x, 1024, act="relu")
    return net.fully_connected(net.global_pool(x), 1000)


def _down_unit(net: Layers, x: Tensor, channels: int) -> Tensor:
    left = net.pointwise(net.depthwise(x, stride=2), channels, act="relu")
    return net.shuffle(net.concat(left, _branch(net, x, channels, 2)), 2)


def _branch(net: Layers, x: Tensor, channels: int, stride: int) -> Tensor:
    y = net.pointwise(x, channels, act="relu")
    y = net.depthwise(y, stride=stride)
    return net.pointwise(y, channels, act="relu")
