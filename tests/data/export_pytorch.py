"""Makes the small ONNX files of this folder: `python tests/data/export_pytorch.py`.

A pruned network with what image networks from PyTorch consist of, as each of its exporters writes
it. Needs the extra `pytorch`; the tests need only the files.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

FOLDER = Path(__file__).parent
SPARSITY = 0.8


class Gate(nn.Module):
    """Squeeze-and-excitation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, 8, 1),
            nn.SiLU(),
            nn.Conv2d(8, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


class Block(nn.Module):
    """Pointwise, depthwise, pointwise; a residual round it and a shuffle of channels behind."""

    def __init__(self, channels: int, activation: nn.Module, groups: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 1, groups=groups, bias=False),
            nn.BatchNorm2d(channels),
            activation,
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            Gate(channels),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(x + self.layers(x))
        n, channels, height, width = y.shape
        return y.reshape(n, 2, channels // 2, height, width).transpose(1, 2).reshape(y.shape)


class Mixer(nn.Module):
    """Linear layers on the channels of each pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.layers = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = x.permute(0, 2, 3, 1)
        return (y + self.layers(self.norm(y))).permute(0, 3, 1, 2)


def network() -> nn.Module:
    """Return the network, pruned, with statistics of random images in its batch norms."""
    activations = (nn.ReLU6(), nn.SiLU(), nn.Hardswish(), nn.LeakyReLU(0.1), nn.PReLU(32))
    blocks = [Block(32, each, groups=1 + number % 2) for number, each in enumerate(activations)]
    stem = [nn.Conv2d(3, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 1, 2)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10), nn.Sigmoid()]
    result = nn.Sequential(*stem, *blocks, Mixer(32), *head)
    for layer in result.modules():
        if isinstance(layer, nn.Linear) or getattr(layer, "kernel_size", None) == (1, 1):
            weights = layer.weight.data
            smallest = weights.abs().flatten().argsort()[: round(SPARSITY * weights.numel())]
            weights.view(-1)[smallest] = 0
    with torch.no_grad():
        result(torch.randn(64, 3, 32, 32))
    return result.eval()


def main() -> None:
    """Write the files."""
    torch.manual_seed(0)
    model, images = network(), torch.randn(2, 3, 32, 32)
    names = {"input_names": ["input"], "output_names": ["output"]}
    torch.onnx.export(
        model,
        (images,),
        FOLDER / "pytorch_dynamo.onnx",
        **names,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
    )
    torch.onnx.export(
        model,
        (images,),
        str(FOLDER / "pytorch_torchscript.onnx"),
        **names,
        dynamic_axes={name: {0: "batch"} for name in ("input", "output")},
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        dynamo=False,
    )
    for path in FOLDER.glob("*.onnx"):
        drop_notes(path)


def drop_notes(path: Path) -> None:
    """Drop the stack traces that exporters leave on each node."""
    model = onnx.load(path)
    for owner in (*model.graph.node, *model.graph.value_info, *model.graph.initializer):
        owner.ClearField("metadata_props")
        owner.ClearField("doc_string")
    onnx.save(model, path)


if __name__ == "__main__":
    main()
