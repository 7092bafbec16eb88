"""Random models of the operators that regions know, as exporters write them.

`Maker` adds one node after the other and keeps the shape of each value, so that every choice of
attributes is one that ONNX Runtime runs. Choices come from a `random.Random`: hypothesis has one
that it can shrink.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ort_sparse.op import DOMAIN, INPUTS, OP_TYPE, OP_VERSION, SparseConv1x1

OPSETS = (7, 9, 10, 11, 12, 13, 15, 17, 18, 20, 21, 22)

IR_VERSION = 8


@dataclass(frozen=True)
class Value:
    """A float32 tensor of the model: its name, and its shape where inputs have theirs."""

    name: str
    shape: tuple[int, ...]

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def channels(self) -> int:
        return self.shape[1]

    @property
    def spatial(self) -> tuple[int, ...]:
        return self.shape[2:]


class Maker:
    """A model that grows node by node.

    Parameters
    ----------
    rng : Random
        Makes every choice.
    opset : int
    """

    def __init__(self, rng: Random, opset: int) -> None:
        self.rng, self.opset = rng, opset
        self.values: list[Value] = []
        self._arrays = np.random.default_rng(rng.getrandbits(32))
        self._inputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    # --- What a model is made of.

    def input(self, shape: tuple[int, ...], dims: tuple[int | str, ...] | None = None) -> Value:
        """Add an input, whose declared sizes may be names."""
        value = Value(f"x{len(self._inputs)}", shape)
        info = helper.make_tensor_value_info(value.name, TensorProto.FLOAT, dims or shape)
        self._inputs.append(info)
        self.values.append(value)
        return value

    def constant(self, array: NDArray[Any]) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def floats(self, *shape: int, scale: float = 1.0, offset: float = 0.0) -> NDArray[np.float32]:
        return (self._arrays.standard_normal(shape) * scale + offset).astype(np.float32)

    def uniform(self, low: float, high: float, *shape: int) -> NDArray[np.float32]:
        return self._arrays.uniform(low, high, shape).astype(np.float32)

    def weights(self, *shape: int, sparse: bool) -> NDArray[np.float32]:
        """Return weights that keep the size of values, most of them 0 if they are sparse."""
        inputs = max(1, int(np.prod(shape[1:])))
        density = 0.2 if sparse else 1.0
        array = self.floats(*shape, scale=(inputs * density) ** -0.5)
        rows = self.rng.choice([1, 1, 2, 4]) if sparse and shape[0] % 4 == 0 else 1
        kept = self._arrays.random((shape[0] // rows, *shape[1:])) < density
        return array * np.repeat(kept, rows, axis=0)

    def node(
        self, op: str, inputs: list[str], *shapes: tuple[int, ...], domain: str = "", **attributes
    ) -> Value:
        """Add a node with an output of each shape; return the first."""
        outputs = [Value(f"v{len(self.values) + i}", shape) for i, shape in enumerate(shapes)]
        while inputs[-1] == "":
            inputs = inputs[:-1]
        self._nodes.append(
            helper.make_node(
                op,
                inputs,
                [output.name for output in outputs],
                name=f"n{len(self._nodes)}_{op}",
                domain=domain,
                **{key: value for key, value in attributes.items() if value is not None},
            )
        )
        self.values += outputs
        return outputs[0]

    def sparse_node(self, op: SparseConv1x1, x: Value, residual: Value | None = None) -> Value:
        """Add a SparseConv1x1."""
        constants = {name: self.constant(array) for name, array in op.constants().items()}
        given = {"X": x.name, **({"residual": residual.name} if residual else {}), **constants}
        steps = op.strides or (1,) * len(x.spatial)
        spatial = tuple(-(-n // s) for n, s in zip(x.spatial, steps, strict=True))
        shape = (x.shape[0], op.weights.shape[0], *spatial)
        names = [given.get(name, "") for name in INPUTS]
        return self.node(OP_TYPE, names, shape, domain=DOMAIN, **op.attributes())

    def model(self, outputs: list[Value]) -> onnx.ModelProto:
        """Return the model with these outputs, of whose shapes only the rank is said.

        Nodes that nobody needs are left out: ONNX Runtime may run them or not, and they may fail.
        """
        needed = {value.name for value in outputs}
        nodes = []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                nodes.insert(0, node)
        names = dict.fromkeys(value.name for value in outputs)
        ranks = {value.name: value.rank for value in outputs}
        graph = helper.make_graph(
            nodes,
            "random",
            self._inputs,
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * ranks[name])
                for name in names
            ],
            [tensor for tensor in self._constants if tensor.name in needed],
        )
        opsets = [helper.make_opsetid("", self.opset)]
        if any(node.domain == DOMAIN for node in nodes):
            opsets.append(helper.make_opsetid(DOMAIN, OP_VERSION))
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)

    # --- Choices.

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def like(self, x: Value) -> Value:
        """Return a value of the same shape, which may be x itself."""
        return self.rng.choice([value for value in self.values if value.shape == x.shape])
