"""What a network is, and what becomes of it when it is converted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from benchmarks import models
from ort_sparse import zoo
from ort_sparse.conversion import convert_and_report
from ort_sparse.files import write_atomically
from ort_sparse.measure.network import ModelPair
from ort_sparse.options import ConvertOptions
from ort_sparse.verification import inputs_of

_CHANNEL_AXIS = {"Conv": 1, "ConvTranspose": 1, "Gemm": -1, "MatMul": -1}
"""Operators with weights, and the axis of their outputs that is no position."""


@dataclass(frozen=True)
class Facts:
    """A network in figures.

    Parameters
    ----------
    image_height, image_width : int
        Of the input.
    parameters, zeros : int
        Constants of the dense model, batch norms folded, and how many of them are zero.
    macs, nonzero_macs : int
        Multiply-accumulates of one image; those with a nonzero weight.
    tflite_bytes, onnx_bytes : int
        Sparse files: the TFLite file, and the converted one with every sparse layer.
    dense_tflite_bytes : int or None
        A file of the same network without zeros; None where there is none.
    dense_onnx_bytes : int
        The TFLite file as tf2onnx converts it once its weights are dense.
    layers : int
        1x1 and fully connected layers.
    sparse_layers, chosen_layers : int
        SparseConv1x1 nodes with ``--layers all`` and ``--layers auto``.
    error : float
        Largest difference of both to LiteRT's builtin kernels, relative to an output's largest
        value.
    """

    image_height: int
    image_width: int
    parameters: int
    zeros: int
    macs: int
    nonzero_macs: int
    tflite_bytes: int
    dense_tflite_bytes: int | None
    onnx_bytes: int
    dense_onnx_bytes: int
    layers: int
    sparse_layers: int
    chosen_layers: int
    error: float


def gather(tflite: Path, folder: Path) -> Facts:
    """Convert a TFLite file, and keep what `load_pair` reads in a folder."""
    every = convert_and_report(tflite, ConvertOptions(layers="all"))
    chosen = convert_and_report(tflite, ConvertOptions(layers="auto"))
    assert every.comparison is not None  # TFLite files are always compared
    assert chosen.comparison is not None
    folder.mkdir(parents=True, exist_ok=True)
    for form, model in (("dense", chosen.dense), ("sparse", chosen.model)):
        write_atomically(_path(tflite.stem, form, folder), model.SerializeToString())
    parameters, zeros = count_parameters(every.dense)
    macs, nonzero_macs = count_macs(every.dense)
    _, height, width, _ = inputs_of(every.dense)[0].shape
    return Facts(
        image_height=height,
        image_width=width,
        parameters=parameters,
        zeros=zeros,
        macs=macs,
        nonzero_macs=nonzero_macs,
        tflite_bytes=tflite.stat().st_size,
        dense_tflite_bytes=_dense_tflite_bytes(tflite.stem, folder),
        onnx_bytes=every.model.ByteSize(),
        dense_onnx_bytes=every.dense.ByteSize(),
        layers=len(every.layers),
        sparse_layers=every.replaced,
        chosen_layers=chosen.replaced,
        error=max(every.comparison.error, chosen.comparison.error),
    )


def load_pair(network: str, folder: Path) -> ModelPair:
    """Return the forms of a network that are measured: dense, and with ``--layers auto``."""
    return ModelPair(*(onnx.load(_path(network, form, folder)) for form in ("dense", "sparse")))


def _dense_tflite_bytes(network: str, folder: Path) -> int | None:
    """Return the size of the same network, exported without zeros."""
    if network not in zoo.names():
        return None
    path = folder / f"{network}.dense.tflite"
    return models.build_once(network, path, sparsity=0.0).stat().st_size


def count_parameters(model: onnx.ModelProto) -> tuple[int, int]:
    """Return how many float32 constants a model has, and how many of them are zero."""
    constants = [array for array in _constants(model).values() if array.dtype == np.float32]
    parameters = sum(array.size for array in constants)
    return parameters, parameters - sum(int(np.count_nonzero(array)) for array in constants)


def count_macs(model: onnx.ModelProto) -> tuple[int, int]:
    """Return the multiply-accumulates of one run: all, and those with a nonzero weight.

    Every weight is used once at each position: of the output, but of the input where a
    convolution is transposed.
    """
    constants = _constants(model)
    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    macs = nonzero = 0
    for node in graph.node:
        if node.op_type not in _CHANNEL_AXIS or node.input[1] not in constants:
            continue
        shape = shapes[(node.input if node.op_type == "ConvTranspose" else node.output)[0]]
        positions = math.prod(shape) // shape[_CHANNEL_AXIS[node.op_type]]
        weights = constants[node.input[1]]
        macs += weights.size * positions
        nonzero += int(np.count_nonzero(weights)) * positions
    return macs, nonzero


def _constants(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _path(network: str, form: str, folder: Path) -> Path:
    return folder / f"{network}.{form}.onnx"
