"""Comparing two models by their numbers: LiteRT's builtin kernels, or ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from .dependencies import import_onnxruntime
from .errors import (
    InvalidArgumentError,
    InvalidModelError,
    UnsupportedModelError,
    VerificationError,
)
from .source import ModelSource, Source, read_source

if TYPE_CHECKING:
    from .converters.tflite import TensorSignature

__all__ = [
    "FLOAT16_TOLERANCE",
    "TOLERANCE",
    "Comparison",
    "OutputComparison",
    "TensorInfo",
    "compare",
    "compare_outputs",
    "inputs_of",
    "random_inputs",
    "verify",
]

TOLERANCE = 2e-5
"""Largest difference that counts as equal, relative to the largest value of an output. float32
sums in another order differ by a few times 1e-7 a layer."""

FLOAT16_TOLERANCE = 2e-2
"""The same for models that compute in float16, which rounds by up to 5e-4 in each layer."""

DYNAMIC_SIZE = 128
"""Given to dynamic dimensions but the first: the height and width of a small image."""

MAX_ELEMENTS = 2**26
"""Elements that the inputs of a model may have together, so that comparing takes no more memory
than a large image needs."""


@dataclass(frozen=True)
class OutputComparison:
    """How far one output of two models is apart."""

    name: str
    shape: tuple[int, ...]
    largest: float
    """Largest absolute value of the first model's output."""
    difference: float
    """Largest absolute difference; infinite where shapes differ or only one has a NaN."""

    @property
    def error(self) -> float:
        """The difference relative to the largest value."""
        if self.difference == 0:
            return 0.0
        return self.difference / self.largest if self.largest else float("inf")


@dataclass(frozen=True)
class Comparison:
    """How far two models are apart, output by output."""

    outputs: tuple[OutputComparison, ...]
    tolerance: float

    @property
    def error(self) -> float:
        """The largest relative error of all outputs."""
        return max((output.error for output in self.outputs), default=0.0)

    @property
    def passed(self) -> bool:
        """Whether every output is within the tolerance."""
        return self.error <= self.tolerance


@dataclass(frozen=True)
class TensorInfo:
    """An input: name, shape with -1 for dynamic axes, dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class _Runner(Protocol):
    name: str
    inputs: list[TensorInfo]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]: ...


def verify(
    a: ModelSource,
    b: ModelSource,
    *,
    tolerance: float = TOLERANCE,
    batch: int = 1,
    seed: int = 0,
    signature: str | None = None,
) -> Comparison:
    """Check that two models give the same numbers on random inputs.

    Parameters
    ----------
    a, b : path, bytes or onnx.ModelProto
        TFLite models run on LiteRT's builtin kernels, ONNX models on ONNX Runtime. Inputs and
        outputs are matched by name, or by position where the names differ; an input of ``b``
        may be in NCHW order where that of ``a`` is in NHWC order.
    tolerance : float
        Allowed difference, relative to the largest value of an output.
    batch : int
        Size of the first dimension where it is dynamic; others are `DYNAMIC_SIZE`.
    seed : int
        Seed of the random inputs.
    signature : str, optional
        Which signature of TFLite models; by default the only one, or ``serving_default``.

    Returns
    -------
    Comparison

    Raises
    ------
    VerificationError
        If an output differs by more than the tolerance; the message says which and by how much.
    InvalidModelError, UnsupportedModelError
        If a model cannot be run.
    InvalidArgumentError
        If the models have different inputs or outputs.
    """
    comparison = compare(a, b, tolerance=tolerance, batch=batch, seed=seed, signature=signature)
    if not comparison.passed:
        worst = max(comparison.outputs, key=lambda output: output.error)
        raise VerificationError(
            f"output {worst.name!r}: must agree to {tolerance:g} of its largest value "
            f"{worst.largest:.6g}, but differs by {worst.difference:.6g} ({worst.error:.3g})"
        )
    return comparison


def compare(
    a: ModelSource,
    b: ModelSource,
    *,
    tolerance: float = TOLERANCE,
    batch: int = 1,
    seed: int = 0,
    signature: str | None = None,
) -> Comparison:
    """Like `verify`, but return the comparison whatever it says."""
    if not tolerance >= 0:
        raise InvalidArgumentError(f"tolerance: must be at least 0, but is {tolerance}")
    first, second = (_runner(read_source(source), signature) for source in (a, b))
    feeds = random_inputs(first.inputs, batch=batch, seed=seed)
    expected = first.run(feeds)
    actual = second.run(_match_inputs(feeds, first, second))
    if len(expected) != len(actual):
        raise InvalidArgumentError(
            f"{second.name}: must have {len(expected)} outputs like {first.name}, "
            f"but has {len(actual)}"
        )
    return compare_outputs(expected, actual, tolerance=tolerance)


def compare_outputs(
    expected: Mapping[str, NDArray[Any]],
    actual: Mapping[str, NDArray[Any]],
    *,
    tolerance: float = TOLERANCE,
) -> Comparison:
    """Compare outputs by name, or by position where the names differ; both have as many."""
    if expected.keys() != actual.keys():
        actual = dict(zip(expected, actual.values(), strict=True))
    return Comparison(
        tuple(_compare_output(name, expected[name], actual[name]) for name in expected), tolerance
    )


def inputs_of(model: onnx.ModelProto) -> list[TensorInfo]:
    """Return the inputs of an ONNX model that have no default."""
    defaults = {tensor.name for tensor in model.graph.initializer}
    return [
        TensorInfo(
            value.name,
            tuple(
                dim.dim_value if dim.HasField("dim_value") else -1
                for dim in value.type.tensor_type.shape.dim
            ),
            onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type),
        )
        for value in model.graph.input
        if value.name not in defaults
    ]


def random_inputs(
    inputs: Sequence[TensorInfo], *, batch: int = 1, seed: int = 0
) -> dict[str, NDArray[Any]]:
    """Return an array for each input: floats uniform in -1..1, whole numbers 0 or 1.

    Raises
    ------
    InvalidArgumentError
        If ``batch`` is not positive or ``seed`` is negative.
    UnsupportedModelError
        If the inputs have more than `MAX_ELEMENTS` elements together.
    """
    if batch < 1:
        raise InvalidArgumentError(f"batch: must be at least 1, but is {batch}")
    if seed < 0:
        raise InvalidArgumentError(f"seed: must be at least 0, but is {seed}")
    rng = np.random.default_rng(seed)
    feeds: dict[str, NDArray[Any]] = {}
    left = MAX_ELEMENTS
    for tensor in inputs:
        shape = tuple(
            size if size >= 0 else (DYNAMIC_SIZE if axis else batch)
            for axis, size in enumerate(tensor.shape)
        )
        left -= math.prod(shape)
        if left < 0:
            raise UnsupportedModelError(
                f"input {tensor.name!r}: the inputs must have at most {MAX_ELEMENTS} elements "
                f"together to be compared, but this one has shape {shape}"
            )
        if np.issubdtype(tensor.dtype, np.floating):
            feeds[tensor.name] = rng.uniform(-1, 1, shape).astype(tensor.dtype)
        else:
            feeds[tensor.name] = rng.integers(0, 2, shape).astype(tensor.dtype)
    return feeds


def _compare_output(name: str, expected: NDArray[Any], actual: NDArray[Any]) -> OutputComparison:
    shape = tuple(expected.shape)
    if expected.shape != actual.shape:
        return OutputComparison(name, shape, 0.0, float("inf"))
    x, y = expected.astype(np.float64), actual.astype(np.float64)
    same = (x == y) | (np.isnan(x) & np.isnan(y))  # covers infinities, whose difference is NaN
    with np.errstate(invalid="ignore"):
        differences = np.where(same, 0.0, np.abs(x - y))
    finite = np.abs(x[np.isfinite(x)])
    return OutputComparison(
        name=name,
        shape=shape,
        largest=float(finite.max(initial=0.0)),
        difference=float(np.nan_to_num(differences, nan=np.inf).max(initial=0.0)),
    )


def _match_inputs(
    feeds: dict[str, NDArray[Any]], first: _Runner, second: _Runner
) -> dict[str, NDArray[Any]]:
    """Return the feeds under the names, and in the layout, of the second model."""
    if len(second.inputs) != len(first.inputs):
        raise InvalidArgumentError(
            f"{second.name}: must have {len(first.inputs)} inputs like {first.name}, "
            f"but has {len(second.inputs)}"
        )
    by_name = {tensor.name for tensor in second.inputs} == feeds.keys()
    matched = {}
    for position, tensor in enumerate(second.inputs):
        name = tensor.name if by_name else first.inputs[position].name
        array = feeds[name]
        if not _fits(array.shape, tensor.shape) and array.ndim == 4:
            array = np.ascontiguousarray(array.transpose(0, 3, 1, 2))
        if not _fits(array.shape, tensor.shape) or array.dtype != tensor.dtype:
            raise InvalidArgumentError(
                f"{second.name}: input {tensor.name!r} must be {feeds[name].dtype} of shape "
                f"{feeds[name].shape} like that of {first.name}, "
                f"but is {tensor.dtype} of shape {tensor.shape}"
            )
        matched[tensor.name] = array
    return matched


def _fits(shape: tuple[int, ...], pattern: tuple[int, ...]) -> bool:
    return len(shape) == len(pattern) and all(
        wanted in (-1, size) for size, wanted in zip(shape, pattern, strict=True)
    )


def _runner(source: Source, signature: str | None) -> _Runner:
    if source.tflite is not None:
        return _LiteRtRunner(source.name, source.tflite, signature)
    assert source.onnx is not None
    return _OnnxRunner(source.name, source.onnx)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Put the name of the file before what is wrong with it."""
    try:
        yield
    except (InvalidArgumentError, InvalidModelError, UnsupportedModelError) as error:
        raise type(error)(f"{name}: {error}") from error


def _dtype(tensor: TensorSignature) -> np.dtype[Any]:
    try:
        return np.dtype(tensor.dtype)
    except TypeError as error:
        raise UnsupportedModelError(
            f"input {tensor.name!r}: must have an element type of NumPy, but has {tensor.dtype}"
        ) from error


class _LiteRtRunner:
    def __init__(self, name: str, data: bytes, signature: str | None) -> None:
        from .converters import tflite

        self.name = name
        self._data = data
        self._signature = signature
        with _naming(name):
            self.inputs = [
                TensorInfo(tensor.name, tensor.shape, _dtype(tensor))
                for tensor in tflite.signature(data, signature).inputs
            ]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        from .converters import tflite

        with _naming(self.name):
            return tflite.run(self._data, feeds, signature=self._signature)


class _OnnxRunner:
    def __init__(self, name: str, model: onnx.ModelProto) -> None:
        from .runtime import session

        onnxruntime = import_onnxruntime()
        self.name = name
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised
        try:
            self._session = session(model, options)
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise InvalidModelError(f"{name}: onnxruntime cannot load it: {error}") from error
        self.inputs = inputs_of(model)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        names = [output.name for output in self._session.get_outputs()]
        try:
            return dict(zip(names, self._session.run(names, dict(feeds)), strict=True))
        except Exception as error:
            raise InvalidModelError(f"{self.name}: onnxruntime cannot run it: {error}") from error
