"""Finding the sigmoid that an output comes from, to compare what goes into it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import onnx

from ort_sparse.op import DOMAIN, OP_TYPE

__all__ = ["expose_sigmoid_inputs", "sigmoid_inputs"]

Tensor = TypeVar("Tensor", bound=Hashable)

_SIGMOIDS = {"Sigmoid", "LOGISTIC"}

# Operators of ONNX and of TFLite that only move the values of their first input.
_MOVES = {"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
_MOVES |= {"EXPAND_DIMS", "RESHAPE", "SQUEEZE", "TRANSPOSE"}
_JOINS = {"Concat", "CONCATENATION"}


def sigmoid_inputs(
    output: Tensor, producers: Mapping[Tensor, tuple[str, Sequence[Tensor]]]
) -> list[Tensor] | None:
    """Return the tensors before the sigmoids that an output is made of.

    Parameters
    ----------
    output : name or number of a tensor
    producers : mapping
        For each tensor the operator that computes it and that operator's inputs.

    Returns
    -------
    list or None
        None where some of its values come from something else.
    """
    found: list[Tensor] = []
    pending, seen = [output], {output}
    while pending:
        operator, inputs = producers.get(pending.pop(), ("", ()))
        if operator in _SIGMOIDS:
            found.append(inputs[0])
            continue
        if operator not in _MOVES | _JOINS:
            return None
        new = [each for each in (inputs if operator in _JOINS else inputs[:1]) if each not in seen]
        seen.update(new)  # a damaged graph may have a cycle
        pending += new
    return found


def expose_sigmoid_inputs(
    model: onnx.ModelProto,
) -> tuple[onnx.ModelProto, dict[str, list[str] | None]]:
    """Return a model with the inputs of its last sigmoids as outputs too, and their names.

    A SparseConv1x1 that ends in a sigmoid gets a twin without one.
    """
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    producers: dict[str, tuple[str, Sequence[str]]] = {}
    twins: dict[str, onnx.NodeProto] = {}
    for node in model.graph.node:
        for output in node.output:
            if node.domain in ("", "ai.onnx"):
                producers[output] = (node.op_type, node.input)
            elif _is_sparse_sigmoid(node):
                twin = _without_activation(node)
                producers[output] = ("Sigmoid", twin.output)
                twins[twin.output[0]] = twin
    outputs = [output.name for output in model.graph.output]
    found = {name: sigmoid_inputs(name, producers) for name in outputs}
    for name in dict.fromkeys(name for names in found.values() for name in names or ()):
        if name in twins:
            exposed.graph.node.append(twins[name])
        if name not in outputs:
            exposed.graph.output.add(name=name)  # ONNX Runtime infers its type
    return exposed, found


def _is_sparse_sigmoid(node: onnx.NodeProto) -> bool:
    return (node.domain, node.op_type) == (DOMAIN, OP_TYPE) and any(
        attribute.name == "activation" and attribute.s == b"sigmoid" for attribute in node.attribute
    )


def _without_activation(node: onnx.NodeProto) -> onnx.NodeProto:
    twin = onnx.NodeProto()
    twin.CopyFrom(node)
    kept = [attribute for attribute in twin.attribute if attribute.name != "activation"]
    del twin.attribute[:]
    twin.attribute.extend(kept)
    twin.name = f"{node.name}/before sigmoid"
    twin.output[0] = f"{node.output[0]}/before sigmoid"
    return twin
