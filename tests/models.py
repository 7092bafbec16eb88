"""Small ONNX models around one SparseConv1x1 node."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import TensorProto, helper, numpy_helper

from ort_sparse.op import DOMAIN, INPUTS, OP_TYPE, OP_VERSION, SparseConv1x1

Dim = int | str


def sparse_model(
    op: SparseConv1x1,
    x_shape: Sequence[Dim],
    y_shape: Sequence[Dim] | None = None,
    *,
    residual: bool = False,
) -> onnx.ModelProto:
    """Return a model X (, R) -> Y with this node."""
    y_shape = y_shape or [f"y{axis}" for axis in range(len(x_shape))]
    given = {"X": "X", "residual": "R"} if residual else {"X": "X"}
    constants = op.constants()
    names = [given.get(name, name if name in constants else "") for name in INPUTS]
    while not names[-1]:
        names.pop()
    node = helper.make_node(OP_TYPE, names, ["Y"], name="layer", domain=DOMAIN, **op.attributes())
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, x_shape)]
    if residual:
        inputs.append(helper.make_tensor_value_info("R", TensorProto.FLOAT, y_shape))
    graph = helper.make_graph(
        [node],
        "graph",
        inputs,
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, y_shape)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, OP_VERSION)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)
