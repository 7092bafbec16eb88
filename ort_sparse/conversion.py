"""`convert`: a TFLite or ONNX model in, the same model with SparseConv1x1 nodes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import onnx
import onnx_ir as ir

from .converters import passes
from .converters.cost_model import REFERENCE_MACHINE
from .converters.passes import LayerReport, OtherLayer
from .dependencies import import_onnxruntime
from .errors import InvalidArgumentError
from .model_notes import add_notes, mark, remove_notes
from .onnx_graph import read_graph, write_graph
from .options import ConvertOptions
from .source import ModelSource, Source, read_source
from .verification import Comparison
from .verification.compare import check, compare_with

if TYPE_CHECKING:
    from .converters.tflite import SignatureChoice

__all__ = ["Conversion", "convert", "convert_and_report", "densify"]

DEFAULT_OPSET = 17
DEFAULT_OPTIONS = ConvertOptions()

WITHOUT_COMPARING = "; not to compare: --no-verify (verify=False)"
"""A way out, for messages."""

Progress = Callable[[str], None]
"""Called with a few words before each stage of the work."""


@dataclass(frozen=True)
class Conversion:
    """A converted model, and what was done to it."""

    model: onnx.ModelProto
    dense: onnx.ModelProto
    """The source in ONNX, before its layers were replaced."""
    layers: list[LayerReport]
    """Every 1x1 or fully connected layer with constant weights."""
    other_layers: list[OtherLayer]
    """Layers of other kinds whose weights have as many zeros, or are not known, and that stay
    dense."""
    comparison: Comparison | None
    """How far the numbers are from the source's, or None where that was not asked for."""
    machine: str
    """Whose times the layers' reports have: the cost model's, or this one where it was measured."""
    constant_inputs: list[str]
    """Inputs of the source that had a default and are constants of the model."""
    signature: SignatureChoice | None = None
    """Which signature of a TFLite file was converted, and which were left out."""

    @property
    def replaced(self) -> int:
        """Number of layers that became SparseConv1x1."""
        return sum(layer.replaced for layer in self.layers)

    @property
    def already_sparse(self) -> int:
        """Number of layers that were SparseConv1x1 before."""
        return sum(layer.is_sparse for layer in self.layers) - self.replaced


def convert(
    source: ModelSource,
    *,
    layers: Literal["auto", "all"] = "auto",
    tune: bool = False,
    min_sparsity: float = 0.5,
    block_rows: int | Literal["auto"] = "auto",
    opset: int | None = None,
    inputs_as_nchw: bool = False,
    signature: str | None = None,
    keep_weight_inputs: bool = False,
    verify: bool = True,
    tolerance: float | None = None,
    seed: int = 0,
    batch: int = 1,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> onnx.ModelProto:
    """Convert a model so that its mostly-zero 1x1 convolutions run sparse.

    Parameters
    ----------
    source : path, bytes or onnx.ModelProto
        A TFLite model, sparse or not, or an ONNX model with zeros in its dense weights.
    layers : {"auto", "all"}
        ``"all"`` replaces every 1x1 convolution and fully connected layer whose zeros reach
        ``min_sparsity``; ``"auto"`` those of them that make the model faster, by a cost model.
    tune : bool
        Whether ``"auto"`` is to measure on this machine instead.
    min_sparsity : float
        Share of zeros from which on a layer is replaced, 0 to 1.
    block_rows : {"auto", 1, 2, 4}
        Height of the blocks of weights; by default what makes the smallest arrays.
    opset : int, optional
        ONNX opset of a converted TFLite model, 13 to 18; 17 by default. ONNX models keep theirs.
    inputs_as_nchw : bool
        Whether the rank-4 inputs of a converted TFLite model are to be NCHW; they are NHWC as in
        the file otherwise.
    signature : str, optional
        Signature of a TFLite model to convert, where it has several; by default
        ``serving_default``.
    keep_weight_inputs : bool
        Whether weights of an ONNX model that are graph inputs with a default stay inputs, and their
        layers dense. They become constants otherwise.
    verify : bool
        Whether to compare the result with the source on random inputs: LiteRT's builtin kernels
        for TFLite, ONNX Runtime for ONNX.
    tolerance, seed, batch, shapes
        How to compare, as for `ort_sparse.verify`. Where ``tune`` is set, inputs of the same shapes
        are measured.

    Returns
    -------
    onnx.ModelProto
        Standard operators and ``SparseConv1x1``; inputs and outputs keep their names. Where no
        layer is replaced, an ONNX model comes back unchanged.

    Raises
    ------
    InvalidArgumentError
        If an argument breaks its rule.
    InvalidModelError
        If the source is damaged.
    UnsupportedModelError
        If the source has something that cannot be converted.
    VerificationError
        If the numbers differ.
    MissingDependencyError
        If a TFLite model is given and the extra ``tflite`` is not installed.
    """
    options = ConvertOptions(
        layers=layers,
        tune=tune,
        min_sparsity=min_sparsity,
        block_rows=block_rows,
        opset=opset,
        inputs_as_nchw=inputs_as_nchw,
        signature=signature,
        keep_weight_inputs=keep_weight_inputs,
        verify=verify,
        tolerance=tolerance,
        seed=seed,
        batch=batch,
        shapes=shapes or {},
    )
    return convert_and_report(source, options).model


def convert_and_report(
    source: ModelSource,
    options: ConvertOptions = DEFAULT_OPTIONS,
    *,
    progress: Progress = lambda stage: None,
) -> Conversion:
    """Like `convert`, and say what was done.

    Parameters
    ----------
    source : path, bytes or onnx.ModelProto
    options : ConvertOptions
    progress : callable
        Called with a few words before each stage of the work.
    """
    if options.verify:
        import_onnxruntime()  # better missed now than after minutes of work
    progress("reading")
    found = read_source(source)
    is_tflite = found.tflite is not None
    options.check_source(found.name, is_tflite=is_tflite)
    if is_tflite:
        progress("converting TFLite to ONNX")
    dense = _dense_model(found, options)
    signature = _signature_choice(found, options)
    graph = read_graph(found.name, dense)
    constant_inputs = [] if options.keep_weight_inputs else passes.make_inputs_constant(graph)
    widened = passes.widen_float16(graph)
    chosen_by, machine = "all" if options.layers == "all" else "cost model", REFERENCE_MACHINE
    choices: Literal["auto", "all"] | dict[str, passes.LayerChoice] = options.layers
    if options.tune:
        choices, machine = _tune(graph, options, progress)
        chosen_by = f"tuned on {machine}"
    progress("rewriting sparse layers")
    reports = passes.sparsify(
        graph,
        min_sparsity=options.min_sparsity,
        block_rows=options.block_height,
        layers=choices,
    )
    others = passes.find_other_layers(graph, min_sparsity=options.min_sparsity)
    if is_tflite or widened:
        passes.StoreFloat16Pass()(graph)
    replaced = any(report.replaced for report in reports)
    model = write_graph(found.name, graph) if replaced or is_tflite else dense
    if replaced:
        add_notes(model, reports, chosen_by)
    elif is_tflite:
        mark(model)
    comparison = None
    if options.verify and (replaced or is_tflite):
        progress("comparing with the original")
        converted = Source("the converted model", onnx=model)
        comparison = compare_with(options, found, converted, otherwise=WITHOUT_COMPARING)
        check(comparison, otherwise=WITHOUT_COMPARING)
    return Conversion(
        model=model,
        dense=dense,
        layers=reports,
        other_layers=others,
        comparison=comparison,
        machine=machine,
        constant_inputs=constant_inputs if replaced else [],
        signature=signature,
    )


def densify(source: ModelSource) -> onnx.ModelProto:
    """Return an ONNX model with its SparseConv1x1 nodes turned back into standard operators.

    Weights are the same numbers; only the sign of a zero is not kept.

    Raises
    ------
    InvalidArgumentError
        If the source is a TFLite model.
    InvalidModelError
        If the source is damaged.
    """
    found = read_source(source)
    if found.onnx is None:
        raise InvalidArgumentError(f"{found.name}: must be an ONNX model, but is a TFLite model")
    graph = read_graph(found.name, found.onnx)
    passes.densify(graph)
    model = write_graph(found.name, graph)
    remove_notes(model)
    return model


def _dense_model(source: Source, options: ConvertOptions) -> onnx.ModelProto:
    if source.onnx is not None:
        return source.onnx
    from .converters.tflite import convert_tflite

    assert source.tflite is not None
    return convert_tflite(
        source.tflite,
        name=source.name,
        opset=DEFAULT_OPSET if options.opset is None else options.opset,
        inputs_as_nchw=options.inputs_as_nchw,
        signature=options.signature,
    )


def _signature_choice(source: Source, options: ConvertOptions) -> SignatureChoice | None:
    if source.tflite is None:
        return None
    from .converters.tflite import signature_choice

    return signature_choice(source.tflite, options.signature)


def _tune(
    graph: ir.Model, options: ConvertOptions, progress: Progress
) -> tuple[dict[str, passes.LayerChoice], str]:
    """Choose layers by measuring; return the choice, and the name of this machine."""
    from .measure.tuning import cpu_name, tune

    choices = tune(
        graph,
        min_sparsity=options.min_sparsity,
        block_rows=options.block_height,
        inputs=options,
        progress=progress,
    )
    return choices, cpu_name()
