"""MobileNetV3."""

from __future__ import annotations

from ort_sparse.zoo.layers import Layers, Tensor, divisible

__all__ = ["mobilenet_v3_large", "mobilenet_v3_small"]

_Row = tuple[int, int, int, bool, str, int]

# Each row: size of the depthwise kernel, expanded channels, output channels, squeeze-excite,
# activation, stride.
_LARGE: tuple[_Row, ...] = (
    (3, 16, 16, False, "relu", 1),
    (3, 64, 24, False, "relu", 2),
    (3, 72, 24, False, "relu", 1),
    (5, 72, 40, True, "relu", 2),
    (5, 120, 40, True, "relu", 1),
    (5, 120, 40, True, "relu", 1),
    (3, 240, 80, False, "hard_silu", 2),
    (3, 200, 80, False, "hard_silu", 1),
    (3, 184, 80, False, "hard_silu", 1),
    (3, 184, 80, False, "hard_silu", 1),
    (3, 480, 112, True, "hard_silu", 1),
    (3, 672, 112, True, "hard_silu", 1),
    (5, 672, 160, True, "hard_silu", 2),
    (5, 960, 160, True, "hard_silu", 1),
    (5, 960, 160, True, "hard_silu", 1),
)
_SMALL: tuple[_Row, ...] = (
    (3, 16, 16, True, "relu", 2),
    (3, 72, 24, False, "relu", 2),
    (3, 88, 24, False, "relu", 1),
    (5, 96, 40, True, "hard_silu", 2),
    (5, 240, 40, True, "hard_silu", 1),
    (5, 240, 40, True, "hard_silu", 1),
    (5, 120, 48, True, "hard_silu", 1),
    (5, 144, 48, True, "hard_silu", 1),
    (5, 288, 96, True, "hard_silu", 2),
    (5, 576, 96, True, "hard_silu", 1),
    (5, 576, 96, True, "hard_silu", 1),
)


def mobilenet_v3_large(net: Layers, *, width: float = 1.0) -> Tensor:
    """Build MobileNetV3-Large (Howard et al. 2019, arXiv:1905.02244, table 1).

    Pruned: every 1x1 convolution, those of the squeeze-excite blocks and the one after the
    global pool included. Squeeze-excite reduces to a quarter of the expanded channels.
    """
    return _mobilenet_v3(net, _LARGE, width, 1280)


def mobilenet_v3_small(net: Layers, *, width: float = 1.0) -> Tensor:
    """Build MobileNetV3-Small (same paper, table 2), pruned like the large one."""
    return _mobilenet_v3(net, _SMALL, width, 1024)


def _mobilenet_v3(net: Layers, rows: tuple[_Row, ...], width: float, features: int) -> Tensor:
    x = net.conv(net.image, divisible(16 * width), 3, stride=2, act="hard_silu")
    for size, expanded, channels, excite, act, stride in rows:
        x = _block(
            net,
            x,
            size,
            divisible(expanded * width),
            divisible(channels * width),
            excite,
            act,
            stride,
        )
    x = net.pointwise(x, 6 * x.shape[-1], act="hard_silu")
    x = net.global_pool(x, keep_dims=True)
    x = net.pointwise(x, features, act="hard_silu", norm=False)
    return net.fully_connected(net.flatten(x), 1000)


def _block(
    net: Layers,
    x: Tensor,
    size: int,
    expanded: int,
    channels: int,
    excite: bool,
    act: str,
    stride: int,
) -> Tensor:
    inputs = x.shape[-1]
    y = net.pointwise(x, expanded, act=act) if expanded != inputs else x
    y = net.depthwise(y, size, stride=stride, act=act)
    if excite:
        y = net.squeeze_excite(y, divisible(expanded / 4), act="relu", gate="hard_sigmoid")
    y = net.pointwise(y, channels)
    return net.add(x, y) if stride == 1 and inputs == channels else y
