"""ESPNet, a segmentation network."""

from __future__ import annotations

from ort_sparse.zoo.layers import Layers, Tensor

__all__ = ["espnet", "fuse_hierarchically"]

_CLASSES = 20
_DILATIONS = (1, 2, 4, 8, 16)


def espnet(net: Layers) -> Tensor:
    """Build ESPNet for Cityscapes (Mehta et al. 2018, arXiv:1803.06815, figure 4d).

    With 2 and 8 modules at the two lower resolutions, as the paper's largest. The input is
    square. Pruned: every 1x1 convolution, that is those that reduce, and the projections to
    classes; the dilated 3x3 convolutions are dense. Convolutions without batch norm have a
    bias here. Returns the class scores of each pixel.
    """
    half_image = net.avg_pool(net.image, 3, 2)
    half = net.conv(net.image, 16, 3, stride=2, act="prelu")
    half = _norm_act(net, net.concat(half, half_image))
    first = _down_module(net, half, 64)
    x = first
    for _ in range(2):
        x = _module(net, x, 64)
    quarter = _norm_act(net, net.concat(x, first, net.avg_pool(half_image, 3, 2)))
    first = _down_module(net, quarter, 128)
    x = first
    for _ in range(8):
        x = _module(net, x, 128)
    eighth = _norm_act(net, net.concat(x, first))
    return _decode(net, half, quarter, eighth)


def fuse_hierarchically(net: Layers, branches: list[Tensor]) -> Tensor:
    """Join branches, each after adding its predecessor to it (same paper, section 3.2)."""
    sums = [branches[0]]
    for branch in branches[1:]:
        sums.append(net.add(sums[-1], branch))
    return net.concat(*sums)


def _decode(net: Layers, half: Tensor, quarter: Tensor, eighth: Tensor) -> Tensor:
    up = _norm_act(net, net.upsampling_conv(_project(net, eighth), _CLASSES))
    x = _norm_act(net, net.concat(_project(net, quarter), up))
    x = _module(net, x, _CLASSES)
    up = _norm_act(net, net.upsampling_conv(x, _CLASSES))
    x = net.conv(net.concat(up, half), _CLASSES, 3, act="prelu")
    return net.upsampling_conv(x, _CLASSES)


def _module(net: Layers, x: Tensor, channels: int) -> Tensor:
    y = net.pointwise(x, channels // len(_DILATIONS), norm=False)
    y = _pyramid(net, y, channels)
    return _norm_act(net, net.add(x, y) if x.shape[-1] == channels else y)


def _down_module(net: Layers, x: Tensor, channels: int) -> Tensor:
    y = net.conv(x, channels // len(_DILATIONS), 3, stride=2, norm=False)
    return _norm_act(net, _pyramid(net, y, channels))


def _pyramid(net: Layers, x: Tensor, channels: int) -> Tensor:
    """Convolve with each dilation; the undilated branch has the channels that remain."""
    reduced = x.shape[-1]
    plain_channels = channels - reduced * (len(_DILATIONS) - 1)
    plain = net.conv(x, plain_channels, 3, norm=False)
    dilated = [net.conv(x, reduced, 3, dilation=d, norm=False) for d in _DILATIONS[1:]]
    return net.concat(plain, fuse_hierarchically(net, dilated))


def _project(net: Layers, x: Tensor) -> Tensor:
    return net.pointwise(x, _CLASSES, norm=False)


def _norm_act(net: Layers, x: Tensor) -> Tensor:
    return net.activation(net.batch_norm(x), "prelu")
