"""TFLite models run by LiteRT's builtin kernels: the numbers that others are compared with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ort_sparse.converters.isolation import run_isolated, temporary_folder
from ort_sparse.errors import (
    InvalidArgumentError,
    UnsupportedModelError,
    first_line,
    quoted,
)

from ._dependencies import require
from .densify import densify, sparse_tensors
from .model import operator_name, pack_model, read_model, shape_of, tensor_type
from .names import read_interface
from .signatures import choose_signature

__all__ = [
    "Signature",
    "TensorSignature",
    "prepare",
    "producers",
    "run",
    "run_many",
    "signature",
    "work",
]

# The files of one run, besides its arrays.
_SOURCE = "model.tflite"
_REQUEST = "request.json"


@dataclass(frozen=True)
class TensorSignature:
    """Name, shape (-1 where dynamic) and NumPy name of the element type of a tensor."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a model, in order."""

    inputs: tuple[TensorSignature, ...]
    outputs: tuple[TensorSignature, ...]


def signature(data: bytes, wanted: str | None = None) -> Signature:
    """Return inputs and outputs of a TFLite file, or of the signature that is wanted.

    Names are those that the converted model has.

    Raises
    ------
    InvalidArgumentError
        As `choose_signature`.
    InvalidModelError
        If the file is damaged.
    MissingDependencyError
        If ai_edge_litert is not installed.
    """
    model = read_model(data)
    choose_signature(model, wanted)
    return _signature(model)


def run(
    data: bytes,
    inputs: Mapping[str, NDArray[Any]],
    *,
    signature: str | None = None,
    num_threads: int = 1,
) -> dict[str, NDArray[Any]]:
    """Run a TFLite file with LiteRT's builtin kernels, without any delegate.

    LiteRT itself decodes the sparse constants, so it is a check of ours, but for those that its
    kernels read without a DENSIFY in between and handle wrongly: DEQUANTIZE and others take the
    stored values for dense ones, so that block-sparse float16 weights of FULLY_CONNECTED give NaN.
    Whether a file has such is seen from its operators; it then runs with all constants dense.

    Parameters
    ----------
    data : bytes
        The file.
    inputs : mapping of str to ndarray
        One array for each input; dynamic dimensions may have any size.
    signature : str, optional
        The signature to run; by default as `choose_signature`.
    num_threads : int
        Threads of LiteRT's kernels.

    Returns
    -------
    dict of str to ndarray
        The outputs by name, in order.

    Raises
    ------
    InvalidArgumentError
        If the inputs have other names, shapes or types than the model's, or there is no such
        signature.
    InvalidModelError
        If the file is damaged.
    UnsupportedModelError
        If LiteRT cannot run the model.
    MissingDependencyError
        If ai_edge_litert is not installed.
    """
    return run_many(data, [inputs], signature=signature, num_threads=num_threads)[0]


def run_many(
    data: bytes,
    feeds: Iterable[Mapping[str, NDArray[Any]]],
    *,
    tensors: Mapping[str, int] | None = None,
    signature: str | None = None,
    num_threads: int = 1,
) -> list[dict[str, NDArray[Any]]]:
    """Like `run`, for several inputs of the same shapes, in one process.

    Parameters
    ----------
    data : bytes
        The file.
    feeds : iterable of mapping of str to ndarray
        One array for each input, again and again; only one of them is held in memory.
    tensors : mapping of str to int, optional
        Which tensors of subgraph 0 to return, by a name to return them under, instead of the
        outputs.
    signature : str, optional
        The signature to run; by default as `choose_signature`.
    num_threads : int
        Threads of LiteRT's kernels.

    Returns
    -------
    list of dict of str to ndarray
        As `run`, one for each of the feeds.
    """
    model = read_model(data)
    choose_signature(model, signature)
    expected = _signature(model)
    interface = read_interface(model)
    # LiteRT trusts sparse indices and offsets: give it none that were not checked.
    sparse_tensors(model, len(data))
    if _has_sparse_constant_litert_misreads(model):
        densify(model, len(data))
    wanted = dict(interface.outputs) if tensors is None else dict(tensors)
    subgraph = model.subgraphs[0]
    inside = set(wanted.values()) - set(map(int, subgraph.outputs))
    subgraph.outputs = [*subgraph.outputs, *sorted(inside)]  # others are overwritten
    with temporary_folder() as folder:
        (folder / _SOURCE).write_bytes(pack_model(model))
        shapes: dict[int, list[int]] = {}
        count = 0
        for inputs in feeds:
            _check_inputs(expected, inputs)
            for name, index in interface.inputs:
                np.save(folder / f"input_{count}_{index}.npy", inputs[name], allow_pickle=False)
                if shape_of(subgraph.tensors[index]) != inputs[name].shape:
                    shapes[index] = list(inputs[name].shape)
            count += 1
        request = {
            "inputs": [index for _, index in interface.inputs],
            "outputs": list(wanted.values()),
            "resize": list(shapes.items()),
            "runs": count,
            "num_threads": num_threads,
        }
        (folder / _REQUEST).write_text(json.dumps(request))
        run_isolated(__name__, folder, what="LiteRT")
        return [
            {
                name: np.load(folder / f"output_{number}_{index}.npy", allow_pickle=False)
                for name, index in wanted.items()
            }
            for number in range(count)
        ]


def producers(
    data: bytes, wanted: str | None = None
) -> tuple[dict[str, int], dict[int, tuple[str, tuple[int, ...]]]]:
    """Return how the outputs of a TFLite file, or of the signature that is wanted, come about.

    Returns
    -------
    outputs : dict of str to int
        The number of the tensor of each output.
    producers : dict of int to (str, tuple of int)
        For each tensor that is computed the name of its operator and the numbers of its inputs.
    """
    model = read_model(data)
    choose_signature(model, wanted)
    return dict(read_interface(model).outputs), {
        int(output): (operator_name(model, operator), tuple(map(int, operator.inputs)))
        for operator in model.subgraphs[0].operators
        for output in operator.outputs
    }


def prepare() -> None:
    """Import what `work` needs; called in the process that `isolation` starts."""
    require("ai_edge_litert.interpreter")


def work(folder: Path) -> None:
    """Run the file in ``folder``, in a process of its own."""
    litert = require("ai_edge_litert.interpreter")
    request = json.loads((folder / _REQUEST).read_text())
    try:
        interpreter = litert.Interpreter(
            model_content=(folder / _SOURCE).read_bytes(),
            experimental_op_resolver_type=(litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES),
            num_threads=request["num_threads"],
        )
        for index, shape in request["resize"]:
            interpreter.resize_tensor_input(index, shape)
        interpreter.allocate_tensors()
        for number in range(request["runs"]):
            for index in request["inputs"]:
                array = np.load(folder / f"input_{number}_{index}.npy", allow_pickle=False)
                interpreter.set_tensor(index, array)
            interpreter.invoke()
            for index in request["outputs"]:
                array = interpreter.get_tensor(index)
                np.save(folder / f"output_{number}_{index}.npy", array, allow_pickle=False)
    except (RuntimeError, ValueError) as error:
        raise UnsupportedModelError(f"LiteRT cannot run the model: {first_line(error)}") from error


def _signature(model: Any) -> Signature:
    interface = read_interface(model)
    tensors = model.subgraphs[0].tensors

    def describe(name: str, index: int) -> TensorSignature:
        tensor = tensors[index]
        shape = shape_of(tensor)
        if tensor.shapeSignature is not None and len(tensor.shapeSignature):
            shape = tuple(int(size) for size in tensor.shapeSignature)
        return TensorSignature(name, shape, tensor_type(tensor).lower())

    return Signature(
        inputs=tuple(describe(*entry) for entry in interface.inputs),
        outputs=tuple(describe(*entry) for entry in interface.outputs),
    )


def _check_inputs(expected: Signature, inputs: Mapping[str, NDArray[Any]]) -> None:
    names = {tensor.name for tensor in expected.inputs}
    if set(inputs) != names:
        raise InvalidArgumentError(f"inputs: must be {sorted(names)}, but are {sorted(inputs)}")
    for tensor in expected.inputs:
        array = inputs[tensor.name]
        fits = len(array.shape) == len(tensor.shape) and all(
            size in (-1, given) for size, given in zip(tensor.shape, array.shape, strict=True)
        )
        if not fits or array.dtype != np.dtype(tensor.dtype):
            raise InvalidArgumentError(
                f"input {quoted(tensor.name)}: must be {tensor.dtype} of shape {tensor.shape}, "
                f"but is {array.dtype} of shape {array.shape}"
            )


def _has_sparse_constant_litert_misreads(model: Any) -> bool:
    """Whether a sparse constant goes to an operator that does not read it right."""
    for subgraph in model.subgraphs:
        for operator in subgraph.operators:
            name = operator_name(model, operator)
            for index in operator.inputs:
                tensor = subgraph.tensors[index] if index != -1 else None
                if tensor is None or tensor.sparsity is None or name == "DENSIFY":
                    continue
                if name != "FULLY_CONNECTED" or tensor_type(tensor) == "FLOAT16":
                    return True
    return False
