"""SqueezeNet."""

from __future__ import annotations

from ort_sparse.zoo.layers import Layers, Tensor

__all__ = ["squeezenet"]

# Channels of the squeeze layer and of each expand layer; "pool" between.
_FIRES = (
    (16, 64),
    (16, 64),
    (32, 128),
    "pool",
    (32, 128),
    (48, 192),
    (48, 192),
    (64, 256),
    "pool",
    (64, 256),
)


def squeezenet(net: Layers) -> Tensor:
    """Build SqueezeNet (Iandola et al. 2016, arXiv:1602.07360, table 1).

    Pruned: every 1x1 convolution, the classifier included; the 3x3 convolutions are dense. The
    paper has no batch norms; here they keep activations in range with random weights, and the
    converter folds them into the convolutions.
    """
    x = net.conv(net.image, 96, 7, stride=2, act="relu")
    x = net.max_pool(x, 3, 2)
    for fire in _FIRES:
        x = net.max_pool(x, 3, 2) if isinstance(fire, str) else _fire(net, x, *fire)
    return net.global_pool(net.pointwise(x, 1000, act="relu"))


def _fire(net: Layers, x: Tensor, squeeze: int, expand: int) -> Tensor:
    x = net.pointwise(x, squeeze, act="relu")
    return net.concat(
        net.pointwise(x, expand, act="relu"),
        net.conv(x, expand, 3, act="relu"),
    )
