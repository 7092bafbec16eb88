"""The network: MobileNetV1 in small, with the same two kinds of layers."""

from __future__ import annotations

from torch import nn

LAYERS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1))
"""Output channels and stride of each depthwise layer with the 1x1 layer behind it."""

STEM = 32
IN_CHANNELS = 1


def network(classes: int) -> nn.Sequential:
    """Return an untrained network for images [n, 1, 32, 32].

    Nearly all of its weights and multiplications are in its 1x1 convolutions.
    """
    layers = [_convolution(IN_CHANNELS, STEM, kernel=3)]
    channels = STEM
    for outputs, stride in LAYERS:
        layers.append(_convolution(channels, channels, kernel=3, stride=stride, groups=channels))
        layers.append(_convolution(channels, outputs, kernel=1))
        channels = outputs
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
    return nn.Sequential(*layers, head)


def pointwise_layers(model: nn.Module) -> list[nn.Conv2d]:
    """Return the 1x1 convolutions."""
    return [
        layer
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1)
    ]


def _convolution(
    inputs: int, outputs: int, *, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )
