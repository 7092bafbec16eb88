"""The passes in their order."""

from __future__ import annotations

from typing import Literal

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass, ShapeInferencePass

from ort_sparse.bcsr import CANDIDATE_BLOCK_ROWS
from ort_sparse.errors import InvalidArgumentError
from ort_sparse.op import register_schema

from .densify import DensifyPass
from .fuse_activation import FuseActivationPass
from .fuse_bias import FuseBiasPass
from .fuse_residual import FuseResidualPass
from .replace_pointwise import ReplacePointwisePass
from .report import LayerReport

__all__ = ["densify", "sparsify", "to_model_proto"]


def sparsify(
    model: ir.Model,
    *,
    min_sparsity: float,
    block_rows: int | None = None,
    layers: Literal["auto", "all"] = "auto",
) -> list[LayerReport]:
    """Replace the pointwise layers that have many zeros by SparseConv1x1, in place.

    1x1 convolutions, grouped or not, and products with a constant matrix in the main graph are
    such layers. What follows one, a bias, a residual of the same shape and an activation, becomes
    a part of it. A model that has been through this before stays as it is.

    Parameters
    ----------
    model : onnx_ir.Model
        A model that passes ``onnx.checker``.
    min_sparsity : float
        Share of zeros in the stored weights, 0 to 1, from which on a layer is replaced.
    block_rows : int, optional
        Height of the blocks, one of `CANDIDATE_BLOCK_ROWS`. Where it does not divide the output
        channels, the next smaller one that does is taken. By default the one that makes the
        smallest arrays, for each layer.
    layers : {"auto", "all"}
        Which of them to replace. Both mean all, until a cost model exists.

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
    _check_options(min_sparsity, block_rows, layers)
    register_schema()
    infer_shapes = ShapeInferencePass(check_type=False, strict_mode=False)
    infer_shapes(model)
    replace = ReplacePointwisePass(min_sparsity=min_sparsity, block_rows=block_rows)
    if replace(model).modified:
        for rewrite in (
            FuseBiasPass(),
            FuseResidualPass(),
            FuseBiasPass(),  # a constant may also be added behind the residual
            FuseActivationPass(),
            RemoveUnusedNodesPass(),
            infer_shapes,
        ):
            rewrite(model)
    return replace.reports


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
    register_schema()
    ShapeInferencePass(check_type=False, strict_mode=False)(model)
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


def _check_options(min_sparsity: float, block_rows: int | None, layers: str) -> None:
    if not 0 <= min_sparsity <= 1:
        raise InvalidArgumentError(f"min_sparsity: must lie in 0..1, but is {min_sparsity}")
    if block_rows is not None and block_rows not in CANDIDATE_BLOCK_ROWS:
        raise InvalidArgumentError(
            f"block_rows: must be one of {CANDIDATE_BLOCK_ROWS} or None, but is {block_rows}"
        )
    if layers not in ("auto", "all"):
        raise InvalidArgumentError(f"layers: must be 'auto' or 'all', but is {layers!r}")
