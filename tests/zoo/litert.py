"""What LiteRT's builtin kernels see in a TFLite file."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray


class LiteRT:
    """An interpreter without delegates that keeps every tensor."""

    def __init__(self, data: bytes) -> None:
        self._interpreter = Interpreter(
            model_content=data,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        self._interpreter.allocate_tensors()
        self._ops = self._interpreter._get_ops_details()
        (self.input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    def run(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        self._interpreter.set_tensor(self.input["index"], x)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output["index"]).copy()

    def op_counts(self) -> Counter[str]:
        return Counter(op["op_name"] for op in self._ops)

    def sparse_weights(self) -> list[NDArray[np.float32]]:
        """Weights behind a DENSIFY, in the order of their layers; call `run` first."""
        sparse = {op["outputs"][0] for op in self._ops if op["op_name"] == "DENSIFY"}
        return [self._weights(op) for op in self._layers() if op["inputs"][1] in sparse]

    def dense_weights(self) -> list[NDArray[np.float32]]:
        sparse = {op["outputs"][0] for op in self._ops if op["op_name"] == "DENSIFY"}
        return [self._weights(op) for op in self._layers() if op["inputs"][1] not in sparse]

    def _layers(self) -> list[dict[str, Any]]:
        kinds = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
        return [op for op in self._ops if op["op_name"] in kinds]

    def _weights(self, op: dict[str, Any]) -> NDArray[np.float32]:
        return self._interpreter.get_tensor(op["inputs"][1]).copy()
