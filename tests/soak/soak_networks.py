"""Small networks that between them use every part of the operator, and what they must compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pass_helpers import GraphBuilder

import ort_sparse
from ort_sparse.op import INPUTS, OP_TYPE

ZEROS = 0.8
RESIDUAL = INPUTS.index("residual")
DYNAMIC = [(1, 3, 24, 24), (1, 3, 57, 31), (2, 3, 16, 40), (3, 3, 33, 33), (5, 3, 9, 14)]
FIXED = [(batch, 3, 32, 32) for batch in (1, 2, 3, 5, 8)]
"""Shapes of the inputs. Where sizes are fixed, the converter also fuses the residual."""

Activation = Callable[[GraphBuilder, str, int], str]


def _silu(graph: GraphBuilder, x: str, _: int) -> str:
    return graph.node("Mul", x, graph.node("Sigmoid", x))


def _prelu(graph: GraphBuilder, x: str, channels: int) -> str:
    return graph.node("PRelu", x, graph.constant(graph.rng.uniform(0, 0.5, (channels, 1, 1))))


ACTIVATIONS: dict[str, Activation] = {
    "none": lambda graph, x, _: x,
    "relu": lambda graph, x, _: graph.node("Relu", x),
    "relu6": lambda graph, x, _: graph.node("Clip", x, graph.constant(0), graph.constant(6)),
    "hard_swish": lambda graph, x, _: graph.node("HardSwish", x),
    "silu": _silu,
    "sigmoid": lambda graph, x, _: graph.node("Sigmoid", x),
    "leaky_relu": lambda graph, x, _: graph.node("LeakyRelu", x, alpha=0.1),
    "prelu": _prelu,
}


@dataclass(frozen=True)
class Network:
    """A converted network, with inputs of several shapes and the outputs of dense ORT."""

    name: str
    model: bytes
    inputs: list[NDArray[Any]]
    expected: list[NDArray[Any]]


def build_networks(seed: int) -> list[Network]:
    """Return two networks for each activation, with channel numbers that differ."""
    return [
        _build_network(f"{name} {kind}", activate, shapes, channels=24 + 20 * i, seed=seed + i)
        for i, (name, activate) in enumerate(ACTIVATIONS.items())
        for kind, shapes in (("dynamic", DYNAMIC), ("fixed", FIXED))
    ]


def _build_network(
    name: str, activate: Activation, shapes: list[tuple[int, ...]], channels: int, seed: int
) -> Network:
    graph = GraphBuilder(seed=seed)
    fixed = shapes is FIXED
    x = graph.input("n", 3, *(shapes[0][2:] if fixed else ("h", "w")))
    dense = graph.model(_add_layers(graph, x, activate, channels))
    sparse = ort_sparse.convert(dense, layers="all", verify=False)
    nodes = [node for node in sparse.graph.node if node.op_type == OP_TYPE]
    assert len(nodes) == 5, name
    assert any(len(node.input) > RESIDUAL and node.input[RESIDUAL] for node in nodes) == fixed, name
    rng = np.random.default_rng(seed)
    inputs = [rng.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
    reference = onnxruntime.InferenceSession(
        dense.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = [reference.run(None, {x: array})[0] for array in inputs]
    return Network(name, sparse.SerializeToString(), inputs, expected)


def _add_layers(graph: GraphBuilder, x: str, activate: Activation, channels: int) -> str:
    """Add five pruned layers: plain, residual, strided, grouped and fully connected."""
    stem = graph.weights(channels, 3, 3, 3, zeros=0)
    x = graph.node("Relu", graph.node("Conv", x, stem, strides=[2, 2], pads=[1, 1, 1, 1]))

    x = activate(graph, _pruned_conv(graph, x, 2 * channels, channels), 2 * channels)
    depthwise = graph.weights(2 * channels, 1, 3, 3, zeros=0)
    x = graph.node("Conv", x, depthwise, group=2 * channels, pads=[1, 1, 1, 1])
    added = graph.node("Add", _pruned_conv(graph, x, 2 * channels, 2 * channels), x)
    x = activate(graph, added, 2 * channels)
    x = activate(graph, _pruned_conv(graph, x, channels, 2 * channels, strides=[2, 2]), channels)
    x = activate(graph, _pruned_conv(graph, x, channels, channels // 4, group=4), channels)

    x = graph.node("Flatten", graph.node("GlobalAveragePool", x))
    return graph.node("Gemm", x, graph.weights(channels, 10, zeros=ZEROS), graph.vector(10))


def _pruned_conv(graph: GraphBuilder, x: str, rows: int, columns: int, **attributes: Any) -> str:
    """Add a 1x1 convolution that keeps the scale of its input."""
    scale = 1 / np.sqrt(columns * (1 - ZEROS))
    weights = graph.constant(graph.sparse(rows, columns, 1, 1, zeros=ZEROS) * scale)
    return graph.node("Conv", x, weights, graph.vector(rows), **attributes)
