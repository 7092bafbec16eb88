"""Makes something to try: photographs that show nothing, and a pruned network that knows nothing.

    python sample.py sample

writes ``sample/images``, JPEG files of 500 x 375 pixels and some 75 KB, and ``sample/model.onnx``,
MobileNetV1 with random weights of which 90 % are zero. Both cost about what real ones cost.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from numpy.random import Generator
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

LAYERS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *[(512, 1)] * 5,
    *((1024, 2), (1024, 1)),
)
"""MobileNetV1: output channels and stride of each depthwise layer with the 1x1 layer behind it."""

STEM = 32
QUALITY = 92
GRAIN = 9.0
"""Strength of the noise on a photograph, of 255: it makes the files as large as real ones."""


def photograph(rng: Generator, height: int, width: int) -> Image.Image:
    """Return soft shapes in random colours, and grain."""
    shapes = np.zeros((height, width, 3), np.float32)
    for size in (3, 8, 30):
        coarse = Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8))
        shapes += np.asarray(coarse.resize((width, height), Image.BICUBIC)) / 3
    grain = rng.normal(0, GRAIN, shapes.shape)
    return Image.fromarray((shapes + grain).clip(0, 255).astype(np.uint8))


def write_photographs(
    folder: Path, count: int, *, height: int = 375, width: int = 500, seed: int = 0
) -> None:
    """Write so many JPEG files."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        path = folder / f"{number:06d}.jpg"
        photograph(rng, height, width).save(path, quality=QUALITY)


def network(
    *,
    size: int = 224,
    width: float = 1.0,
    classes: int = 1000,
    sparsity: float = 0.9,
    channels: int = 3,
    seed: int = 0,
) -> onnx.ModelProto:
    """Return MobileNetV1 for images [batch, channels, size, size], with random weights.

    Parameters
    ----------
    size : int
        Height and width of the images.
    width : float
        Share of the channels that the layers have.
    classes : int
    sparsity : float
        Share of zeros in each 1x1 layer.
    channels : int
        Of the images.
    seed : int

    Returns
    -------
    onnx.ModelProto
    """
    rng = np.random.default_rng(seed)
    graph = _Graph("image", channels)
    graph.convolution(_random(rng, (int(STEM * width), channels, 3, 3), 1.0), stride=2)
    for outputs, stride in LAYERS:
        inputs = graph.channels
        graph.convolution(_random(rng, (inputs, 1, 3, 3), 1.0), stride=stride, groups=inputs)
        graph.convolution(_random(rng, (int(outputs * width), inputs, 1, 1), 1 - sparsity))
    graph.add("GlobalAveragePool")
    graph.add("Flatten")
    weights = _random(rng, (classes, graph.channels), 1.0)
    graph.add("Gemm", [weights, np.zeros(classes, np.float32)], transB=1)
    graph.add("Softmax", output="scores")
    return graph.model(
        helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", channels, size, size]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", classes]),
    )


class _Graph:
    """A chain of nodes that grows."""

    def __init__(self, value: str, channels: int) -> None:
        self.value, self.channels = value, channels
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(
        self,
        operator: str,
        constants: list[NDArray[np.float32]] | None = None,
        *,
        output: str | None = None,
        **attributes: object,
    ) -> None:
        number = len(self.nodes)
        names = [f"c{number}_{index}" for index in range(len(constants or []))]
        self.constants += [
            numpy_helper.from_array(array, name)
            for name, array in zip(names, constants or [], strict=True)
        ]
        output = output or f"v{number}"
        self.nodes.append(
            helper.make_node(operator, [self.value, *names], [output], f"n{number}", **attributes)
        )
        self.value = output

    def convolution(
        self, weights: NDArray[np.float32], *, stride: int = 1, groups: int = 1
    ) -> None:
        """Add a convolution with a bias, and ReLU6."""
        self.channels = weights.shape[0]
        bias = np.full(self.channels, 0.1, np.float32)
        self.add(
            "Conv",
            [weights, bias],
            strides=[stride, stride],
            pads=[weights.shape[2] // 2] * 4,
            group=groups,
        )
        self.add("Clip", [np.float32(0), np.float32(6)])

    def model(self, given: onnx.ValueInfoProto, result: onnx.ValueInfoProto) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "mobilenet", [given], [result], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _random(rng: Generator, shape: tuple[int, ...], density: float) -> NDArray[np.float32]:
    """Return weights that keep the scale of what goes through them, whatever their zeros."""
    weights = rng.standard_normal(shape) * (rng.random(shape) < density)
    return (weights * np.sqrt(2 / (density * np.prod(shape[1:])))).astype(np.float32)


def main() -> None:
    """Write the folder."""
    options = _options()
    write_photographs(options.folder / "images", options.images)
    onnx.save(network(), options.folder / "model.onnx")
    print(f"{options.folder}: images, {options.images} files; model.onnx, MobileNetV1, 90 % zeros")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
