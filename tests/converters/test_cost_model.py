"""Costs of layers, and the choice between dense and sparse that follows from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from ort_sparse.conversion import convert_and_report
from ort_sparse.converters.cost_model import (
    LayerWork,
    dense_microseconds,
    reorder_microseconds,
    sparse_microseconds,
)
from ort_sparse.converters.passes import (
    LayerCost,
    choose_layers,
    densify,
    predict_choices,
    sparsify,
    to_model_proto,
)
from ort_sparse.converters.passes.layouts import MARGIN, PLAIN_ELEMENTWISE, Layouts
from ort_sparse.op import ACTIVATIONS, OP_TYPE
from ort_sparse.options import ConvertOptions

works = st.builds(
    LayerWork,
    rows=st.sampled_from([4, 16, 100, 1344]),
    columns=st.sampled_from([3, 32, 200, 1280]),
    pixels=st.sampled_from([1, 2, 49, 196, 12544]),
    nonzeros=st.integers(0, 100_000),
    block_rows=st.sampled_from([1, 2, 4, 3]),
    activation=st.sampled_from(ACTIVATIONS),
)


@given(works, st.integers(1, 10_000))
def test_each_nonzero_costs_something(work, more):
    fuller = replace(work, nonzeros=work.nonzeros + more)
    assert sparse_microseconds(fuller) > sparse_microseconds(work) >= 0
    assert dense_microseconds(fuller) == dense_microseconds(work) > 0


@given(works)
def test_a_larger_plane_costs_more(work):
    larger = replace(work, pixels=work.pixels + 64)
    if work.pixels > 1:
        assert dense_microseconds(larger) > dense_microseconds(work)
        assert sparse_microseconds(larger) > sparse_microseconds(work)


@given(st.integers(0, 10**7), st.integers(1, 10**6))
def test_a_larger_tensor_takes_longer_to_reorder(elements, more):
    assert reorder_microseconds(elements + more) > reorder_microseconds(elements)


class Network:
    """Builds a chain of convolutions on 64 channels of 28 x 28 pixels."""

    def __init__(self, size: int | str = 28, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.size = size
        self.nodes = []
        self.constants = []
        self.value = "x"

    def conv(self, kernel: int, zeros: float = 0.0, x: str | None = None) -> str:
        """Add a convolution, and return its output; the node has the same name."""
        name = f"{'pointwise' if kernel == 1 else 'conv'}{len(self.nodes)}"
        weights = self.rng.standard_normal((64, 64, kernel, kernel)).astype(np.float32)
        weights.ravel()[: round(zeros * weights.size)] = 0
        self.constants.append(numpy_helper.from_array(self.rng.permuted(weights), f"{name}.w"))
        self.nodes.append(
            helper.make_node(
                "Conv", [x or self.value, f"{name}.w"], [name], name, pads=[kernel // 2] * 4
            )
        )
        self.value = name
        return name

    def add(self, a: str, b: str) -> str:
        self.nodes.append(helper.make_node("Add", [a, b], [f"sum{len(self.nodes)}"]))
        self.value = self.nodes[-1].output[0]
        return self.value

    def model(self):
        shape = ["n", 64, self.size, self.size]
        graph = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info("x", 1, shape)],
            [helper.make_tensor_value_info(self.value, 1, shape)],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def choose(network: Network, costs: dict[str, LayerCost]) -> set[str]:
    """Return the layers that become sparse at these costs."""
    graph = ir.from_proto(network.model())
    sparsify(graph, min_sparsity=0.5, layers="all")
    choices = choose_layers(graph.graph, costs, candidates=costs.keys(), source="given")
    assert all(choice.reason.startswith("given") for choice in choices.values())
    return {name for name, choice in choices.items() if choice.sparse}


def test_a_gain_smaller_than_the_changes_of_layout_is_none():
    network = Network()
    network.conv(3)
    layer = network.conv(1, zeros=0.9)
    network.conv(3)
    layout = 2 * reorder_microseconds(64 * 28 * 28)
    assert choose(network, {layer: LayerCost(dense=layout - 1, sparse=0)}) == set()
    assert choose(network, {layer: LayerCost(dense=layout + 1, sparse=0)}) == {layer}


def test_neighbours_share_the_changes_of_layout():
    network = Network()
    network.conv(3)
    layers = [network.conv(1, zeros=0.9) for _ in range(2)]
    network.conv(3)
    gain = 1.2 * reorder_microseconds(64 * 28 * 28)
    cost = LayerCost(dense=gain, sparse=0)
    assert choose(network, dict.fromkeys(layers, cost)) == set(layers)
    assert choose(network, {layers[0]: cost, layers[1]: LayerCost(gain, 2 * gain)}) == set()


def test_no_change_of_layout_where_the_graph_ends():
    network = Network()
    layer = network.conv(1, zeros=0.9)
    assert choose(network, {layer: LayerCost(dense=1, sparse=0.5)}) == {layer}


def test_a_dense_layer_cannot_fuse_the_residual_of_a_sparse_one():
    network = Network()
    first = network.conv(1, zeros=0.9)
    network.conv(3)
    second = network.conv(1, zeros=0.9)
    network.add(first, second)
    network.conv(3)
    size = 64 * 28 * 28
    # Dense, it needs as many changes of layout, and an Add and an activation on their own.
    alone = 2 * PLAIN_ELEMENTWISE * size
    for gap, expected in (
        (alone - reorder_microseconds(size) / 2, {first, second}),
        (alone + reorder_microseconds(size) / 2, {first}),
    ):
        costs = {first: LayerCost(500, 0), second: LayerCost(100 * MARGIN - gap, 100)}
        assert choose(network, costs) == expected


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 9), max_size=40))
def test_flipping_layers_one_by_one_costs_what_they_cost_together(flips):
    network = Network()
    layers = []
    for step in range(10):
        layers.append(network.conv(1, zeros=0.9))
        if step % 2:
            network.add(network.value, layers[step // 2])
        if step % 3:
            network.conv(3)
    graph = ir.from_proto(network.model())
    sparsify(graph, min_sparsity=0.5, layers="all")
    costs = {name: LayerCost(dense=3 * i, sparse=i) for i, name in enumerate(layers)}
    layouts = Layouts(graph.graph, costs, layers)
    for flip in flips:
        before = layouts.total
        change = layouts.flip(layers[flip])
        assert layouts.total == pytest.approx(before + change)
    assert layouts.total == pytest.approx(Layouts(graph.graph, costs, layouts.sparse).total)


def test_half_dense_stays_dense_and_95_percent_becomes_sparse():
    network = Network()
    network.conv(3)
    half = network.conv(1, zeros=0.5)
    network.conv(3)
    few = network.conv(1, zeros=0.95)
    network.conv(3)
    dense = network.model()
    conversion = convert_and_report(dense)
    reports = {report.name: report for report in conversion.layers}
    assert not reports[half].replaced
    assert reports[few].replaced
    assert "predicted" in reports[half].reason
    assert "us" in reports[few].reason
    for report in reports.values():
        assert report.dense_microseconds > 0
        assert report.sparse_microseconds > 0
    notes = {entry.key: entry.value for entry in conversion.model.metadata_props}
    assert notes["ort_sparse.choice"] == "cost model"
    (node,) = [n for n in conversion.model.graph.node if n.op_type == OP_TYPE]
    assert any(entry.key == "ort_sparse.choice" for entry in node.metadata_props)
    everything = convert_and_report(dense, ConvertOptions(layers="all", verify=False))
    assert everything.replaced == 2
    notes = {entry.key: entry.value for entry in everything.model.metadata_props}
    assert notes["ort_sparse.choice"] == "all"


def test_a_choice_stands_until_the_model_is_dense_again():
    network = Network()
    network.conv(3)
    half = network.conv(1, zeros=0.5)
    network.conv(3)
    few = network.conv(1, zeros=0.95)
    network.conv(3)
    once = convert_and_report(network.model(), ConvertOptions(verify=False)).model
    again = convert_and_report(once, ConvertOptions(verify=False))
    assert again.model is once
    reasons = {report.name: report.reason for report in again.layers}
    assert "% zeros, but predicted" in reasons[half]
    assert reasons[few] == "is SparseConv1x1 already"
    everything = convert_and_report(once, ConvertOptions(layers="all", verify=False))
    assert {report.name for report in everything.layers if report.replaced} == {half}
    graph = ir.from_proto(once)
    densify(graph)
    choices = predict_choices(graph, min_sparsity=0.5, block_rows=None)
    assert {name for name, choice in choices.items() if choice.sparse} == {few}


def test_a_model_with_nothing_to_gain_is_returned_unchanged():
    network = Network()
    network.conv(3)
    network.conv(1, zeros=0.55)
    network.conv(3)
    dense = network.model()
    conversion = convert_and_report(dense)
    assert conversion.replaced == 0
    assert conversion.model is dense


def test_unknown_spatial_size_has_a_default_rule():
    network = Network(size="s")
    many = network.conv(1, zeros=0.9)
    few = network.conv(1, zeros=0.6)
    choices = predict_choices(ir.from_proto(network.model()), min_sparsity=0.5, block_rows=None)
    assert choices[many].sparse
    assert not choices[few].sparse
    assert "unknown" in choices[many].reason
    assert choices[many].cost is None


def test_one_pixel_layers_stay_sparse_for_their_size_where_the_model_gains():
    network = Network(size=56)
    large = network.conv(1, zeros=0.95)
    network.nodes.append(helper.make_node("GlobalAveragePool", [large], ["mean"]))
    pixel = network.conv(1, zeros=0.6, x="mean")
    network.add(large, pixel)
    slow = LayerCost(dense=5, sparse=8)
    assert choose(network, {large: LayerCost(99, 1), pixel: slow}) == {large, pixel}
    assert choose(network, {large: LayerCost(1, 99), pixel: slow}) == set()
    choices = predict_choices(ir.from_proto(network.model()), min_sparsity=0.5, block_rows=None)
    assert choices[pixel].sparse
    assert "one pixel" in choices[pixel].reason


def test_a_padding_before_a_convolution_changes_no_layout():
    network = Network()
    network.conv(3)
    layer = network.conv(1, zeros=0.9)
    network.constants.append(numpy_helper.from_array(np.zeros(8, np.int64), "pads"))
    network.nodes.append(helper.make_node("Pad", [layer, "pads"], ["padded"]))
    network.conv(3, x="padded")
    layout = 2 * reorder_microseconds(64 * 28 * 28)
    assert choose(network, {layer: LayerCost(dense=layout - 1, sparse=0)}) == set()
    assert choose(network, {layer: LayerCost(dense=layout + 1, sparse=0)}) == {layer}


@pytest.mark.parametrize("layers", ["auto", "all"])
def test_choosing_again_changes_nothing(layers):
    """Choices and costs of what is sparse already are reported again."""
    network = Network()
    for zeros in (0.5, 0.8, 0.95, 0.6):
        network.conv(3)
        network.conv(1, zeros=zeros)
    graph = ir.from_proto(network.model())
    sparsify(graph, min_sparsity=0.5, layers=layers)
    once = to_model_proto(graph)
    again = ir.from_proto(once)
    reports = sparsify(again, min_sparsity=0.5, layers=layers)
    assert to_model_proto(again) == once
    known = [report.sparse_microseconds for report in reports if report.kind == "SparseConv1x1"]
    assert known
    assert all((cost is not None) == (layers == "auto") for cost in known)
