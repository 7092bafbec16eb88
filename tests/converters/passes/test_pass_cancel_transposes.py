"""Pairs of Transposes."""

from __future__ import annotations

import onnx_ir as ir
import pytest
from pass_helpers import GraphBuilder

from ort_sparse.converters.passes import CancelTransposesPass


def cancel(b: GraphBuilder, *results: str) -> list[str]:
    """Return the operators that the first result needs after the pass."""
    model = ir.from_proto(b.model(*results))
    CancelTransposesPass()(model)
    needed, pending = [], [model.graph.outputs[0]]
    while pending:
        node = pending.pop().producer()
        if node is not None:
            needed.append(node.op_type)
            pending.extend(node.inputs)
    return needed


@pytest.mark.parametrize(
    ("first", "second", "cancels"),
    [
        ([0, 2, 3, 1], [0, 3, 1, 2], True),
        ([1, 0, 2, 3], [1, 0, 2, 3], True),
        ([0, 2, 3, 1], [0, 2, 3, 1], False),
        ([0, 3, 1, 2], [0, 3, 1, 2], False),
    ],
)
def test_pairs(first, second, cancels):
    b = GraphBuilder()
    y = b.node("Transpose", b.node("Transpose", b.input(2, 3, 3, 3), perm=first), perm=second)
    expected = ["Relu"] if cancels else ["Relu", "Transpose", "Transpose"]
    assert cancel(b, b.node("Relu", y)) == expected


def test_result_that_is_a_graph_output_stays():
    b = GraphBuilder()
    y = b.node("Transpose", b.node("Transpose", b.input(2, 3), perm=[1, 0]), perm=[1, 0])
    assert cancel(b, y, b.node("Relu", y)) == ["Transpose", "Transpose"]


def test_other_readers_of_the_first_keep_it():
    b = GraphBuilder()
    first = b.node("Transpose", b.input(2, 3), perm=[1, 0])
    second = b.node("Transpose", first, perm=[1, 0])
    assert cancel(b, b.node("Neg", first), b.node("Relu", second)) == ["Neg", "Transpose"]
