"""Replaces pointwise layers by SparseConv1x1 nodes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from ort_sparse.bcsr import CANDIDATE_BLOCK_ROWS, BlockCSR, smallest_index_dtype
from ort_sparse.op import DOMAIN, INPUTS, OP_TYPE, OP_VERSION, SparseConv1x1

from .choice import LayerChoice
from .constants import ConstantPool, constant_nbytes, exact_float16
from .nodes import CHOICE, GROUPS, ORIGIN, is_sparse_conv, read_sparse_conv, set_input
from .pointwise import PointwiseLayer, known_product, match_pointwise
from .rearrangement import Step
from .report import LayerReport

__all__ = ["ReplacePointwisePass"]


class ReplacePointwisePass(ir.passes.InPlacePass):
    """Replaces the pointwise layers that have enough zeros by SparseConv1x1.

    A MatMul, which has its channels last, becomes a node between two Transposes. An activation of a
    fused layer that SparseConv1x1 lacks becomes a node behind it.

    Precondition: the model is valid, and shapes are inferred. Postcondition: no pointwise layer
    with at least ``min_sparsity`` zeros is left in the main graph, but those that ``choices`` keeps
    dense; weights are kept exactly; values have the names they had. Subgraphs and functions are
    left alone.

    Parameters
    ----------
    min_sparsity : float
        Share of zeros, 0 to 1, from which on a layer is replaced.
    block_rows : int, optional
        Height of the blocks, where it divides the output channels of a group. By default the one
        that makes the smallest arrays.
    choices : mapping of str to LayerChoice
        What is known of a layer by the name of its node; a layer that is not to be sparse is left
        alone.

    Attributes
    ----------
    reports : list of LayerReport
        All pointwise layers that the last call saw, SparseConv1x1 among them, in graph order.
    """

    def __init__(
        self,
        *,
        min_sparsity: float,
        block_rows: int | None = None,
        choices: Mapping[str, LayerChoice] | None = None,
    ) -> None:
        super().__init__()
        self._min_sparsity = min_sparsity
        self._block_rows = block_rows
        self._choices = choices or {}
        self.reports: list[LayerReport] = []

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Replace the layers of the main graph."""
        self.reports = []
        pool = ConstantPool(model.graph)
        for node in list(model.graph):
            if is_sparse_conv(node):
                choice = self._choices.get(node.name or "")
                self.reports.append(_with_costs(_report_sparse(node), choice))
            elif (layer := match_pointwise(node)) is not None:
                self.reports.append(self._convert(layer, model.graph, pool))
        modified = any(report.replaced for report in self.reports)
        if modified:
            model.opset_imports[DOMAIN] = OP_VERSION
        return ir.passes.PassResult(model, modified)

    def _convert(self, layer: PointwiseLayer, graph: ir.Graph, pool: ConstantPool) -> LayerReport:
        zeros, limit = f"{layer.zeros:.1%} zeros", f"{self._min_sparsity:.1%}"
        report = _report_dense(layer, f"{zeros}, less than {limit}")
        if layer.zeros < self._min_sparsity:
            return report
        choice = self._choices.get(report.name)
        report = _with_costs(report, choice)
        if choice is not None and not choice.sparse:
            layer.node.metadata_props[CHOICE] = f"dense: {choice.reason}"
            return replace(report, reason=f"{zeros}, but {choice.reason}")
        weights = _compress(layer, self._block_rows)
        node = _replace(layer, weights, graph, pool)
        reason = f"{zeros}, at least {limit}"
        if choice is not None:
            node.metadata_props[CHOICE] = f"sparse: {choice.reason}"
            reason = f"{zeros}; {choice.reason}"
        if self._block_rows is not None and weights.block_rows != self._block_rows:
            rows = layer.weights.shape[0] // layer.groups
            reason += f"; blocks of {self._block_rows} rows do not divide {rows}"
        pixels = layer.positions
        return replace(
            report,
            block_rows=weights.block_rows,
            bytes_after=weights.nbytes,
            macs_after=None if pixels is None else weights.values.size * pixels,
            replaced=True,
            reason=reason,
        )


def _with_costs(report: LayerReport, choice: LayerChoice | None) -> LayerReport:
    if choice is None or choice.cost is None:
        return report
    cost = choice.cost
    return replace(report, dense_microseconds=cost.dense, sparse_microseconds=cost.sparse)


def _report_dense(layer: PointwiseLayer, reason: str) -> LayerReport:
    nbytes = min(exact_float16(layer.weights).nbytes, constant_nbytes(layer.source))
    pixels = layer.positions
    macs = None if pixels is None else layer.weights.size * pixels
    return LayerReport(
        name=layer.node.name or "",
        kind=layer.node.op_type,
        shape=layer.shape,
        zeros=layer.zeros,
        block_rows=None,
        bytes_before=nbytes,
        bytes_after=nbytes,
        macs_before=macs,
        macs_after=macs,
        replaced=False,
        reason=reason,
    )


def _report_sparse(node: ir.Node) -> LayerReport:
    weights = read_sparse_conv(node).weights
    rows, columns = weights.shape
    shape = node.outputs[0].shape
    pixels = None if shape is None else known_product(shape[2:])
    return LayerReport(
        name=node.name or "",
        kind=node.op_type,
        shape=weights.shape,
        zeros=1 - weights.density,
        block_rows=weights.block_rows,
        bytes_before=rows * columns * weights.values.itemsize,
        bytes_after=weights.nbytes,
        macs_before=None if pixels is None else rows * columns * pixels,
        macs_after=None if pixels is None else weights.values.size * pixels,
        replaced=False,
        reason="is SparseConv1x1 already",
    )


def _compress(layer: PointwiseLayer, block_rows: int | None) -> BlockCSR:
    """Return the weights in block-CSR form, at their stored precision.

    The groups of a convolution are the blocks of a block-diagonal matrix: its rows are the stored
    rows, with each column shifted to its group. So nothing of that size is ever built.
    """
    stored = exact_float16(layer.weights)
    rows, columns = stored.shape
    rows_per_group = rows // layer.groups
    heights = [b for b in CANDIDATE_BLOCK_ROWS if rows_per_group % b == 0]
    if block_rows is not None:
        heights = [max(b for b in heights if b <= block_rows)]
    matrices = []
    for height in heights:
        matrix = BlockCSR.from_dense(stored, height)
        if layer.groups > 1:
            group = matrix.block_row_of_each_block() // (rows_per_group // height)
            indices = matrix.indices + group * columns
            matrix = replace(
                matrix,
                indices=indices.astype(smallest_index_dtype(layer.shape[1] - 1)),
                shape=layer.shape,
            )
        matrices.append(matrix)
    return min(reversed(matrices), key=lambda matrix: matrix.nbytes)


def _replace(
    layer: PointwiseLayer, weights: BlockCSR, graph: ir.Graph, pool: ConstantPool
) -> ir.Node:
    """Put a SparseConv1x1 node in the place of the layer's node, and return it."""
    name = layer.node.name or ""
    bias = None if layer.bias is None else exact_float16(layer.bias)
    op = SparseConv1x1(weights, bias=bias, strides=layer.strides, activation=layer.activation)
    constants = {key: pool.add(f"{name}.{key}", array) for key, array in op.constants().items()}
    names = INPUTS[: 5 if bias is not None else 4]
    node = ir.node(
        OP_TYPE,
        [layer.x, *(constants[key] for key in names[1:])],
        op.attributes(),
        domain=DOMAIN,
        name=name,
        metadata_props={ORIGIN: layer.node.op_type},
    )
    if layer.residual is not None:
        set_input(node, "residual", layer.residual)
    if layer.groups > 1:
        node.metadata_props[GROUPS] = str(layer.groups)
    nodes = _rearranged(node, layer, pool)
    if layer.follower is not None:
        nodes.append(
            ir.node(
                layer.follower.op_type,
                [nodes[-1].outputs[0]],
                layer.follower.attributes,
                name=f"{name}.activation",
            )
        )
    ir.convenience.replace_nodes_and_values(
        graph, layer.node, [layer.node], nodes, layer.node.outputs[:1], nodes[-1].outputs
    )
    return node


def _rearranged(node: ir.Node, layer: PointwiseLayer, pool: ConstantPool) -> list[ir.Node]:
    """Let ``node`` work on X with its channels moved to axis 1, and move them back behind it."""
    before, behind = layer.order.before, layer.order.behind
    nodes = [node]
    if before is not None:
        moved = _step(before, layer.x, f"{node.name}.channels_first", layer, pool)
        node.replace_input_with(0, moved.outputs[0])
        nodes.insert(0, moved)
    if behind is not None:
        nodes.append(_step(behind, node.outputs[0], f"{node.name}.channels_last", layer, pool))
    x = node.inputs[0]
    assert x is not None
    if (before or behind) and x.shape is not None:  # what follows may need it to fuse
        node.outputs[0].shape = ir.Shape([x.shape[0], layer.shape[0], *x.shape[2:]])
        node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    return nodes


def _step(step: Step, x: ir.Value, name: str, layer: PointwiseLayer, pool: ConstantPool) -> ir.Node:
    """Return the node of a step, with the shape of its output as far as it is known."""
    if step.op_type == "Reshape":
        inputs = [x, pool.add(f"{name}.shape", np.array(step.axes, np.int64))]
        attributes = {}
    else:
        inputs, attributes = [x], {"perm": step.axes}
    node = ir.node(
        step.op_type, inputs, attributes, name=name, metadata_props={ORIGIN: layer.node.op_type}
    )
    if x.shape is not None:
        node.outputs[0].shape = ir.Shape(_shape_behind(step, x.shape))
        node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    return node


def _shape_behind(step: Step, shape: ir.Shape) -> list[int | ir.SymbolicDim | None]:
    if step.op_type == "Transpose":
        return [shape[axis] for axis in step.axes]
    elements = known_product(list(shape))
    others = math.prod(size for size in step.axes if size > 0)
    free = None if elements is None else elements // others
    return [free if size == -1 else size for size in step.axes]
