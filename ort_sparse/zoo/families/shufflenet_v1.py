"""ShuffleNet v1."""

from __future__ import annotations

from ort_sparse.zoo.layers import Layers, Tensor

__all__ = ["shufflenet_v1"]

_GROUPS = 3
_REPEATS = (4, 8, 4)


def shufflenet_v1(net: Layers, *, channels: tuple[int, int, int] = (240, 480, 960)) -> Tensor:
    """Build ShuffleNet v1 with 3 groups (Zhang et al. 2017, arXiv:1707.01083, table 1).

    ``channels`` are those of stages 2 to 4. Pruned: every 1x1 convolution, which are all grouped
    but for the first.
    """
    x = net.conv(net.image, 24, 3, stride=2, act="relu")
    x = net.max_pool(x, 3, 2)
    first_groups = 1
    for repeats, stage_channels in zip(_REPEATS, channels, strict=True):
        x = _down_unit(net, x, stage_channels, first_groups)
        first_groups = _GROUPS
        for _ in range(repeats - 1):
            x = net.activation(net.add(x, _branch(net, x, stage_channels, 1, _GROUPS)), "relu")
    return net.fully_connected(net.global_pool(x), 1000)


def _down_unit(net: Layers, x: Tensor, channels: int, first_groups: int) -> Tensor:
    y = _branch(net, x, channels - x.shape[-1], 2, first_groups, bottleneck=channels // 4)
    return net.activation(net.concat(net.avg_pool(x, 3, 2), y), "relu")


def _branch(
    net: Layers,
    x: Tensor,
    outputs: int,
    stride: int,
    first_groups: int,
    bottleneck: int | None = None,
) -> Tensor:
    y = net.pointwise(x, bottleneck or outputs // 4, groups=first_groups, act="relu")
    y = net.shuffle(y, _GROUPS)
    y = net.depthwise(y, stride=stride)
    return net.pointwise(y, outputs, groups=_GROUPS)
