"""Dense TFLite models to ONNX, through tf2onnx."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx

from ort_sparse.converters.isolation import run_isolated, temporary_folder
from ort_sparse.errors import (
    InvalidArgumentError,
    UnsupportedModelError,
    first_line,
    quoted,
)

from ._dependencies import require
from .gelu import register_gelu
from .model import operator_name, read_model, shape_of, tensor_name
from .names import Interface, read_interface

__all__ = ["OPSETS", "check_opset", "convert_dense", "prepare", "work"]

OPSETS = (13, 14, 15, 16, 17, 18)
"""Opsets of ONNX that tf2onnx 1.17 writes models for that load."""

# The files of one conversion.
_SOURCE = "model.tflite"
_REQUEST = "request.json"
_RESULT = "model.onnx"


def check_opset(opset: int) -> None:
    """Raise InvalidArgumentError unless ``opset`` is one of `OPSETS`."""
    if opset not in OPSETS:
        raise InvalidArgumentError(
            f"opset: must be one of {', '.join(map(str, OPSETS))} for TFLite models, but is {opset}"
        )


def convert_dense(data: bytes, *, opset: int, inputs_as_nchw: bool) -> onnx.ModelProto:
    """Convert a TFLite file without sparse constants to ONNX.

    Parameters
    ----------
    data : bytes
        The file, as `prepare_for_tf2onnx` returns it.
    opset : int
        One of `OPSETS`.
    inputs_as_nchw : bool
        Whether inputs of rank 4 are to be (batch, channels, height, width) instead of the file's
        (batch, height, width, channels).

    Returns
    -------
    onnx.ModelProto
        Inputs and outputs have the names of the tensors in ``data``.

    Raises
    ------
    InvalidArgumentError
        If the opset is another.
    UnsupportedModelError
        If tf2onnx cannot convert the model, or leaves something that ONNX does not know.
    MissingDependencyError
        If tf2onnx or TensorFlow is not installed.
    """
    check_opset(opset)
    model = read_model(data)
    _check_frozen(model)
    interface = read_interface(model)
    nchw = [name for name, index in interface.inputs if _has_rank_4(model, index)]
    request = {
        "opset": opset,
        "inputs_as_nchw": nchw if inputs_as_nchw else [],
        "operators": _operators(model),
    }
    with temporary_folder() as folder:
        (folder / _SOURCE).write_bytes(data)
        (folder / _REQUEST).write_text(json.dumps(request))
        run_isolated(__name__, folder, what="tf2onnx")
        result: onnx.ModelProto = onnx.ModelProto.FromString((folder / _RESULT).read_bytes())
    _check_result(result, interface)
    return result


def prepare() -> None:
    """Import what `work` needs; called in the process that `isolation` starts."""
    require("tf2onnx.tfonnx")
    require("tf2onnx.optimizer")
    register_gelu()


def work(folder: Path) -> None:
    """Convert the file in ``folder``, in a process of its own."""
    request = json.loads((folder / _REQUEST).read_text())
    _check_operators(request["operators"], request["opset"])
    tfonnx, optimizer = require("tf2onnx.tfonnx"), require("tf2onnx.optimizer")
    try:
        graph = tfonnx.process_tf_graph(
            None,
            opset=request["opset"],
            tflite_path=str(folder / _SOURCE),
            inputs_as_nchw=request["inputs_as_nchw"],
        )
        graph = optimizer.optimize_graph(graph)
        result = graph.make_model(graph.graph_name or "model").SerializeToString()
    except Exception as error:  # tf2onnx raises whatever its handlers stumble over
        raise UnsupportedModelError(
            f"tf2onnx cannot convert the model: {first_line(error)}"
        ) from error
    (folder / _RESULT).write_bytes(result)


def _check_frozen(model: Any) -> None:
    """Raise UnsupportedModelError if the model has variables, which ONNX has not."""
    for subgraph in model.subgraphs:
        for operator in subgraph.operators:
            if operator_name(model, operator) == "VAR_HANDLE" and len(operator.outputs):
                variable = tensor_name(subgraph.tensors[operator.outputs[0]])
                raise UnsupportedModelError(
                    f"operator VAR_HANDLE: the model is not frozen: it keeps variable "
                    f"{quoted(variable)} from one run to the next, and ONNX has no variables; "
                    "freeze it before the TensorFlow converter writes it"
                )


def _has_rank_4(model: Any, index: int) -> bool:
    return len(shape_of(model.subgraphs[0].tensors[index])) == 4


def _operators(model: Any) -> list[tuple[str, list[str]]]:
    """Return the name of each operator and those of its outputs."""
    return [
        (
            operator_name(model, operator),
            [tensor_name(subgraph.tensors[i]) for i in operator.outputs if i != -1],
        )
        for subgraph in model.subgraphs
        for operator in subgraph.operators
    ]


def _check_operators(operators: list[tuple[str, list[str]]], opset: int) -> None:
    """Raise UnsupportedModelError if tf2onnx knows no conversion of one of ``operators``."""
    handler = require("tf2onnx.tfonnx").handler
    mapping = handler.tf_op.create_mapping(opset, None)
    known = mapping.keys() | handler.tfl_op.create_tfl_to_tf_mapping().keys()
    for name, outputs in operators:
        # "Flex..." is an operator of TensorFlow itself
        if f"TFL_{name}" in known or (name.startswith("Flex") and name[4:] in known):
            continue
        raise UnsupportedModelError(
            f"operator {name}, which computes tensor {', '.join(map(quoted, outputs))}: "
            "has no conversion to ONNX"
        )


def _check_result(model: onnx.ModelProto, interface: Interface) -> None:
    """Raise UnsupportedModelError unless the model is ONNX and has the names of ``interface``."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    _check_nodes(model.graph, versions)
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise UnsupportedModelError(
            f"tf2onnx wrote an invalid model: {first_line(error)}"
        ) from error
    for what, expected, found in (
        ("inputs", interface.inputs, model.graph.input),
        ("outputs", interface.outputs, model.graph.output),
    ):
        names = [name for name, _ in expected]
        if names != [value.name for value in found]:
            raise UnsupportedModelError(
                f"tf2onnx must keep the {what} {names}, but wrote {[value.name for value in found]}"
            )


def _check_nodes(graph: onnx.GraphProto, versions: dict[str, int]) -> None:
    for node in graph.node:
        version = versions.get(node.domain)
        if version is None or not onnx.defs.has(node.op_type, version, node.domain):
            raise UnsupportedModelError(
                f"operator {node.op_type}, which computes tensor "
                f"{', '.join(map(quoted, node.output))}: has no conversion to ONNX"
            )
        for attribute in node.attribute:
            for subgraph in (*attribute.graphs, attribute.g):
                _check_nodes(subgraph, versions)
