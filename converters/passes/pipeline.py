"""The passes in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from ort_sparse.converters.checks import check_block_rows, check_min_sparsity
from ort_sparse.errors import InvalidArgumentError

from .cancel_transposes import CancelTransposesPass
from .choice import LayerChoice, choose_layers, predict_costs
from .densify import DensifyPass
from .fuse_activation import FuseActivationPass
from .fuse_affine import FuseAffinePass
from .fuse_residual import FuseResidualPass
from .nodes import CHOICE, is_sparse_conv
from .replace_pointwise import ReplacePointwisePass
from .report import LayerReport
from .shapes import infer_shapes
from .widen_float16 import WidenFloat16Pass

__all__ = ["densify", "predict_choices", "sparsify", "to_model_proto", "widen_float16"]


def sparsify(
    model: ir.Model,
    *,
    min_sparsity: float,
    block_rows: int | None = None,
    layers: Literal["auto", "all"] | Mapping[str, LayerChoice] = "all",
) -> list[LayerReport]:
    """Replace the pointwise layers that have many zeros by SparseConv1x1, in place.

    1x1 convolutions, grouped or not, and products with a constant matrix in the main graph are
    such layers. What follows one, a bias, a residual of the same shape and an activation, becomes
    a part of it. A model that has been through this before stays as it is.

    Parameters
    ----------
    model : onnx_ir.Model
        A model that conforms to ONNX, or that ONNX Runtime takes, with its nodes sorted.
    min_sparsity : float
        Share of zeros in the stored weights, 0 to 1, from which on a layer is replaced.
    block_rows : int, optional
        Height of the blocks, one of `ort_sparse.bcsr.CANDIDATE_BLOCK_ROWS`. Where it does not
        divide the output channels, the next smaller one that does is taken. By default the one
        that makes the smallest arrays, for each layer.
    layers : {"auto", "all"} or mapping of str to LayerChoice
        Which of them to replace: all, those that the cost model chooses, or those chosen here by
        the name of their node; a node without one has the name of its output.

    Returns
    -------
    list of LayerReport
        Every pointwise layer with constant weights, in the order of the graph as it was.

    Raises
    ------
    InvalidArgumentError
        If an option is none of its allowed values.
    InvalidModelError
        If constants cannot be read, or a SparseConv1x1 in the model breaks its specification.
    """
    check_min_sparsity(min_sparsity)
    if block_rows is not None:
        check_block_rows(block_rows)
    if isinstance(layers, str) and layers not in ("auto", "all"):
        raise InvalidArgumentError(f"layers: must be 'auto' or 'all', but is {layers!r}")
    if layers == "auto":
        layers = predict_choices(model, min_sparsity=min_sparsity, block_rows=block_rows)
    choices = layers if isinstance(layers, Mapping) else {}
    return _replace_and_fuse(
        model,
        ReplacePointwisePass(min_sparsity=min_sparsity, block_rows=block_rows, choices=choices),
    )


def predict_choices(
    model: ir.Model, *, min_sparsity: float, block_rows: int | None
) -> dict[str, LayerChoice]:
    """Return what the cost model chooses for each pointwise layer with enough zeros.

    SparseConv1x1 nodes of the model stay what they are, and so do layers that were left dense when
    it was converted. The model is left as it is.
    """
    trial = model.clone()
    replace = ReplacePointwisePass(min_sparsity=min_sparsity, block_rows=block_rows)
    reports = _replace_and_fuse(trial, replace)
    candidates = {report.name for report in reports if report.replaced}
    choices = choose_layers(
        trial.graph, predict_costs(trial.graph), candidates=candidates, source="predicted"
    )
    for node in model.graph:
        note = node.metadata_props.get(CHOICE)
        if note is not None and not is_sparse_conv(node):
            cost = choices[node.name].cost if node.name in choices else None
            choices[node.name or ""] = LayerChoice(False, note.removeprefix("dense: "), cost)
    return choices


def _replace_and_fuse(model: ir.Model, replace: ReplacePointwisePass) -> list[LayerReport]:
    for node in model.graph:
        node.name = node.name or node.outputs[0].name
    infer_shapes(model)
    if replace(model).modified:
        for rewrite in (
            FuseAffinePass(),
            FuseResidualPass(),
            FuseAffinePass(),  # a constant may also be added behind the residual
            FuseActivationPass(),
            CancelTransposesPass(),
            RemoveUnusedNodesPass(),
        ):
            rewrite(model)
        infer_shapes(model)
    return replace.reports


def widen_float16(model: ir.Model) -> bool:
    """Let a model that computes in float16 compute in float32, in place; return whether it did.

    Only then can its layers be replaced. Its inputs and outputs keep their type.
    """
    infer_shapes(model)
    return WidenFloat16Pass()(model).modified


def densify(model: ir.Model) -> bool:
    """Turn SparseConv1x1 back into standard operators, in place; the opposite of `sparsify`.

    Weights are the same numbers, in float32. A grouped convolution stays an ungrouped one.

    Returns
    -------
    bool
        Whether the model had a SparseConv1x1.

    Raises
    ------
    InvalidModelError
        If a SparseConv1x1 breaks its specification.
    UnsupportedModelError
        If the rank of its input is unknown, or the model's opset is older than 11.
    """
    infer_shapes(model)
    modified = DensifyPass()(model).modified
    if modified:
        RemoveUnusedNodesPass()(model)
    return modified


def to_model_proto(model: ir.Model) -> onnx.ModelProto:
    """Serialize a model without the types of its initializers, which they have themselves.

    For a model of many small constants this is several percent of the file.
    """
    proto = ir.to_proto(model)
    constants = {initializer.name for initializer in proto.graph.initializer}
    kept = [info for info in proto.graph.value_info if info.name not in constants]
    del proto.graph.value_info[:]
    proto.graph.value_info.extend(kept)
    return proto
