"""Running either kind of model: LiteRT's builtin kernels, or ONNX Runtime."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from ort_sparse.claims import session_with_report
from ort_sparse.dependencies import import_onnxruntime
from ort_sparse.errors import (
    InvalidArgumentError,
    InvalidModelError,
    OrtSparseError,
    UnsupportedModelError,
)
from ort_sparse.onnx_judge import reason_of
from ort_sparse.regions import RegionsReport
from ort_sparse.runtime import session, why_no_regions
from ort_sparse.source import Source

from .agreement import FLOAT16_TOLERANCE, RelativeToLargest, Rule
from .inputs import Feeds, TensorInfo, inputs_of
from .sigmoids import expose_sigmoid_inputs, sigmoid_inputs

if TYPE_CHECKING:
    from ort_sparse.converters.tflite import Quantization, TensorSignature

__all__ = ["Runner", "make_region_runner", "make_runner"]

Outputs = dict[str, NDArray[Any]]

_ROUNDING_OPERATORS = {"QuantizeLinear", "DynamicQuantizeLinear"}
_QUANTIZATION_OPERATORS = {"DequantizeLinear", *_ROUNDING_OPERATORS}

FLOAT_STEP = 2 / 255
"""A step of float inputs, -1 to 1, of which a file does not say how it quantizes them."""


class Runner(Protocol):
    """A model that can be run."""

    name: str
    engine: str
    """What computes, for messages."""
    inputs: list[TensorInfo]
    outputs: list[str]
    rounds_to_integers: bool
    """Whether activations are quantized."""
    quantizes_on_the_fly: bool
    """Whether it is a TFLite file of dynamic range; `run` then has its activations in float32."""
    output_steps: Mapping[str, float]
    """One step of each output that is quantized, as far as it is known."""

    def run(self, feeds: Iterable[Feeds]) -> list[Outputs]:
        """Return the outputs for each of the feeds, by name and in order."""

    def run_on_the_fly(self, feeds: Iterable[Feeds]) -> list[Outputs]:
        """Like `run`, but with the activations quantized where `quantizes_on_the_fly`."""

    def run_before_sigmoids(self, feeds: Iterable[Feeds]) -> list[Outputs]:
        """Return what goes into the sigmoid that an output comes from, flat and ascending.

        Outputs that come from something else are left out.
        """

    def rules(self, output: str) -> Iterator[Rule]:
        """Yield what this output may differ by because of what the model is."""


def make_runner(source: Source, signature: str | None = None) -> Runner:
    """Return a runner of the model, or of one signature of a TFLite file.

    Raises
    ------
    InvalidModelError, UnsupportedModelError
        If its engine cannot load it.
    """
    if source.tflite is not None:
        return _LiteRtRunner(source.name, source.tflite, signature)
    assert source.onnx is not None
    return _OnnxRunner(source.name, source.onnx)


def make_region_runner(source: Source, regions: str) -> tuple[Runner, int] | None:
    """Return a runner of an ONNX model with regions, and how many were claimed.

    Other runners have no regions. Returns None for a TFLite model, where ``regions`` is off, and
    where this ONNX Runtime has none.
    """
    if source.onnx is None or regions == "off" or why_no_regions() is not None:
        return None
    runner = _OnnxRunner(source.name, source.onnx, regions=regions)
    assert runner.report is not None
    return runner, runner.report.claimed


class _LiteRtRunner:
    engine = "LiteRT's builtin kernels"

    def __init__(self, name: str, data: bytes, signature: str | None) -> None:
        from ort_sparse.converters import tflite

        self.name = name
        self._data = self._original = data
        self._signature = signature
        with _naming(name):
            found = tflite.signature(data, signature)
            quantization = tflite.quantization_of(data, signature)
            if quantization.quantizes_on_the_fly:
                self._data = tflite.with_float_weights(data, signature)
                self.engine += ", its int8 weights and all activations as float32"
            self.inputs = [
                TensorInfo(
                    tensor.name,
                    tensor.shape,
                    _dtype(tensor),
                    _input_step(quantization, tensor),
                )
                for tensor in found.inputs
            ]
        self.rounds_to_integers = quantization.computes_in_integers
        self.quantizes_on_the_fly = quantization.quantizes_on_the_fly
        self.output_steps: Mapping[str, float] = quantization.output_steps
        self.outputs = [tensor.name for tensor in found.outputs]

    def run(self, feeds: Iterable[Feeds]) -> list[Outputs]:
        return self._run(self._data, feeds)

    def run_on_the_fly(self, feeds: Iterable[Feeds]) -> list[Outputs]:
        return self._run(self._original, feeds)

    def run_before_sigmoids(self, feeds: Iterable[Feeds]) -> list[Outputs]:
        from ort_sparse.converters import tflite

        outputs, producers = tflite.producers(self._data, self._signature)
        found = {name: sigmoid_inputs(index, producers) for name, index in outputs.items()}
        wanted = {index for indices in found.values() for index in indices or ()}
        if not wanted:
            return [{} for _ in feeds]
        tensors = {str(index): index for index in sorted(wanted)}
        results = self._run(self._data, feeds, tensors=tensors)
        return [
            _collect(found, {index: given[str(index)] for index in wanted}) for given in results
        ]

    def rules(self, output: str) -> Iterator[Rule]:
        return iter(())  # LiteRT's kernels widen float16 weights

    def _run(
        self, data: bytes, feeds: Iterable[Feeds], *, tensors: Mapping[str, int] | None = None
    ) -> list[Outputs]:
        from ort_sparse.converters import tflite

        with _naming(self.name):
            return tflite.run_many(data, feeds, tensors=tensors, signature=self._signature)


class _OnnxRunner:
    engine = "ONNX Runtime"
    quantizes_on_the_fly = False
    output_steps: Mapping[str, float] = {}

    def __init__(self, name: str, model: onnx.ModelProto, *, regions: str = "off") -> None:
        self.name = name
        self.report: RegionsReport | None = None
        self._model = model
        self._regions = regions
        self._session = self._load(model)
        with _naming(name):
            self.inputs = inputs_of(model)
        self.outputs = [output.name for output in self._session.get_outputs()]
        kinds = {node.op_type for node in model.graph.node}
        self.rounds_to_integers = not kinds.isdisjoint(_ROUNDING_OPERATORS)
        if not kinds.isdisjoint(_QUANTIZATION_OPERATORS):
            self.engine += " without its integer kernels"

    def run(self, feeds: Iterable[Feeds]) -> list[Outputs]:
        return self._run(self._session, self.outputs, feeds)

    def run_on_the_fly(self, feeds: Iterable[Feeds]) -> list[Outputs]:
        return self.run(feeds)

    def run_before_sigmoids(self, feeds: Iterable[Feeds]) -> list[Outputs]:
        model, found = expose_sigmoid_inputs(self._model)
        names = sorted({name for names in found.values() for name in names or ()})
        if not names:
            return [{} for _ in feeds]
        results = self._run(self._load(model), names, feeds)
        return [_collect(found, given) for given in results]

    def rules(self, output: str) -> Iterator[Rule]:
        if self._computes_in_float16:
            yield RelativeToLargest(FLOAT16_TOLERANCE, ", since it computes in float16")

    @functools.cached_property
    def _computes_in_float16(self) -> bool:
        import onnx_ir as ir

        from ort_sparse.converters import passes

        try:
            return passes.widen_float16(ir.from_proto(self._model))
        except (ir.serde.SerdeError, ValueError, TypeError):
            return False  # what cannot be read was not widened by `convert` either

    def _load(self, model: onnx.ModelProto) -> Any:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised
        # Fused, quantized nodes saturate on CPUs without VNNI, and may quantize other activations
        # on the fly: that is ONNX Runtime's choice, not what the model says.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        try:
            if self._regions == "off":
                return session(model, options, regions="off")
            created, self.report = session_with_report(model, options, regions=self._regions)
            return created
        except OrtSparseError:
            raise
        except Exception as error:  # onnxruntime's exceptions have no common base
            reason = reason_of(str(error))
            raise InvalidModelError(f"{self.name}: onnxruntime cannot load it: {reason}") from error

    def _run(self, session: Any, names: list[str], feeds: Iterable[Feeds]) -> list[Outputs]:
        results = []
        with _naming(self.name):
            for arrays in feeds:
                try:
                    outputs = session.run(names, arrays)
                except Exception as error:
                    reason = reason_of(str(error))
                    raise InvalidModelError(f"onnxruntime cannot run it: {reason}") from error
                results.append(dict(zip(names, map(_numbers, names, outputs), strict=True)))
        return results


def _numbers(name: str, output: Any) -> NDArray[Any]:
    if not isinstance(output, np.ndarray) or output.dtype.kind in "OSU":
        raise UnsupportedModelError(
            f"output {name!r}: must be a tensor of numbers to be compared, but is not"
        )
    return output


def _collect(found: Mapping[str, list[Any] | None], arrays: Mapping[Any, NDArray[Any]]) -> Outputs:
    """Join the tensors before the sigmoids of each output; layouts differ, so sort the values."""
    return {
        name: np.sort(np.concatenate([arrays[tensor].ravel() for tensor in tensors]))
        for name, tensors in found.items()
        if tensors
    }


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Put the name of the file before what is wrong with it."""
    try:
        yield
    except (InvalidArgumentError, InvalidModelError, UnsupportedModelError) as error:
        raise type(error)(f"{name}: {error}") from error


def _input_step(quantization: Quantization, tensor: TensorSignature) -> float | None:
    step = quantization.input_steps.get(tensor.name)
    if step is None and quantization.computes_in_integers and tensor.dtype.startswith("float"):
        return FLOAT_STEP
    return step


def _dtype(tensor: TensorSignature) -> np.dtype[Any]:
    try:
        return np.dtype(tensor.dtype)
    except TypeError as error:
        raise UnsupportedModelError(
            f"input {tensor.name!r}: must have an element type of NumPy, but has {tensor.dtype}"
        ) from error
