"""From the bytes of a TFLite file to a dense ONNX model, and the same file run by LiteRT."""

from __future__ import annotations

import onnx

from ort_sparse.errors import InvalidArgumentError, InvalidModelError, UnsupportedModelError

from .densify import densify, prepare_for_tf2onnx, sparse_tensors
from .litert import Signature, TensorSignature, producers, run, run_many, signature
from .model import read_model
from .quantization import (
    Quantization,
    check_quantized_types,
    quantization_of,
    stop_quantizing_on_the_fly,
    with_float_weights,
)
from .signatures import SignatureChoice, choose_signature
from .sparsity import SparseTensorInfo
from .stored import stored_in_tflite
from .to_onnx import OPSETS, check_opset, convert_dense

__all__ = [
    "OPSETS",
    "Quantization",
    "Signature",
    "SignatureChoice",
    "SparseTensorInfo",
    "TensorSignature",
    "check_opset",
    "convert_tflite",
    "producers",
    "quantization_of",
    "run",
    "run_many",
    "signature",
    "signature_choice",
    "sparse_tensors_of",
    "stored_in_tflite",
    "with_float_weights",
]


def convert_tflite(
    data: bytes,
    *,
    name: str,
    opset: int = 15,
    inputs_as_nchw: bool = False,
    signature: str | None = None,
) -> onnx.ModelProto:
    """Convert a TFLite file to an ONNX model of standard operators and dense weights.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        What messages call the file.
    opset : int
        One of `OPSETS`.
    inputs_as_nchw : bool
        Whether inputs of rank 4 are to have their channels before height and width.
    signature : str, optional
        The signature to convert; by default as `choose_signature`.

    Returns
    -------
    onnx.ModelProto
        Inputs and outputs have the names of the file's signature, or else of its tensors. Sparse
        weights are dense with zeros; float16 weights are float32.

    Raises
    ------
    InvalidArgumentError
        If the opset is another, there is no such signature, or one of several must be chosen.
    InvalidModelError
        If the file is no TFLite model or contradicts itself.
    UnsupportedModelError
        If the file has something that ONNX or tf2onnx cannot express.
    MissingDependencyError
        If tf2onnx, TensorFlow or ai_edge_litert is not installed.
    """
    check_opset(opset)
    try:
        model = read_model(data)
        choose_signature(model, signature)
        densify(model, len(data))
        check_quantized_types(model)
        stop_quantizing_on_the_fly(model)
        return convert_dense(prepare_for_tf2onnx(model), opset=opset, inputs_as_nchw=inputs_as_nchw)
    except (InvalidArgumentError, InvalidModelError, UnsupportedModelError) as error:
        raise type(error)(f"{name}: {error}") from error


def signature_choice(data: bytes, wanted: str | None = None) -> SignatureChoice:
    """Say which signature of a TFLite file is used; raises what `choose_signature` does."""
    return choose_signature(read_model(data), wanted)


def sparse_tensors_of(data: bytes) -> list[SparseTensorInfo]:
    """Describe every sparse tensor of a TFLite file; raises what `convert_tflite` does."""
    return sparse_tensors(read_model(data), len(data))
