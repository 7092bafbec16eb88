"""Dense TFLite models to ONNX, through tf2onnx."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from ort_sparse.errors import InvalidArgumentError, UnsupportedModelError

from ._dependencies import require
from .model import operator_name, read_model, shape_of, tensor_name
from .names import Interface, read_interface

__all__ = ["OPSETS", "check_operators", "check_opset", "convert_dense"]

OPSETS = (13, 14, 15, 16, 17, 18)
"""Opsets of ONNX that tf2onnx 1.17 writes models for that load."""

_QUIET_LOGGERS = ("tf2onnx", "tensorflow")


def check_opset(opset: int) -> None:
    """Raise InvalidArgumentError unless ``opset`` is one of `OPSETS`."""
    if opset not in OPSETS:
        raise InvalidArgumentError(
            f"opset: must be one of {', '.join(map(str, OPSETS))} for TFLite models, but is {opset}"
        )


def check_operators(model: Any, opset: int) -> None:
    """Raise UnsupportedModelError if tf2onnx knows no conversion of an operator of ``model``."""
    with _quiet():
        handler = require("tf2onnx.tfonnx").handler
    mapping = handler.tf_op.create_mapping(opset, None)
    known = mapping.keys() | handler.tfl_op.create_tfl_to_tf_mapping().keys()
    for subgraph in model.subgraphs:
        for operator in subgraph.operators:
            name = operator_name(model, operator)
            # "Flex..." is an operator of TensorFlow itself
            if f"TFL_{name}" in known or (name.startswith("Flex") and name[4:] in known):
                continue
            outputs = [tensor_name(subgraph.tensors[i]) for i in operator.outputs if i != -1]
            raise UnsupportedModelError(
                f"operator {name}, which computes tensor {', '.join(map(repr, outputs))}: "
                "has no conversion to ONNX"
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
    check_operators(model, opset)
    interface = read_interface(model)
    nchw = [name for name, index in interface.inputs if _has_rank_4(model, index)]
    with _temporary_file(data) as path, _quiet():
        result = _run_tf2onnx(path, opset, nchw if inputs_as_nchw else [])
    _check_result(result, interface)
    return result


def _has_rank_4(model: Any, index: int) -> bool:
    return len(shape_of(model.subgraphs[0].tensors[index])) == 4


def _run_tf2onnx(path: Path, opset: int, inputs_as_nchw: list[str]) -> onnx.ModelProto:
    tfonnx, optimizer = require("tf2onnx.tfonnx"), require("tf2onnx.optimizer")
    try:
        graph = tfonnx.process_tf_graph(
            None, opset=opset, tflite_path=str(path), inputs_as_nchw=inputs_as_nchw
        )
        graph = optimizer.optimize_graph(graph)
        result: onnx.ModelProto = graph.make_model(graph.graph_name or "model")
    except Exception as error:  # tf2onnx raises whatever its handlers stumble over
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UnsupportedModelError(f"tf2onnx cannot convert the model: {first_line}") from error
    return result


@contextlib.contextmanager
def _temporary_file(data: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ort_sparse_") as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(data)
        yield path


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what TensorFlow and tf2onnx report besides exceptions."""
    loggers = [logging.getLogger(name) for name in _QUIET_LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings(), _stderr_to_nowhere():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _stderr_to_nowhere() -> Iterator[None]:
    """Silence the C++ code of TensorFlow, which writes to file descriptor 2 of the process."""
    try:
        saved = os.dup(2)
    except OSError:  # the process has no stderr
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def _check_result(model: onnx.ModelProto, interface: Interface) -> None:
    """Raise UnsupportedModelError unless the model is ONNX and has the names of ``interface``."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    _check_nodes(model.graph, versions)
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise UnsupportedModelError(f"tf2onnx wrote an invalid model: {first_line}") from error
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
                f"{', '.join(map(repr, node.output))}: has no conversion to ONNX"
            )
        for attribute in node.attribute:
            for subgraph in (*attribute.graphs, attribute.g):
                _check_nodes(subgraph, versions)
