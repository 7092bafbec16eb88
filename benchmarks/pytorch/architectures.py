"""ResNet-50 and MobileNetV2 as torchvision builds them, pruned, with random weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLASSES = 1000


def conv(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Return a convolution and its batch normalization."""
    padding = kernel // 2
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class Bottleneck(nn.Module):
    """He et al. 2015, figure 5, with the stride in the 3x3 convolution."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.layers = nn.Sequential(
            *conv(inputs, width, 1),
            nn.ReLU(),
            *conv(width, width, 3, stride),
            nn.ReLU(),
            *conv(width, outputs, 1),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Sequential(*conv(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layers(x) + self.shortcut(x))


def resnet50() -> nn.Module:
    """Return ResNet-50: He et al. 2015, Deep Residual Learning for Image Recognition, table 1."""
    layers: list[nn.Module] = [*conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        for block in range(blocks):
            layers.append(Bottleneck(inputs, width, 2 if stage > 0 and block == 0 else 1))
            inputs = 4 * width
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES)]
    return nn.Sequential(*layers, *head)


class InvertedResidual(nn.Module):
    """Sandler et al. 2018, table 1."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        expand = [*conv(inputs, width, 1), nn.ReLU6()] if expansion > 1 else []
        self.layers = nn.Sequential(
            *expand,
            *conv(width, width, 3, stride, groups=width),
            nn.ReLU6(),
            *conv(width, outputs, 1),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y if self.residual else y


def mobilenet_v2() -> nn.Module:
    """Return MobileNetV2: Sandler et al. 2018, MobileNetV2: Inverted Residuals, table 2."""
    layers: list[nn.Module] = [*conv(3, 32, 3, 2), nn.ReLU6()]
    inputs = 32
    stages = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    for expansion, outputs, blocks, stride in stages:
        for block in range(blocks):
            layers.append(InvertedResidual(inputs, outputs, stride if block == 0 else 1, expansion))
            inputs = outputs
    layers += [*conv(inputs, 1280, 1), nn.ReLU6()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, CLASSES)]
    return nn.Sequential(*layers, *head)


def prune(network: nn.Module, sparsity: float) -> None:
    """Set this share of the weights of each 1x1 convolution, the smallest, to zero."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1):
            weights = layer.weight.data
            smallest = weights.abs().flatten().argsort()[: round(sparsity * weights.numel())]
            weights.view(-1)[smallest] = 0


def calibrate(network: nn.Module, resolution: int) -> None:
    """Give batch normalizations the statistics of random images, so that activations stay O(1)."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # the plain mean of what is seen
    network.train()
    with torch.no_grad():
        network(torch.randn(8, 3, resolution, resolution))
    network.eval()
