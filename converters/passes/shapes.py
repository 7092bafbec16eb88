"""Infers shapes beyond what onnx can: of ONNX Runtime's operators, and ranks behind Reshape."""

from __future__ import annotations

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from ort_sparse.op import register_schema

from .microsoft import BATCH_TRANSPOSITIONS, microsoft_op

__all__ = ["infer_shapes"]

_ROUNDS = 8
"""How often inference starts again with what was found out since."""

_MAX_RANK = 32

_SAME_SHAPE = (
    "BiasGelu",
    "FastGelu",
    "Gelu",
    "LayerNormalization",
    "QuickGelu",
    "SimplifiedLayerNormalization",
    "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization",
)
"""Operators whose results have the shape of their first input; ONNX Runtime knows some of them in
older opsets than ONNX, or in its own domain only."""

_SUMS = 3
"""Output of the Skip... operators that has that shape too."""

_STANDARD_FORMS = {"FusedConv": "Conv", "FusedGemm": "Gemm", "FusedMatMul": "MatMul"}
"""Operators of ONNX Runtime, and the standard ones that give the same shape."""

_SHAPE_ATTRIBUTES = {
    "Conv": ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"),
    "Gemm": ("transA", "transB"),
    "MatMul": (),
}

_ATTENTION = ("Attention", "GroupQueryAttention", "MultiHeadAttention")
"""Operators whose first output has the batch and the length of their first input."""


_Shape = list[int | ir.SymbolicDim | None]


def infer_shapes(model: ir.Model) -> None:
    """Set the shapes and types of all values of a model as far as they can be known, in place.

    An operator of ONNX Runtime's own counts as the standard one that gives the same shape, and a
    Reshape to a computed shape of known length gives a value of known rank.
    """
    register_schema()
    for _ in range(_ROUNDS):
        _infer(model)
        if not any([_add_shape(node) for node in model.graph.all_nodes()]):
            return


def _infer(model: ir.Model) -> None:
    """Let onnx infer shapes, with standard operators in the place of those it does not know."""
    if not any(_is_unknown(node, model) for node in model.graph.all_nodes()):
        _infer_standard(model)
        return
    trial = model.clone()
    for node in list(trial.graph.all_nodes()):
        if _is_unknown(node, trial):
            for output, stand_in in _stand_ins(node):
                _replace_output(node, output, stand_in)
    _infer_standard(trial)
    for graph, inferred in zip(model.graphs(), trial.graphs(), strict=True):
        values = ir.convenience.create_value_mapping(inferred)
        for name, value in ir.convenience.create_value_mapping(graph).items():
            found = values[name]
            value.shape = value.shape if found.shape is None else found.shape
            value.type = value.type if found.type is None else found.type


def _infer_standard(model: ir.Model) -> None:
    ShapeInferencePass(check_type=False, strict_mode=False)(model)


def _is_unknown(node: ir.Node, model: ir.Model) -> bool:
    """Tell whether onnx does not know a node in this model, and a standard one can stand in."""
    op_type = microsoft_op(node) or (node.op_type if node.domain == "" else None)
    if op_type not in (*_SAME_SHAPE, *_STANDARD_FORMS) or _is_transposed(node):
        return False
    version = model.opset_imports.get(node.domain, 1)
    return not onnx.defs.has(node.op_type, version, node.domain)


def _stand_ins(node: ir.Node) -> list[tuple[ir.Value, ir.Node]]:
    """Return outputs of an unknown node, each with a new node whose output has the same shape."""
    if node.op_type in _SAME_SHAPE:
        outputs = [node.outputs[0], *node.outputs[_SUMS : _SUMS + 1]]
        return [(output, ir.node("Identity", node.inputs[:1])) for output in outputs]
    standard = _STANDARD_FORMS[node.op_type]
    kept = [a for name, a in node.attributes.items() if name in _SHAPE_ATTRIBUTES[standard]]
    inputs = node.inputs[: 2 if standard == "MatMul" else 3]
    return [(node.outputs[0], ir.Node("", standard, inputs, kept))]


def _replace_output(node: ir.Node, output: ir.Value, stand_in: ir.Node) -> None:
    """Let ``stand_in`` give an output of ``node``, under its name."""
    result = stand_in.outputs[0]
    result.name, output.name = output.name, f"{output.name}/ort_sparse"
    result.shape, result.type = output.shape, output.type
    output.replace_all_uses_with(result, replace_graph_outputs=True)
    assert node.graph is not None
    node.graph.insert_after(node, stand_in)


def _add_shape(node: ir.Node) -> bool:
    """Set what can be known of the shape of a node's first output where it has none."""
    if not node.outputs or node.outputs[0].shape is not None or not node.inputs:
        return False
    x, output = node.inputs[0], node.outputs[0]
    if x is None or x.type is None:
        return False
    shape: _Shape | None = None
    if node.domain == "" and node.op_type == "Reshape" and len(node.inputs) > 1:
        shape = _reshaped(node.inputs[1])
    elif microsoft_op(node) == "FusedMatMul":
        shape = _multiplied(node)
    elif microsoft_op(node) in _ATTENTION and x.shape is not None:
        shape = [x.shape[0], x.shape[1], None] if len(x.shape) == 3 else None
    if shape is None:
        return False
    output.shape, output.type = ir.Shape(shape), x.type
    return True


def _reshaped(shape: ir.Value | None) -> _Shape | None:
    """Return the unknown dimensions of what is reshaped to ``shape``, if their number is known."""
    if shape is None or shape.shape is None or len(shape.shape) != 1:
        return None
    rank = shape.shape[0]
    return [None] * rank if isinstance(rank, int) and rank <= _MAX_RANK else None


def _is_transposed(node: ir.Node) -> bool:
    """Tell whether a FusedMatMul transposes an operand, which no standard operator does."""
    return node.op_type == "FusedMatMul" and any(
        node.attributes.get_int(name, 0) for name in ("transA", "transB", *BATCH_TRANSPOSITIONS)
    )


def _multiplied(node: ir.Node) -> _Shape | None:
    """Return the shape of a product of which operands are transposed."""
    a, b = node.inputs[:2]
    if any(node.attributes.get_int(name, 0) for name in BATCH_TRANSPOSITIONS):
        return None
    if a is None or b is None or a.shape is None or b.shape is None:
        return None
    if min(len(a.shape), len(b.shape)) < 2:
        return None
    shorter, batch = sorted((a.shape[:-2], b.shape[:-2]), key=len)
    if shorter and shorter != batch:
        return [None] * (len(batch) + 2)
    rows = a.shape[-1 if node.attributes.get_int("transA", 0) else -2]
    columns = b.shape[-2 if node.attributes.get_int("transB", 0) else -1]
    return [*batch, rows, columns]
